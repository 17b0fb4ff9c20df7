"""The picture of the toy: samples and centres on the circle or the sphere, angles as histograms and over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from hyperface_lib.plots.explorer.depth import in_front
from hyperface_lib.plots.margins.training import ToyRecord, ToyState
from hyperface_lib.plots.packing import NET_IN_THE_OPEN, NET_ON_BALL, ball_trace, net_trace, plain_scene, thinned
from hyperface_lib.plots.theme import BLACK, BLUE, COLORS, GREY, TEMPLATE_NAME, VERMILION, rounded, translucent

BALL, NET, CENTRES, SAMPLES, RINGS, TARGET_BARS, OTHER_BARS, TARGET_CURVE, OTHER_CURVE = range(9)
_CLASS_COLORS = (*COLORS, GREY)
_BAR_DEGREES = 4.0
_SHORTEST_CURVE = 50
_CENTRE_REACH = 1.04
# Half the side of the box the sphere is drawn in.
_REACH = 1.1
# How much of its colour a sample behind the sphere keeps.
_PALE = 0.3
# On the circle samples of one direction are spread over a band, so that they do not hide one another.
_INNERMOST = 0.82
_TARGET, _OTHER = "to the own centre", "to the nearest other centre"


@dataclass(frozen=True, eq=False)
class ToyFrame:
    """All that is drawn at one time; `is_moving` when the next frame follows at once."""

    state: ToyState
    history: Sequence[ToyRecord]
    is_moving: bool = False


def describe(frame: ToyFrame, loss: str) -> str:
    """Return the line of HTML that says where the training stands."""
    state = frame.state
    step, value = (frame.history[-1].step, frame.history[-1].loss) if frame.history else (0, float("nan"))
    said = f"<b>step {step}</b> ({loss}): " + (f"loss {value:.3f}; " if frame.history else "")
    within = 100 * float(state.vectors.any(axis=1).mean())
    return (
        f"{said}nearest to their own centre {100 * state.accuracy:.1f} %; "
        f"mean angle {state.target_degrees.mean():.1f}° to it, {state.other_degrees.mean():.1f}° to the nearest other; "
        f"with support vectors {within:.1f} %"
    )


def draw(frame: ToyFrame, narrow: bool = False) -> go.Figure:
    """Return the picture of `frame` as a plain figure; `narrow` stacks its three parts to stand beside another."""
    flat = frame.state.features.shape[1] == 2
    space = {"type": "xy" if flat else "scene"}
    if narrow:
        figure = make_subplots(
            rows=3, cols=1, specs=[[space], [{}], [{}]], row_heights=[0.56, 0.22, 0.22], vertical_spacing=0.1
        )
        bars, curves = {"row": 2, "col": 1}, {"row": 3, "col": 1}
    else:
        figure = make_subplots(
            rows=2,
            cols=2,
            specs=[[{**space, "rowspan": 2}, {}], [None, {}]],
            column_widths=[0.52, 0.48],
            horizontal_spacing=0.1,
            vertical_spacing=0.22,
        )
        bars, curves = {"row": 1, "col": 2}, {"row": 2, "col": 2}
    for trace in _space_traces(frame.state, flat):
        figure.add_trace(trace, row=1, col=1)
    for name, color in ((_TARGET, BLUE), (_OTHER, VERMILION)):
        figure.add_trace(_bars(name, color), **bars)
    for name, color in ((_TARGET, BLUE), (_OTHER, VERMILION)):
        line = go.Scatter(mode="lines", name=name, line={"color": color, "width": 2.5}, showlegend=False)
        figure.add_trace(line, **curves)
    figure.update_xaxes(title_text="angle (degrees)", range=[0, 180], dtick=30, **bars)
    figure.update_yaxes(title_text="samples", **bars)
    figure.update_xaxes(title_text="step", **curves)
    figure.update_yaxes(title_text="mean angle (degrees)", rangemode="tozero", **curves)
    width, height = (460, 860) if narrow else (960, 540)
    figure.update_layout(template=TEMPLATE_NAME, width=width, height=height, uirevision="keep")
    figure.update_layout(barmode="overlay", bargap=0, margin={"l": 5, "r": 20, "t": 40, "b": 55})
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"})
    if flat:
        hidden = {"visible": False, "range": [-1.18, 1.18], "row": 1, "col": 1}
        figure.update_xaxes(**hidden)
        figure.update_yaxes(scaleanchor="x", **hidden)
    else:
        figure.update_layout(scene=plain_scene(_REACH))
    show(figure, frame)
    return figure


def show(figure: go.Figure, frame: ToyFrame) -> None:
    """Put `frame` into a picture made by `draw`, one message for a live one."""
    state, traces = frame.state, figure.data
    places = sample_places(state)
    rings = places[state.vectors.any(axis=1)]
    spokes, colors = centre_lines(state)
    steps, target, other = _curves(frame.history)
    edges = np.arange(0.0, 180.0 + _BAR_DEGREES, _BAR_DEGREES)
    with figure.batch_update():
        for index, points in ((SAMPLES, places), (RINGS, rings), (CENTRES, spokes)):
            for axis, values in zip("xyz", rounded(points, 3).T, strict=False):
                traces[index][axis] = values
        # Sent only when it changes: the number of centres does not, but with another loss.
        if len(traces[CENTRES].marker.color or ()) != len(colors):
            size = 11 if traces[CENTRES].type == "scatter" else 5
            traces[CENTRES].marker.color, traces[CENTRES].marker.size = colors, [0, size, 0] * (len(colors) // 3)
            if traces[CENTRES].type == "scatter3d":
                traces[CENTRES].line.color = colors
        if traces[SAMPLES].type == "scatter3d":
            _show_depth(figure, frame)
        for index, degrees in ((TARGET_BARS, state.target_degrees), (OTHER_BARS, state.other_degrees)):
            traces[index].y = np.histogram(degrees, edges)[0]
        traces[TARGET_CURVE].x, traces[TARGET_CURVE].y = steps, target
        traces[OTHER_CURVE].x, traces[OTHER_CURVE].y = steps, other


def _show_depth(figure: go.Figure, frame: ToyFrame) -> None:
    """Draw what is behind the sphere paler: at rest a translucent ball does it, in motion the samples' own colours.

    A browser without a graphics card needs longer for the ball than for all the rest.
    """
    traces, eye = figure.data, figure.layout.scene.camera.eye
    for trace, name, value in (
        (traces[BALL], "visible", not frame.is_moving),
        (traces[NET].line, "color", NET_IN_THE_OPEN if frame.is_moving else NET_ON_BALL),
    ):
        if getattr(trace, name) != value:
            setattr(trace, name, value)
    features = frame.state.features
    front = in_front(features, (eye.x, eye.y, eye.z), _REACH) if frame.is_moving else np.ones(len(features))
    traces[SAMPLES].marker.color = rounded(2 * frame.state.labels + front, 2)


def _depth_scale(classes: int) -> list[list[object]]:
    """Colours by number: 2 k is class k behind the sphere, 2 k + 1 the same in front of it."""
    last = 2 * classes - 1
    colors = [mixed(class_color(k), share) for k in range(classes) for share in (_PALE, 1.0)]
    return [[index / last, color] for index, color in enumerate(colors)]


def mixed(color: str, share: float) -> str:
    """Return "#RRGGBB" with `share` of `color` and the rest white."""
    parts = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(share * part + (1 - share) * 255):02X}" for part in parts)


def sample_places(state: ToyState) -> NDArray[np.float64]:
    """Return where the samples are drawn (n, d): on the sphere, and on the circle in a band around it."""
    features = state.features.astype(np.float64)
    if features.shape[1] == 3:
        return features
    # The golden ratio's multiples fill the band evenly, whatever the number of samples.
    share = np.modf(np.arange(len(features)) * (np.sqrt(5) - 1) / 2)[0]
    return features * (_INNERMOST + (1 - _INNERMOST) * share)[:, None]


def centre_lines(state: ToyState) -> tuple[NDArray[np.float64], list[str]]:
    """Return a line from the middle to every centre (3 k, d), a row of NaN after each, and the colour of every row."""
    count, dimension = state.centres.shape
    lines = np.full((count, 3, dimension), np.nan)
    lines[:, 0] = 0.0
    lines[:, 1] = _CENTRE_REACH * state.centres
    return lines.reshape(-1, dimension), [class_color(label) for label in state.centre_labels for _ in range(3)]


def class_color(label: int) -> str:
    """Return the colour of a class, repeating after eight."""
    return _CLASS_COLORS[int(label) % len(_CLASS_COLORS)]


def _space_traces(state: ToyState, flat: bool) -> list[go.Scatter | go.Scatter3d | go.Surface]:
    classes = int(state.labels.max()) + 1
    scatter = go.Scatter if flat else go.Scatter3d
    quiet = {"showlegend": False, "hoverinfo": "skip"}
    if flat:
        around = np.linspace(0, 2 * np.pi, 121)
        circle = rounded(np.stack([np.cos(around), np.sin(around)]), 3)
        ground = [go.Scatter(x=circle[0], y=circle[1], mode="lines", line={"color": GREY, "width": 1}), go.Scatter()]
        opacity = 0.85
    else:
        ground = [ball_trace(around=32), net_trace()]
        opacity = 1.0  # for a single translucent trace the browser draws the whole scene three times
    painted = {"colorscale": _depth_scale(classes), "cmin": 0, "cmax": 2 * classes - 1, "showscale": False}
    for trace in ground:
        trace.update(hoverinfo="skip", showlegend=False)
    return [
        *ground,
        scatter(
            name="centres",
            mode="lines+markers",
            line={"color": translucent(BLACK, 0.45), "width": 2} if flat else {"width": 6},
            marker={"symbol": "diamond", "line": {"width": 0}},
            **quiet,
        ),
        scatter(
            name="samples",
            mode="markers",
            marker={
                **painted,
                "color": rounded(2 * state.labels + 1, 0),
                "size": 6 if flat else 3.5,
                "opacity": opacity,
                "line": {"width": 0},
            },
            customdata=state.labels.astype(np.int16),
            hovertemplate="person %{customdata}<extra></extra>",
            showlegend=False,
        ),
        scatter(
            name="with support vectors",
            mode="markers",
            marker={"color": BLACK, "symbol": "circle-open", "size": 10 if flat else 6, "line": {"width": 1}},
            **quiet,
        ),
    ]


def _bars(name: str, color: str) -> go.Bar:
    middles = np.arange(_BAR_DEGREES / 2, 180.0, _BAR_DEGREES)
    marker = {"color": translucent(color, 0.5), "line": {"color": color, "width": 0.5}}
    return go.Bar(name=name, x=rounded(middles), width=_BAR_DEGREES, marker=marker)


def _curves(history: Sequence[ToyRecord]) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    steps, target = thinned([one.step for one in history], [one.target_degrees for one in history])
    _, other = thinned([one.step for one in history], [one.other_degrees for one in history])
    return np.asarray(steps, np.int64), rounded(target, 2), rounded(other, 2)
