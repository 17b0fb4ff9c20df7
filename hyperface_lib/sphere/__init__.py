"""Points on the unit hypersphere: how far apart they are, how far they could be, and how to get them there."""

from __future__ import annotations

from hyperface_lib.sphere.bounds import cosine_lower_bound, levenshtein_bound_degrees
from hyperface_lib.sphere.geometry import (
    ClosestPair,
    Neighbours,
    closest_pair,
    min_angle_degrees,
    nearest_neighbour_angles,
    nearest_neighbours,
)
from hyperface_lib.sphere.initial import random_points
from hyperface_lib.sphere.known_codes import KnownCode, best_known, gold_code, orthoplex, simplex
from hyperface_lib.sphere.objectives import OBJECTIVES, Objective, create_objective
from hyperface_lib.sphere.optimisers import OPTIMISERS, Optimiser, create_optimiser
from hyperface_lib.sphere.packing import Packing, pack
from hyperface_lib.sphere.problem import DEFAULT_ALPHA, PackingProblem, define_problem, start_run
from hyperface_lib.sphere.rejection import ThresholdNotMetError, random_below_threshold
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.schedule import Annealing, default_annealing
from hyperface_lib.sphere.statistics import uniformity
from hyperface_lib.sphere.subspace import (
    EffectiveDimension,
    effective_dimension,
    participation_ratio,
    principal_subspace,
)

__all__ = [
    "DEFAULT_ALPHA",
    "OBJECTIVES",
    "OPTIMISERS",
    "Annealing",
    "ClosestPair",
    "EffectiveDimension",
    "KnownCode",
    "Neighbours",
    "Objective",
    "Optimiser",
    "Packing",
    "PackingProblem",
    "PackingRecord",
    "PackingRun",
    "ThresholdNotMetError",
    "best_known",
    "closest_pair",
    "cosine_lower_bound",
    "create_objective",
    "create_optimiser",
    "default_annealing",
    "define_problem",
    "effective_dimension",
    "gold_code",
    "levenshtein_bound_degrees",
    "min_angle_degrees",
    "nearest_neighbour_angles",
    "nearest_neighbours",
    "orthoplex",
    "pack",
    "participation_ratio",
    "principal_subspace",
    "random_below_threshold",
    "random_points",
    "simplex",
    "start_run",
    "uniformity",
]
