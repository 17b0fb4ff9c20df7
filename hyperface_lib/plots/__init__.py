"""Functions that return plotly figures in one house style, and the live explorers built on them."""

from hyperface_lib.plots.benchmark_figure import benchmark_table_figure
from hyperface_lib.plots.capacity import accumulation_curves, capacity_curves
from hyperface_lib.plots.curves import roc_curves, roc_points, running_mean, training_curves
from hyperface_lib.plots.det import det_curves, det_points
from hyperface_lib.plots.distributions import angle_concentration, nearest_neighbour_distributions
from hyperface_lib.plots.factors import factor_panels
from hyperface_lib.plots.leaks import leak_curves, leak_pairs
from hyperface_lib.plots.packing import (
    contact_edges,
    packing_progress,
    principal_basis,
    principal_coordinates,
    sphere_figure,
)
from hyperface_lib.plots.pictures import hardest_pairs, image_data_uri, image_grid, picture_pairs, show_images
from hyperface_lib.plots.similarity import (
    angle_histograms,
    nearest_neighbour_histogram,
    similarity_histogram,
    spectrum,
    vector_map,
)
from hyperface_lib.plots.tables import MarkdownTable, accuracy_bars, benchmark_table, markdown_table
from hyperface_lib.plots.theme import COLORS, TEMPLATE_NAME, color_of, new_figure
from hyperface_lib.plots.uniqueness import (
    angle_distributions,
    genuine_impostor_angles,
    unique_identity_curve,
    worst_identities,
)

__all__ = [
    "COLORS",
    "TEMPLATE_NAME",
    "MarkdownTable",
    "accumulation_curves",
    "accuracy_bars",
    "angle_concentration",
    "angle_distributions",
    "angle_histograms",
    "benchmark_table",
    "benchmark_table_figure",
    "capacity_curves",
    "color_of",
    "contact_edges",
    "det_curves",
    "det_points",
    "factor_panels",
    "genuine_impostor_angles",
    "hardest_pairs",
    "image_data_uri",
    "image_grid",
    "leak_curves",
    "leak_pairs",
    "markdown_table",
    "nearest_neighbour_distributions",
    "nearest_neighbour_histogram",
    "new_figure",
    "packing_progress",
    "picture_pairs",
    "principal_basis",
    "principal_coordinates",
    "roc_curves",
    "roc_points",
    "running_mean",
    "show_images",
    "similarity_histogram",
    "spectrum",
    "sphere_figure",
    "training_curves",
    "unique_identity_curve",
    "vector_map",
    "worst_identities",
]
