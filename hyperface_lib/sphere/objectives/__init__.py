"""What packing minimises: one class each, chosen by name."""

from __future__ import annotations

from collections.abc import Callable

from hyperface_lib.sphere.objectives.base import Evaluation, Objective, SoftObjective
from hyperface_lib.sphere.objectives.closest_pair import ClosestPairObjective
from hyperface_lib.sphere.objectives.discrepancy import MaximumMeanDiscrepancy
from hyperface_lib.sphere.objectives.drawn import DrawnObjective, LloydDispersion, SlicedDispersion
from hyperface_lib.sphere.objectives.gallery import GalleryTerm, WithGallery
from hyperface_lib.sphere.objectives.hinge import SquaredHinge
from hyperface_lib.sphere.objectives.log_sum_exp import GaussianPotential, LogSumExp
from hyperface_lib.sphere.objectives.nearest import KoLeo, MeanNearest
from hyperface_lib.sphere.objectives.riesz import RieszEnergy

OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "hinge": SquaredHinge,
    "log-sum-exp": LogSumExp,
    "riesz": RieszEnergy,
    "closest-pair": ClosestPairObjective,
    "mean-nearest": MeanNearest,
    "gaussian": GaussianPotential,
    "koleo": KoLeo,
    "mmd": MaximumMeanDiscrepancy,
    "sliced": SlicedDispersion,
    "lloyd": LloydDispersion,
}


def create_objective(name: str) -> Objective:
    """Return a new objective by name; raises ValueError listing the names for one it does not know."""
    if name not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, found {name!r}.")
    return OBJECTIVES[name]()


__all__ = [
    "OBJECTIVES",
    "ClosestPairObjective",
    "DrawnObjective",
    "Evaluation",
    "GalleryTerm",
    "GaussianPotential",
    "KoLeo",
    "LloydDispersion",
    "LogSumExp",
    "MaximumMeanDiscrepancy",
    "MeanNearest",
    "Objective",
    "RieszEnergy",
    "SlicedDispersion",
    "SoftObjective",
    "SquaredHinge",
    "WithGallery",
    "create_objective",
]
