"""Figures of cleaning: where each kind of sample lies, and what a threshold leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from hyperface_lib.plots.theme import BLUE, GREY, ORANGE, VERMILION, color_of, new_figure, rounded, translucent

_KIND_COLORS = {"clean": BLUE, "swapped": ORANGE, "outsider": VERMILION}


def kept_and_noise(
    counts: Mapping[str, ArrayLike], clean: str = "clean"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what every threshold leaves: the share of clean samples kept, and the noise among all kept.

    counts: kind of sample -> (..., bins) samples in bins of rising angle; the threshold is the upper edge of each bin.
    Both shares have the shape of the counts; the noise of nothing is 0. Raises ValueError without clean samples.
    """
    below = {kind: np.cumsum(np.asarray(values, np.float64), axis=-1) for kind, values in counts.items()}
    total = below[clean][..., -1:] if clean in below else np.zeros(1)
    if not np.all(total > 0):
        raise ValueError(f"The shares need samples of kind {clean!r}, found none.")
    everything = np.sum(list(below.values()), axis=0)
    noise = np.where(everything > 0, 1 - below[clean] / np.maximum(everything, 1), 0.0)
    return below[clean] / total, noise


def angles_by_kind(
    counts: Mapping[str, ArrayLike],
    bin_degrees: float,
    *,
    thresholds_degrees: Sequence[float] = (),
    title: str = "",
) -> go.Figure:
    """Stack how many samples of each kind lie at which angle to their dominant centre.

    counts: kind -> (bins,) samples in bins of `bin_degrees` from 0 on. Thresholds are dashed lines. Raises ValueError
    for no kind, or different numbers of bins.
    """
    bars = {kind: np.asarray(values, np.int64) for kind, values in counts.items()}
    if not bars or len({len(values) for values in bars.values()}) != 1:
        raise ValueError(
            f"Bars need the same bins of every kind, found { {kind: len(v) for kind, v in bars.items()} }."
        )
    figure = new_figure(title, "angle to the dominant centre (degrees)", "samples")
    filled = np.flatnonzero(np.sum(list(bars.values()), axis=0))
    for index, (kind, values) in enumerate(bars.items()):
        if not values.any():
            continue
        figure.add_trace(
            go.Bar(
                x=rounded((np.arange(len(values)) + 0.5) * bin_degrees, 3),
                y=values,
                width=bin_degrees,
                name=kind,
                marker={"color": translucent(_KIND_COLORS.get(kind, color_of(index)), 0.75), "line": {"width": 0}},
            )
        )
    for threshold in thresholds_degrees:
        figure.add_vline(
            x=threshold,
            line={"color": GREY, "dash": "dash"},
            annotation_text=f"{threshold:g}°",
            annotation_position="top",
        )
    if len(filled):
        figure.update_xaxes(range=[filled[0] * bin_degrees, (filled[-1] + 1) * bin_degrees])
    figure.update_layout(barmode="stack", bargap=0.0, legend={"x": 0.01, "y": 0.98}, showlegend=True)
    return figure


def threshold_curves(
    runs: Mapping[str, Mapping[str, ArrayLike]],
    bin_degrees: float,
    *,
    range_degrees: tuple[float, float] | None = None,
    thresholds_degrees: Sequence[float] = (),
    wanted: tuple[float, float] | None = None,
    title: str = "",
) -> go.Figure:
    """Draw the noise left (full lines) and the clean samples kept (dotted), in percent, against the threshold.

    runs: name -> kind -> (seeds, bins) or (bins,) samples in bins of `bin_degrees`; the mean over seeds is drawn, with
    the range of the seeds behind the noise. wanted: (noise at most, clean kept at least) as shares, thin lines. Raises
    ValueError for no run.
    """
    if not runs:
        raise ValueError("Curves need at least one run, found none.")
    figure = new_figure(title, "threshold (degrees)", "share (%)", height=460)
    for index, (name, counts) in enumerate(runs.items()):
        kept, noise = kept_and_noise({kind: np.atleast_2d(np.asarray(values)) for kind, values in counts.items()})
        edges = (np.arange(kept.shape[-1]) + 1) * bin_degrees
        low, high = range_degrees or (edges[0], edges[-1])
        shown = (edges >= low) & (edges <= high)
        x, color = rounded(edges[shown], 3), color_of(index)
        if len(noise) > 1:
            upper, lower = noise.max(axis=0)[shown], noise.min(axis=0)[shown]
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([x, x[::-1]]),
                    y=rounded(100 * np.concatenate([upper, lower[::-1]]), 2),
                    fill="toself",
                    fillcolor=translucent(color, 0.15),
                    line={"width": 0},
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
        for what, values, dash in (("noise left", noise, "solid"), ("clean kept", kept, "dot")):
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=rounded(100 * values.mean(axis=0)[shown], 2),
                    mode="lines",
                    name=f"{name}: {what}",
                    line={"color": color, "width": 2.5, "dash": dash},
                )
            )
    for level, text in zip(wanted or (), ("noise wanted", "clean wanted"), strict=False):
        figure.add_hline(y=100 * level, line={"color": GREY, "width": 1}, annotation_text=text)
    for threshold in thresholds_degrees:
        figure.add_vline(x=threshold, line={"color": GREY, "dash": "dash"}, annotation_text=f"{threshold:g}°")
    figure.update_yaxes(range=[0, 102])
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    return figure
