"""Training curves and ROC curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hyperface_lib.plots.packing import thinned
from hyperface_lib.plots.theme import GREY, TEMPLATE_NAME, color_of, new_figure, rounded

Curve = tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]


def training_curves(
    panels: Mapping[str, Mapping[str, Curve]],
    *,
    x_title: str = "step",
    title: str = "",
    smooth: int = 1,
) -> go.Figure:
    """Draw one panel for each quantity and one line for each named run, the same colour in every panel.

    `panels`: quantity with its unit, such as "loss" or "accuracy (%)" -> run name -> (steps, values).
    `smooth` is the length of a running mean.
    """
    if not panels:
        raise ValueError("Training curves need at least one panel, found none.")
    names = list(dict.fromkeys(name for runs in panels.values() for name in runs))
    figure = make_subplots(rows=1, cols=len(panels), horizontal_spacing=0.1)
    for column, (quantity, runs) in enumerate(panels.items(), start=1):
        for name, (steps, values) in runs.items():
            steps, values = thinned(steps, running_mean(values, smooth))
            trace = go.Scatter(
                x=steps,
                y=rounded(values),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=name not in {item.name for item in figure.data},
                line={"color": color_of(names.index(name)), "width": 2.5},
            )
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title_text=x_title, row=1, col=column)
        figure.update_yaxes(title_text=quantity, row=1, col=column)
    figure.update_layout(template=TEMPLATE_NAME, title_text=title or None, width=max(560, 420 * len(panels)))
    figure.update_layout(height=420, legend={"orientation": "h", "y": -0.28, "x": 0.0})
    return figure


def running_mean(values: Sequence[float] | np.ndarray, length: int) -> np.ndarray:
    """Average every value with up to `length - 1` before it, so that the result is as long as the input."""
    values = np.asarray(values, dtype=np.float64)
    if length <= 1 or len(values) == 0:
        return values
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - length)
    return (total[end] - total[start]) / (end - start)


def roc_points(cosines: np.ndarray, is_same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (false positive rate, true positive rate), both rising, one point for each distinct cosine."""
    cosines, is_same = np.asarray(cosines, dtype=np.float64), np.asarray(is_same, dtype=bool)
    if cosines.shape != is_same.shape or is_same.all() or not is_same.any():
        raise ValueError(
            f"A ROC curve needs one label for each cosine and pairs of both kinds, found {cosines.size} cosines and "
            f"{int(is_same.sum())} of {is_same.size} pairs alike."
        )
    order = np.argsort(-cosines, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(cosines[order])), len(order) - 1)
    true_positives = np.cumsum(is_same[order])[last_of_ties] / is_same.sum()
    false_positives = np.cumsum(~is_same[order])[last_of_ties] / (~is_same).sum()
    return false_positives, true_positives


def roc_curves(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str = "", lowest_fpr: float | None = None
) -> go.Figure:
    """Draw ROC curves with a logarithmic false positive rate.

    `scores`: model name -> (cosines, is_same). The left edge is one false positive among the impostor pairs, unless
    given: nothing left of it can be measured.
    """
    figure = new_figure(title, "false positive rate", "true positive rate (%)", height=460)
    floor = 1.0
    for index, (name, (cosines, is_same)) in enumerate(scores.items()):
        false_rate, true_rate = roc_points(cosines, is_same)
        floor = min(floor, 1.0 / int(np.sum(~np.asarray(is_same, dtype=bool))))
        measured = false_rate > 0
        keep = _evenly_in_log(false_rate[measured])
        figure.add_trace(
            go.Scatter(
                x=rounded(false_rate[measured][keep], 6),
                y=rounded(100 * true_rate[measured][keep], 3),
                mode="lines",
                line={"color": color_of(index), "width": 2.5, "shape": "hv"},
                name=name,
            )
        )
    left = np.log10(lowest_fpr if lowest_fpr is not None else floor)
    figure.add_trace(_chance_line(left))
    figure.update_xaxes(type="log", range=[float(left), 0.0], dtick=1, exponentformat="power")
    figure.update_yaxes(range=[0, 101])
    figure.update_layout(legend={"x": 0.98, "y": 0.02, "xanchor": "right", "yanchor": "bottom"})
    return figure


def _chance_line(left: float) -> go.Scatter:
    rates = np.logspace(left, 0.0, 40)
    return go.Scatter(
        x=rounded(rates, 6),
        y=rounded(100 * rates, 3),
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 1.5},
        name="chance",
    )


def _evenly_in_log(rates: np.ndarray, keep: int = 300) -> np.ndarray:
    """Indices of the last point of each of `keep` equal steps in log rate."""
    if len(rates) <= keep:
        return np.arange(len(rates))
    steps = np.floor((np.log(rates) - np.log(rates[0])) / (np.log(rates[-1]) - np.log(rates[0]) + 1e-12) * keep)
    return np.append(np.flatnonzero(np.diff(steps)), len(rates) - 1)
