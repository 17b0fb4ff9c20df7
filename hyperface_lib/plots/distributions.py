"""Measured angles against the exact law of uniform points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from hyperface_lib.plots.similarity import nearest_neighbour_histogram
from hyperface_lib.plots.theme import BLACK, color_of, new_figure, rounded, translucent
from hyperface_lib.sphere.caps import nearest_angle_density, nearest_angle_quantile, pair_angle_density

_LINE_POINTS = 240
# Angles with less than this share of the uniform law on either side are left out of a line.
_TAIL = 1e-4


def nearest_neighbour_distributions(
    angles_degrees: Mapping[str, np.ndarray],
    *,
    dimension: int,
    bound_degrees: float | None = None,
    bins: int = 60,
    title: str = "",
) -> go.Figure:
    """Draw histograms of nearest-neighbour angles, with the exact density for as many uniform points as a line.

    `angles_degrees`: name -> (n,) angles from each point of a set to its nearest other one. A line is drawn for each
    different n, and the bound as a dashed level. Raises ValueError for no set or one of fewer than 2 points.
    """
    figure = nearest_neighbour_histogram(angles_degrees, bound_degrees=bound_degrees, bins=bins, title=title)
    for name, angles in angles_degrees.items():
        if len(angles) < 2:
            raise ValueError(f"Set {name!r} must have at least 2 points, found {len(angles)}.")
    sizes = sorted({len(angles) for angles in angles_degrees.values()})
    for index, size in enumerate(sizes):
        low, high = nearest_angle_quantile([_TAIL, 1 - _TAIL], size - 1, dimension)
        grid = np.linspace(low, high, _LINE_POINTS)
        figure.add_trace(
            go.Scatter(
                x=rounded(grid, 3),
                y=rounded(nearest_angle_density(grid, size - 1, dimension), 7),
                mode="lines",
                name="uniform points" if len(sizes) == 1 else f"{size} uniform points",
                line={"color": BLACK, "width": 2.5, "dash": ("solid", "dot", "dashdot")[index % 3]},
            )
        )
    # Packed points crowd one bin, and would flatten the rest on a common linear scale.
    top = max(float(np.max(trace.y)) for trace in figure.data)
    least = 0.5 / max(sizes) / float(figure.data[0].width)
    figure.update_yaxes(type="log", range=[np.log10(least), np.log10(2 * top)], dtick=1, exponentformat="power")
    figure.update_layout(showlegend=True, legend={"x": 0.02, "y": 0.98})
    return figure


def angle_concentration(
    dimensions: Sequence[int],
    *,
    measured_degrees: Mapping[int, np.ndarray] | None = None,
    bins: int = 90,
    title: str = "",
) -> go.Figure:
    """Draw the density of the angle between two uniform points, sin^{d-2}, for several dimensions.

    `measured_degrees`: dimension -> angles of pairs, drawn as a histogram behind the line of that dimension.
    Raises ValueError for no dimension, or angles measured in one that is not drawn.
    """
    measured = measured_degrees or {}
    if not dimensions or set(measured) - set(dimensions):
        found = sorted(set(measured) - set(dimensions)) or "none"
        raise ValueError(f"Angles are drawn for the dimensions given, at least one, found {found}.")
    figure = new_figure(title, "angle between two points (degrees)", "density (per degree)")
    grid = np.linspace(0.0, 180.0, 2 * _LINE_POINTS + 1)
    for index, dimension in enumerate(dimensions):
        color = color_of(index)
        if dimension in measured:
            density, edges = np.histogram(measured[dimension], bins=bins, range=(0.0, 180.0), density=True)
            figure.add_trace(
                go.Bar(
                    x=rounded((edges[:-1] + edges[1:]) / 2),
                    y=rounded(density, 5),
                    width=180.0 / bins,
                    marker={"color": translucent(color, 0.3), "line": {"width": 0}},
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
        figure.add_trace(
            go.Scatter(
                x=rounded(grid, 3),
                y=rounded(pair_angle_density(grid, dimension), 5),
                mode="lines",
                name=f"d = {dimension}",
                line={"color": color, "width": 2.5},
            )
        )
    figure.update_xaxes(range=[0, 180], dtick=30)
    figure.update_layout(barmode="overlay", bargap=0.0)
    return figure
