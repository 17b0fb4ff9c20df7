"""What packing costs: seconds of a step and memory against the number of points, on logarithmic scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hyperface_lib.plots.theme import GREY, TEMPLATE_NAME, color_of, new_figure

_NAMES = {"riemannian-adam": "full steps", "minibatch-adam": "mini-batches"}
_BYTES = 4  # of a float32


def packing_costs(rows: Sequence[Mapping[str, Any]], dimension: int = 512, title: str = "") -> go.Figure:
    """Draw seconds of a step (left) and memory (right) against the number of points, a line for each method.

    `rows`: the table "packing" of data/results/costs.json; those of `dimension` without a gallery are drawn. Grey lines
    show what to compare with: n^2 through the largest full step, and the bytes of the points alone. Raises ValueError
    with no such row.
    """
    drawn = sorted(
        (row for row in rows if row["dimension"] == dimension and not row["gallery_size"]), key=lambda row: row["n"]
    )
    if not drawn:
        raise ValueError(f"A cost figure needs measurements in {dimension} dimensions, found none.")
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    figure.update_layout(template=TEMPLATE_NAME, width=900, height=420, title_text=title or None)
    methods = sorted({str(row["method"]) for row in drawn}, key=lambda name: list(_NAMES).index(name))
    for number, method in enumerate(methods):
        of_it = [row for row in drawn if row["method"] == method]
        name, color = _NAMES[method], color_of(number)
        seconds = [row["seconds_per_step"] for row in of_it]
        figure.add_trace(_line([row["n"] for row in of_it], seconds, name, color, "%{x:,} points: %{y:.3g} s"), 1, 1)
        weighed = [row for row in of_it if row["memory_bytes"] is not None]
        megabytes = [row["memory_bytes"] / 1e6 for row in weighed]
        memory = _line([row["n"] for row in weighed], megabytes, name, color, "%{x:,} points: %{y:.3g} MB")
        figure.add_trace(memory.update(showlegend=False), 1, 2)
    counts = np.array(sorted({row["n"] for row in drawn}), float)
    largest = max((row for row in drawn if row["method"] == methods[0]), key=lambda row: row["n"])
    square = largest["seconds_per_step"] * (counts / largest["n"]) ** 2
    figure.add_trace(_comparison(counts, square, "n²"), 1, 1)
    figure.add_trace(_comparison(counts, _BYTES * counts * dimension / 1e6, "the points alone"), 1, 2)
    for column, text in ((1, "seconds a step"), (2, "memory (MB)")):
        figure.update_xaxes(type="log", title_text="number of points n", row=1, col=column)
        figure.update_yaxes(type="log", title_text=text, row=1, col=column)
    figure.update_layout(legend={"orientation": "h", "y": -0.25, "x": 0.0})
    return figure


def reaching_costs(
    reaching: Sequence[Mapping[str, Any]], packing: Sequence[Mapping[str, Any]], method: str = "riemannian-adam"
) -> go.Figure:
    """Draw the seconds `method` needs to given fractions of the bound against the number of points.

    `reaching`, `packing`: those tables of data/results/costs.json. Beyond the largest number of points measured, dotted
    lines extrapolate: as many steps as there, at the measured seconds of a step. Raises ValueError with no such row.
    """
    rows = sorted((row for row in reaching if row["method"] == method), key=lambda row: row["n"])
    if not rows:
        raise ValueError(f"No seconds to a fraction of the bound were measured with {method!r}.")
    figure = new_figure("", "number of points n", "seconds")
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    plain = [row for row in packing if row["method"] == method and not row["gallery_size"]]
    for number, fraction in enumerate(rows[0]["seconds_to"]):
        known = [row for row in rows if row["seconds_to"][fraction] is not None]
        if not known:
            continue
        name, color = f"{100 * float(fraction):g} % of the bound", color_of(number)
        counts, seconds = [row["n"] for row in known], [row["seconds_to"][fraction] for row in known]
        figure.add_trace(_line(counts, seconds, name, color, "%{x:,} points: %{y:.3g} s"))
        last = known[-1]
        beyond = [row for row in plain if row["dimension"] == last["dimension"] and row["n"] > last["n"]]
        later = {row["n"]: last["steps_to"][fraction] * row["seconds_per_step"] for row in beyond}
        ends = {counts[-1]: seconds[-1], **dict(sorted(later.items()))}
        guess = _line(list(ends), list(ends.values()), f"{name}, extrapolated", color, "%{x:,} points: %{y:.3g} s")
        guess.update(line={"dash": "dot", "color": color}, marker={"symbol": "circle-open"}, showlegend=bool(later))
        figure.add_trace(guess)
    return figure


def _line(x: Sequence[float], y: Sequence[float], name: str, color: str, hover: str) -> go.Scatter:
    line = {"color": color, "width": 2.5}
    extra = f"<extra>{name}</extra>"
    return go.Scatter(x=list(x), y=list(y), mode="lines+markers", name=name, line=line, hovertemplate=hover + extra)


def _comparison(x: np.ndarray, y: np.ndarray, name: str) -> go.Scatter:
    line = {"color": GREY, "width": 1.5, "dash": "dot"}
    return go.Scatter(x=x.tolist(), y=y.tolist(), mode="lines", name=name, line=line, hoverinfo="skip")
