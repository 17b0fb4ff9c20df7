"""Detection error tradeoff: both errors against each other, on axes on which normal scores give straight lines."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from scipy.special import ndtri

from hyperface_lib.evaluation import roc_curve
from hyperface_lib.plots.curves import roc_points
from hyperface_lib.plots.theme import GREY, color_of, new_figure, rounded

TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
"""The rates at which an axis is labelled, so that neither end is crowded."""
HIGHEST_FALSE_MATCH_RATE = 0.5


def det_curves(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str = "", lowest_fmr: float | None = None
) -> go.Figure:
    """Draw false non-match rate against false match rate, both on probit axes in per cent, and mark equal errors.

    `scores`: model name -> (cosines, is_same). The left edge is one false match among the impostor pairs and the lower
    edge one false non-match among the genuine ones, unless `lowest_fmr` is given for the left: nothing beyond can be
    measured. A model without errors has no curve, only its entry in the legend. Raises ValueError without a model and
    for pairs of one kind only. Source: Martin et al., The DET curve in assessment of detection task performance,
    Eurospeech 1997; terms of ISO/IEC 19795-1.
    """
    if not scores:
        raise ValueError("DET curves need at least one model, found none.")
    figure = new_figure(title, "false match rate (%)", "false non-match rate (%)", width=640, height=640)
    left, bottom, top = 0.1, 0.1, HIGHEST_FALSE_MATCH_RATE
    for index, (name, (cosines, is_same)) in enumerate(scores.items()):
        false_match, false_non_match = det_points(cosines, is_same)
        is_same = np.asarray(is_same, dtype=bool)
        left, bottom = min(left, 1 / int((~is_same).sum())), min(bottom, 1 / int(is_same.sum()))
        top = max(top, float(false_non_match[false_match >= (lowest_fmr or 0)].max(initial=0)))
        x, y = ndtri(false_match), ndtri(false_non_match)
        keep = _evenly_along(x, y)
        equal_error = roc_curve(cosines, is_same).equal_error_rate
        figure.add_trace(
            go.Scatter(
                x=rounded(x[keep]),
                y=rounded(y[keep]),
                customdata=rounded(100 * np.stack([false_match[keep], false_non_match[keep]], axis=1), 6),
                hovertemplate="FMR %{customdata[0]:.3g} %, FNMR %{customdata[1]:.3g} %",
                mode="lines",
                line={"color": color_of(index), "width": 2.5},
                name=f"{name}, EER {100 * equal_error:.3g} %",
                legendgroup=name,
            )
        )
        figure.add_trace(_equal_error_point(name, equal_error, color_of(index)))
    left = left if lowest_fmr is None else lowest_fmr
    figure.add_trace(_diagonal(min(left, bottom), top))
    figure.update_xaxes(**_probit_axis(left, HIGHEST_FALSE_MATCH_RATE))
    figure.update_yaxes(**_probit_axis(bottom, top))
    # Below: curves of weak recognisers fill the corner that those of good ones leave free.
    figure.update_layout(legend={"orientation": "h", "x": 0.0, "y": -0.16, "yanchor": "top"})
    return figure


def det_points(cosines: np.ndarray, is_same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (false match rate, false non-match rate), one point for each distinct cosine where neither is 0 or 1.

    Raises ValueError for pairs of one kind only.
    """
    false_match, true_match = roc_points(cosines, is_same)
    false_non_match = 1.0 - true_match
    inside = (false_match > 0) & (false_match < 1) & (true_match > 0) & (true_match < 1)
    return false_match[inside], false_non_match[inside]


def _equal_error_point(name: str, equal_error: float, color: str) -> go.Scatter:
    place = [float(ndtri(equal_error))] if 0 < equal_error < 1 else []
    return go.Scatter(
        x=rounded(place),
        y=rounded(place),
        mode="markers",
        marker={"color": color, "size": 9, "line": {"color": "white", "width": 1.5}},
        hovertemplate=f"EER {100 * equal_error:.3g} %",
        name=name,
        legendgroup=name,
        showlegend=False,
    )


def _diagonal(low: float, high: float) -> go.Scatter:
    ends = rounded(ndtri([low, high]))
    return go.Scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1.5},
        name="equal errors",
        hoverinfo="skip",
    )


def _probit_axis(low: float, high: float) -> dict[str, object]:
    shown = [rate for rate in TICKS if low * (1 - 1e-9) <= rate <= high]
    return {
        "range": [float(ndtri(low)), float(ndtri(high))],
        "tickmode": "array",
        "tickvals": [float(ndtri(rate)) for rate in shown],
        "ticktext": [f"{100 * rate:.7g}" for rate in shown],
    }


def _evenly_along(x: np.ndarray, y: np.ndarray, keep: int = 300) -> np.ndarray:
    """Indices of the first point and of the last in each of `keep` equal steps along a curve."""
    if len(x) <= keep:
        return np.arange(len(x))
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    steps = np.floor(along / along[-1] * (1 - 1e-12) * keep)
    return np.unique(np.concatenate([[0], np.flatnonzero(np.diff(steps)), [len(x) - 1]]))
