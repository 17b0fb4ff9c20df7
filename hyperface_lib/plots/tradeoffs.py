"""Two things that one wants both of: settings as labelled points, those of one kind joined by a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from hyperface_lib.plots.theme import color_of, new_figure, rounded


def trade_off(
    families: Mapping[str, Sequence[tuple[float, float, str]]],
    *,
    x_title: str,
    y_title: str,
    title: str = "",
) -> go.Figure:
    """Draw the points (x, y, label) of each family in its colour, joined in the order given.

    Raises ValueError for no family, or one without points.
    """
    if not families or not all(families.values()):
        empty = next((name for name, points in families.items() if not points), None)
        raise ValueError(f"A trade-off needs families of at least one point, found {empty or 'none'}.")
    figure = new_figure(title, x_title, y_title, height=520)
    every = np.array([point[:2] for points in families.values() for point in points], dtype=np.float64)
    sides = iter(_label_sides(every))
    for index, (name, points) in enumerate(families.items()):
        x, y, labels = zip(*points, strict=True)
        figure.add_trace(
            go.Scatter(
                x=rounded(x, 3),
                y=rounded(y, 3),
                text=list(labels),
                textposition=[next(sides) for _ in points],
                mode="lines+markers+text" if len(points) > 1 else "markers+text",
                line={"color": color_of(index), "width": 1.5},
                marker={"size": 9},
                name=name,
            )
        )
    figure.update_layout(legend={"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0.0})
    return figure


def _label_sides(points: NDArray[np.floating]) -> list[str]:
    """Put the label of each of the points (n, 2) on the side away from the others, the near ones above all."""
    if len(points) == 1:
        return ["top center"]
    spread = np.maximum(np.ptp(points, axis=0), 1e-9)
    apart = (points[:, None] - points[None]) / spread
    distances = np.maximum(np.linalg.norm(apart, axis=2, keepdims=True), 1e-6)
    directions = (apart / distances**3).sum(axis=1)
    return [f"{'top' if up >= 0 else 'bottom'} {'right' if right >= 0 else 'left'}" for right, up in directions]
