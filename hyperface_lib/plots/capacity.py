"""How many identities are unique at a threshold: counted, and between which bounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from hyperface_lib.plots.theme import BLACK, GREY, color_of, new_figure, rounded, translucent
from hyperface_lib.sphere.capacity import CapacityEstimate
from hyperface_lib.sphere.distinct import CapacityCurve

# How far above the counts the axis reaches, in units of their own logarithm: bounds leave it at the top.
_HEADROOM = 2.5
_CURVE_POINTS = 300
_TICK_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def capacity_curves(
    counted: Mapping[str, CapacityCurve],
    estimate: CapacityEstimate | None = None,
    *,
    highest_log10: float | None = None,
    title: str = "",
) -> go.Figure:
    """Draw unique identities against the threshold on a logarithmic scale, counted and estimated.

    `counted`: name -> counts of a set of points, a line each, with the points nobody is near to as a dotted one.
    `estimate`: the room between the guaranteed number and the smaller upper bound is shaded; it is that of one
    population in its own dimension, which points drawn from elsewhere may exceed. The scale ends at `highest_log10`;
    without it, well above the counts, whatever the bounds. Raises ValueError with nothing to draw.
    """
    if not counted and estimate is None:
        raise ValueError("A capacity figure needs counts or an estimate, found neither.")
    figure = new_figure(title, "threshold (degrees)", "identities", height=480)
    if estimate is not None:
        _add_estimate(figure, estimate)
    for index, (name, curve) in enumerate(counted.items()):
        color = color_of(index)
        figure.add_trace(_line(curve.thresholds_degrees, _logarithms(curve.unique), f"{name}: unique", color))
        isolated = _line(curve.thresholds_degrees, _logarithms(curve.isolated), f"{name}: nobody near", color, "dot")
        figure.add_trace(isolated)
    top = highest_log10 if highest_log10 is not None else _top(counted, estimate)
    # Numbers may pass the largest float, so the axis holds their logarithms and is labelled with powers.
    step = next((size for size in _TICK_STEPS if 8 * size >= top), _TICK_STEPS[-1])
    ticks = np.arange(0, top + step, step)
    labels = [f"10<sup>{int(tick)}</sup>" for tick in ticks]
    figure.update_yaxes(range=[-0.03 * top, top * 1.02], tickvals=ticks, ticktext=labels)
    figure.update_layout(legend={"orientation": "h", "traceorder": "normal", "y": -0.2, "yanchor": "top", "x": 0.0})
    return figure


def accumulation_curves(
    accumulated: Mapping[str, NDArray[np.int64]], *, threshold_degrees: float, title: str = ""
) -> go.Figure:
    """Draw unique identities against the number of points drawn, beside the line on which all are unique.

    `accumulated`: name -> (n,) counts among the first 1, 2, ..., n points. Raises ValueError for no curve.
    """
    if not accumulated:
        raise ValueError("An accumulation figure needs at least one curve, found none.")
    figure = new_figure(title, "points", f"unique identities at {threshold_degrees:g} degrees", height=480)
    most = max(len(counts) for counts in accumulated.values())
    figure.add_trace(
        go.Scatter(x=[1, most], y=[1, most], mode="lines", name="all unique", line={"color": GREY, "dash": "dot"})
    )
    for index, (name, counts) in enumerate(accumulated.items()):
        # Evenly spaced on the logarithmic axis: a few hundred points draw what thousands would.
        shown = np.unique(np.geomspace(1, len(counts), _CURVE_POINTS).round().astype(np.int64))
        line = {"color": color_of(index), "width": 2.5}
        figure.add_trace(go.Scatter(x=shown, y=counts[shown - 1], mode="lines", name=name, line=line))
    figure.update_xaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return figure


def _add_estimate(figure: go.Figure, estimate: CapacityEstimate) -> None:
    thresholds = estimate.thresholds_degrees
    guaranteed = _line(thresholds, estimate.log10_guaranteed, "guaranteed (covering)", GREY)
    figure.add_trace(guaranteed)
    room = _line(thresholds, estimate.log10_upper, "room", GREY)
    room.update(fill="tonexty", fillcolor=translucent(GREY, 0.2), line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_trace(room)
    figure.add_trace(_line(thresholds, estimate.log10_cap_ratio, "ratio of cap areas", BLACK, "dashdot"))
    figure.add_trace(_line(thresholds, estimate.log10_levenshtein, "Levenshtein bound", BLACK, "dash"))


def _top(counted: Mapping[str, CapacityCurve], estimate: CapacityEstimate | None) -> float:
    counts = max((float(np.log10(curve.n)) for curve in counted.values()), default=0.0)
    if estimate is None:
        return 1.1 * counts
    highest = float(np.max([estimate.log10_cap_ratio, estimate.log10_levenshtein]))
    return min(highest, _HEADROOM * counts) if counted else highest


def _logarithms(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return log10, NaN for a count of 0: a gap in the line."""
    return np.log10(np.where(counts > 0, counts, np.nan))


def _line(x: NDArray[np.float64], y: NDArray[np.float64], name: str, color: str, dash: str = "solid") -> go.Scatter:
    return go.Scatter(
        x=rounded(x, 3),
        y=rounded(y),
        mode="lines",
        name=name,
        line={"color": color, "width": 2.5, "dash": dash},
        hovertemplate="%{x:.1f}°: 10^%{y:.2f}<extra>" + name + "</extra>",
    )
