"""Trainings repeated with several seeds: differences within a seed, and curves over a setting, with their spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from hyperface_lib.plots.theme import BLUE, GREY, color_of, new_figure, rounded, translucent


def paired_differences(
    averages: Mapping[str, NDArray[np.floating]],
    baseline: str,
    *,
    x_title: str = "difference of average accuracy (points)",
    title: str = "",
) -> go.Figure:
    """Draw each model's difference to `baseline` seed by seed, the mean of it, and twice its standard error.

    averages: model -> one value a seed (s,), the same seeds in the same order for all. What the seeds share (first
    weights, batches) cancels in a difference, so that it is told apart with fewer seeds than two means are. Raises
    ValueError for an unknown baseline or differing numbers of seeds.
    """
    if baseline not in averages:
        raise ValueError(f"The baseline {baseline!r} is not among {', '.join(averages)}.")
    seeds = {name: len(values) for name, values in averages.items()}
    if len(set(seeds.values())) != 1:
        raise ValueError(f"Differences need the same seeds of every model, found {seeds}.")
    differences = {
        name: np.asarray(values, np.float64) - np.asarray(averages[baseline], np.float64)
        for name, values in averages.items()
        if name != baseline
    }
    order = sorted(differences, key=lambda name: differences[name].mean())
    count = seeds[baseline]
    errors = [2 * differences[name].std(ddof=1) / np.sqrt(count) if count > 1 else 0.0 for name in order]
    figure = new_figure(title, x_title, "", height=110 + 38 * len(order))
    figure.add_trace(
        go.Scatter(
            x=rounded(np.concatenate([differences[name] for name in order]), 3),
            y=[name for name in order for _ in range(count)],
            mode="markers",
            marker={"size": 7, "color": translucent(GREY, 0.7)},
            name="one seed",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=rounded([differences[name].mean() for name in order], 3),
            y=order,
            mode="markers",
            marker={"size": 11, "color": BLUE, "symbol": "diamond"},
            error_x={"type": "data", "array": rounded(errors, 3), "thickness": 2} if count > 1 else None,
            name="mean ± 2 standard errors",
        )
    )
    figure.add_vline(x=0, line={"color": GREY, "dash": "dash"}, annotation_text=baseline, annotation_position="top")
    figure.update_layout(legend={"orientation": "h", "y": -0.22, "yanchor": "top"}, margin={"l": 150})
    return figure


def curves_with_spread(
    curves: Mapping[str, Mapping[float, NDArray[np.floating]]],
    *,
    x_title: str,
    y_title: str,
    title: str = "",
    log_x: bool = False,
) -> go.Figure:
    """Draw the mean over seeds against a setting, one line a curve, with the standard deviation as bars.

    curves: name -> setting -> one value a seed (s,). Raises ValueError for no curve.
    """
    if not curves:
        raise ValueError("Curves with spread need at least one curve, found none.")
    figure = new_figure(title, x_title, y_title)
    for index, (name, points) in enumerate(curves.items()):
        settings = sorted(points)
        spread = [np.std(points[x], ddof=1) if len(points[x]) > 1 else 0.0 for x in settings]
        figure.add_trace(
            go.Scatter(
                x=settings,
                y=rounded([float(np.mean(points[x])) for x in settings], 3),
                error_y={"type": "data", "array": rounded(spread, 3), "thickness": 1.5},
                mode="lines+markers",
                line={"color": color_of(index), "width": 2},
                marker={"size": 8},
                name=name,
            )
        )
    if log_x:
        figure.update_xaxes(type="log", tickvals=sorted({x for points in curves.values() for x in points}))
    figure.update_layout(showlegend=len(curves) > 1)
    return figure
