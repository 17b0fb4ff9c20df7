"""Points on the unit hypersphere: how far apart they are, how far they could be, and how to get them there."""

from __future__ import annotations

from hyperface_lib.sphere.best_known_cosines import BestKnownCosine, best_known_cosine
from hyperface_lib.sphere.bounds import bound_name, cosine_lower_bound, levenshtein_bound_degrees
from hyperface_lib.sphere.capacity import (
    CapacityEstimate,
    Population,
    estimate_capacity,
    intra_class_radius_degrees,
    levenshtein_capacity,
    measure_population,
    measure_population_by_pairs,
    threshold_at_false_accept_rate,
)
from hyperface_lib.sphere.caps import (
    Measured,
    cap_angle_degrees,
    cap_area_fraction,
    expected_nearest_angle_degrees,
    log_cap_area_fraction,
    nearest_angle_density,
    nearest_angle_quantile,
    pair_angle_density,
)
from hyperface_lib.sphere.closeness import GalleryStatistics, gallery_statistics
from hyperface_lib.sphere.cost import packing_cost, sharded_step_cost
from hyperface_lib.sphere.distinct import (
    CapacityCurve,
    capacity_curve,
    distinct_points,
    identity_accumulation,
    unique_identities,
)
from hyperface_lib.sphere.geometry import (
    ClosestPair,
    Neighbours,
    closest_pair,
    min_angle_degrees,
    nearest_neighbour_angles,
    nearest_neighbours,
)
from hyperface_lib.sphere.initial import random_points
from hyperface_lib.sphere.known_codes import (
    KnownCode,
    best_known,
    gold_code,
    kerdock_code,
    named_code,
    orthoplex,
    simplex,
)
from hyperface_lib.sphere.objectives import OBJECTIVES, Objective, create_objective
from hyperface_lib.sphere.optimisers import OPTIMISERS, Optimiser, create_optimiser
from hyperface_lib.sphere.packing import Packing, pack
from hyperface_lib.sphere.problem import DEFAULT_ALPHA, CollapseWarning, PackingProblem, define_problem, start_run
from hyperface_lib.sphere.rejection import ThresholdNotMetError, random_below_threshold
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.schedule import ALPHA_SCHEDULES, AlphaSchedule, Annealing, default_annealing
from hyperface_lib.sphere.sharding import ShardedPairs, current_shard, join_processes, process_rank
from hyperface_lib.sphere.slices import circle_discrepancy, line_discrepancy
from hyperface_lib.sphere.statistics import PackingStatistics, packing_statistics, uniformity
from hyperface_lib.sphere.stochastic_theory import (
    closest_pair_rank_probabilities,
    expected_batch_maximum,
    pair_probability,
)
from hyperface_lib.sphere.subspace import (
    EffectiveDimension,
    effective_dimension,
    participation_ratio,
    principal_subspace,
)
from hyperface_lib.sphere.whitening import Whitening, supported_directions, uniform_excess

__all__ = [
    "ALPHA_SCHEDULES",
    "DEFAULT_ALPHA",
    "OBJECTIVES",
    "OPTIMISERS",
    "AlphaSchedule",
    "Annealing",
    "BestKnownCosine",
    "CapacityCurve",
    "CapacityEstimate",
    "ClosestPair",
    "CollapseWarning",
    "EffectiveDimension",
    "GalleryStatistics",
    "KnownCode",
    "Measured",
    "Neighbours",
    "Objective",
    "Optimiser",
    "Packing",
    "PackingProblem",
    "PackingRecord",
    "PackingRun",
    "PackingStatistics",
    "Population",
    "ShardedPairs",
    "ThresholdNotMetError",
    "Whitening",
    "best_known",
    "best_known_cosine",
    "bound_name",
    "cap_angle_degrees",
    "cap_area_fraction",
    "capacity_curve",
    "circle_discrepancy",
    "closest_pair",
    "closest_pair_rank_probabilities",
    "cosine_lower_bound",
    "create_objective",
    "create_optimiser",
    "current_shard",
    "default_annealing",
    "define_problem",
    "distinct_points",
    "effective_dimension",
    "estimate_capacity",
    "expected_batch_maximum",
    "expected_nearest_angle_degrees",
    "gallery_statistics",
    "gold_code",
    "identity_accumulation",
    "intra_class_radius_degrees",
    "join_processes",
    "kerdock_code",
    "levenshtein_bound_degrees",
    "levenshtein_capacity",
    "line_discrepancy",
    "log_cap_area_fraction",
    "measure_population",
    "measure_population_by_pairs",
    "min_angle_degrees",
    "named_code",
    "nearest_angle_density",
    "nearest_angle_quantile",
    "nearest_neighbour_angles",
    "nearest_neighbours",
    "orthoplex",
    "pack",
    "packing_cost",
    "packing_statistics",
    "pair_angle_density",
    "pair_probability",
    "participation_ratio",
    "principal_subspace",
    "process_rank",
    "random_below_threshold",
    "random_points",
    "sharded_step_cost",
    "simplex",
    "start_run",
    "supported_directions",
    "threshold_at_false_accept_rate",
    "uniform_excess",
    "uniformity",
    "unique_identities",
]
