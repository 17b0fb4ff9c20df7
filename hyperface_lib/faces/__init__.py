"""The rendered-face world: faces with known identity and known nuisance, made on the spot by any machine."""

from hyperface_lib.faces.benchmarks import BENCHMARKS, FACTOR_SETS, rendered_benchmark
from hyperface_lib.faces.expressions import PRESETS, expression
from hyperface_lib.faces.identity import Identity
from hyperface_lib.faces.nuisance import Nuisance
from hyperface_lib.faces.profiles import PROFILES, Profile
from hyperface_lib.faces.sheets import contact_sheet
from hyperface_lib.faces.splits import SPLITS, identity_seeds, nuisance_seed
from hyperface_lib.faces.versions import BENCHMARK_VERSION, RENDERER_VERSION
from hyperface_lib.faces.world import FaceWorld

__all__ = [
    "BENCHMARKS",
    "BENCHMARK_VERSION",
    "FACTOR_SETS",
    "PRESETS",
    "PROFILES",
    "RENDERER_VERSION",
    "SPLITS",
    "FaceWorld",
    "Identity",
    "Nuisance",
    "Profile",
    "contact_sheet",
    "expression",
    "identity_seeds",
    "nuisance_seed",
    "rendered_benchmark",
]
