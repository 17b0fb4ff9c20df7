"""Protocols on vectors and labels, benchmark suites, ranks, leakage, and the scores of generated images."""

from hyperface_lib.evaluation.angle_distributions import AngleDistribution
from hyperface_lib.evaluation.bootstrap import (
    ByGroups,
    ByPeople,
    Interval,
    VerificationIntervals,
    bootstrap_verification,
)
from hyperface_lib.evaluation.each_set import evaluate_each_set
from hyperface_lib.evaluation.evaluator import embed_crops, embed_with_mirror, evaluate, score_pairs
from hyperface_lib.evaluation.exclude_leaks import Exclusion, check_exclusion_place, exclude_leaks
from hyperface_lib.evaluation.exclusion_policies import DropIdentities, DropImages, ExclusionPolicy
from hyperface_lib.evaluation.factor_changes import FACTOR_CHANGES
from hyperface_lib.evaluation.factors import (
    FactorCurve,
    FactorPictures,
    factor_curve,
    factor_curve_of_pictures,
    factor_curve_of_vectors,
    factor_curves,
    factor_pictures,
)
from hyperface_lib.evaluation.generation_scores import (
    GenerationScores,
    PackedScores,
    enrol,
    frechet_distance,
    frechet_floor,
    genuine_impostor_cosines,
    intra_class_cosine,
    leave_one_out_rank1,
    score_generated,
    score_packed,
)
from hyperface_lib.evaluation.identification import (
    DistractorSearch,
    Identification,
    OpenSetIdentification,
    identify,
    identify_open_set,
    mean_rate_at,
    search_distractors,
)
from hyperface_lib.evaluation.ijb import IjbResult, IjbScores, evaluate_ijb, score_ijb
from hyperface_lib.evaluation.ijb_each import evaluate_each_ijb
from hyperface_lib.evaluation.ijb_features import IjbFeatures, embed_ijb
from hyperface_lib.evaluation.ijb_parts import ImageProblem
from hyperface_lib.evaluation.ijb_scores import (
    IjbIdentification,
    IjbVerification,
    identify_templates,
    pair_cosines,
    verify_templates,
)
from hyperface_lib.evaluation.leak_table import LEAK_COMPARISONS, LeakRow, LeakTable, leak_table
from hyperface_lib.evaluation.leaks import Leaks, NearestRows, find_leaks, nearest_rows
from hyperface_lib.evaluation.people import people_of
from hyperface_lib.evaluation.published import PublishedRow, load_published
from hyperface_lib.evaluation.ranking import Ranking, competition_ranks, rank_models
from hyperface_lib.evaluation.recipes import Recipe, recipe_of_metadata
from hyperface_lib.evaluation.repeats import averages_over_option, over_seeds, seed_averages
from hyperface_lib.evaluation.report import comparison_table
from hyperface_lib.evaluation.report_parts import Failure, Report, ReportGroup, ReportRow, Value
from hyperface_lib.evaluation.roc import RocCurve, roc_curve, roc_of_scores, tpr_at_fpr
from hyperface_lib.evaluation.strangers import impostor_threshold_cosine, nearest_stranger_cosines
from hyperface_lib.evaluation.suite import Suite, is_ijb, load_ijb, load_suite
from hyperface_lib.evaluation.table import (
    FIVE_BENCHMARKS,
    BenchmarkTable,
    Row,
    accuracies,
    average_accuracy,
    borda_count,
)
from hyperface_lib.evaluation.template_crops import DecodedImages, dlib_chips, embed_aligned, embed_image_set
from hyperface_lib.evaluation.templates import PUBLISHED_POOLINGS, Pooling, Templates, pool_templates
from hyperface_lib.evaluation.uniqueness import DatasetScores, IdentityScores, score_dataset
from hyperface_lib.evaluation.variation import FactorVariation, factor_variation
from hyperface_lib.evaluation.verification import FoldRate, HardPairs, PairScores, Verification, hardest_pairs, verify

__all__ = [
    "FACTOR_CHANGES",
    "FIVE_BENCHMARKS",
    "LEAK_COMPARISONS",
    "PUBLISHED_POOLINGS",
    "AngleDistribution",
    "BenchmarkTable",
    "ByGroups",
    "ByPeople",
    "DatasetScores",
    "DecodedImages",
    "DistractorSearch",
    "DropIdentities",
    "DropImages",
    "Exclusion",
    "ExclusionPolicy",
    "FactorCurve",
    "FactorPictures",
    "FactorVariation",
    "Failure",
    "FoldRate",
    "GenerationScores",
    "HardPairs",
    "Identification",
    "IdentityScores",
    "IjbFeatures",
    "IjbIdentification",
    "IjbResult",
    "IjbScores",
    "IjbVerification",
    "ImageProblem",
    "Interval",
    "LeakRow",
    "LeakTable",
    "Leaks",
    "NearestRows",
    "OpenSetIdentification",
    "PackedScores",
    "PairScores",
    "Pooling",
    "PublishedRow",
    "Ranking",
    "Recipe",
    "Report",
    "ReportGroup",
    "ReportRow",
    "RocCurve",
    "Row",
    "Suite",
    "Templates",
    "Value",
    "Verification",
    "VerificationIntervals",
    "accuracies",
    "average_accuracy",
    "averages_over_option",
    "bootstrap_verification",
    "borda_count",
    "check_exclusion_place",
    "comparison_table",
    "competition_ranks",
    "dlib_chips",
    "embed_aligned",
    "embed_crops",
    "embed_ijb",
    "embed_image_set",
    "embed_with_mirror",
    "enrol",
    "evaluate",
    "evaluate_each_ijb",
    "evaluate_each_set",
    "evaluate_ijb",
    "exclude_leaks",
    "factor_curve",
    "factor_curve_of_pictures",
    "factor_curve_of_vectors",
    "factor_curves",
    "factor_pictures",
    "factor_variation",
    "find_leaks",
    "frechet_distance",
    "frechet_floor",
    "genuine_impostor_cosines",
    "hardest_pairs",
    "identify",
    "identify_open_set",
    "identify_templates",
    "impostor_threshold_cosine",
    "intra_class_cosine",
    "is_ijb",
    "leak_table",
    "leave_one_out_rank1",
    "load_ijb",
    "load_published",
    "load_suite",
    "mean_rate_at",
    "nearest_rows",
    "nearest_stranger_cosines",
    "over_seeds",
    "pair_cosines",
    "people_of",
    "pool_templates",
    "rank_models",
    "recipe_of_metadata",
    "roc_curve",
    "roc_of_scores",
    "score_dataset",
    "score_generated",
    "score_ijb",
    "score_packed",
    "score_pairs",
    "search_distractors",
    "seed_averages",
    "tpr_at_fpr",
    "verify",
    "verify_templates",
]
