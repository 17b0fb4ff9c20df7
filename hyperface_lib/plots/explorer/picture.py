"""The picture of a packing in progress: points in space, the smallest angle, the histogram of nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hyperface_lib.plots.explorer.depth import in_front, split_line, split_points
from hyperface_lib.plots.explorer.views import Placement
from hyperface_lib.plots.packing import (
    NET_IN_THE_OPEN,
    NET_ON_BALL,
    ball_trace,
    edge_coordinates,
    edge_trace,
    net_trace,
    plain_scene,
    point_trace,
)
from hyperface_lib.plots.theme import BLACK, BLUE, GREEN, PURPLE, TEMPLATE_NAME, VERMILION, rounded, translucent
from hyperface_lib.sphere import PackingRecord

BALL, NET, GALLERY_BEHIND, CONTACTS_BEHIND, POINTS_BEHIND, GALLERY, CONTACTS, POINTS = range(8)
PROGRESS, BOUND, BEST_KNOWN, NEAREST, NEAREST_BOUND = range(8, 13)
# In front and behind. Opaque: for a single translucent trace the browser draws the whole scene three times.
_GALLERY_COLORS, _CONTACT_COLORS, _POINT_COLORS = ("#C2C2C2", "#E6E6E6"), (VERMILION, "#F3D3BC"), (BLUE, "#BBD6E8")
_BARS = 48
_CURVE_POINTS = 400
_SHORTEST_CURVE = 50


@dataclass(frozen=True)
class Levels:
    """The angles to compare with, in degrees: what cannot be passed, and the best known arrangement with its name."""

    bound_degrees: float
    best_known_degrees: float | None = None
    best_known_name: str = ""


@dataclass(frozen=True)
class Curve:
    """The smallest angle in degrees against the step, thinned out."""

    steps: np.ndarray
    angles_degrees: np.ndarray


@dataclass(frozen=True)
class Bars:
    """A histogram of angles in degrees: where the bars stand, how wide they are, how many points each one holds."""

    centres_degrees: np.ndarray
    counts: np.ndarray
    width_degrees: float


@dataclass(frozen=True)
class Frame:
    """All that is drawn at one time; `is_moving` when the next frame follows at once."""

    placement: Placement
    curve: Curve
    bars: Bars
    levels: Levels
    is_moving: bool = False


def progress_curve(history: Sequence[PackingRecord]) -> Curve:
    """Return at most 400 evenly spaced records of `history`, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(history) - 1, min(len(history), _CURVE_POINTS)).round().astype(np.int64))
    records = [history[index] for index in chosen]
    return Curve(np.array([one.step for one in records]), rounded([one.min_angle_degrees for one in records]))


def nearest_bars(angles_degrees: np.ndarray, lowest_degrees: float, bound_degrees: float) -> Bars:
    """Return the histogram of everybody's angle to the nearest other point, from `lowest_degrees` past the bound."""
    highest = max(1.03 * bound_degrees, float(angles_degrees.max()))
    edges = np.linspace(min(lowest_degrees, float(angles_degrees.min())), highest, _BARS + 1)
    counts, _ = np.histogram(angles_degrees, edges)
    return Bars(rounded((edges[:-1] + edges[1:]) / 2), counts, float(edges[1] - edges[0]))


def describe(last: PackingRecord, levels: Levels, note: str) -> str:
    """Return the line of HTML that says where the packing stands."""
    share = 100 * last.min_angle_degrees / levels.bound_degrees
    parts = [
        f"<b>step {last.step}</b>: smallest angle {last.min_angle_degrees:.2f}°, "
        f"bound {levels.bound_degrees:.2f}° ({share:.1f} %)"
    ]
    if levels.best_known_degrees is not None:
        parts.append(f"best known {levels.best_known_degrees:.2f}° ({levels.best_known_name})")
    if last.mean_gallery_cosine is not None:
        parts.append(f"mean cosine to the nearest gallery point {last.mean_gallery_cosine:.3f}")
    return "; ".join([*parts, *([note] if note else [])])


def draw(frame: Frame) -> go.Figure:
    """Return the picture of `frame` as a plain figure."""
    figure = make_subplots(
        rows=2,
        cols=2,
        specs=[[{"type": "scene", "rowspan": 2}, {"type": "xy"}], [None, {"type": "xy"}]],
        column_widths=[0.52, 0.48],
        horizontal_spacing=0.1,
        vertical_spacing=0.2,
    )
    nowhere, no_edges = np.zeros((0, 3)), np.zeros((0, 2), np.int64)
    scene = [ball_trace(around=32), net_trace()]
    # What is behind first, so that where the two meet the front is on top.
    for side in (1, 0):
        gallery, contacts, points = point_trace(nowhere, 2.5), edge_trace(nowhere, no_edges), point_trace(nowhere, 4)
        gallery.update(name="gallery", marker_color=_GALLERY_COLORS[side], hoverinfo="skip", hovertemplate=None)
        contacts.update(line_color=_CONTACT_COLORS[side])
        points.update(marker_color=_POINT_COLORS[side])
        scene += [gallery, contacts, points]
    for trace in scene:
        figure.add_trace(trace, row=1, col=1)
    figure.add_trace(_line("smallest angle", {"color": GREEN, "width": 3}), row=1, col=2)
    for name, color, place in (("bound", BLACK, "top"), ("best known", PURPLE, "bottom")):
        level = _line(name, {"color": color, "dash": "dash", "width": 1.5})
        level.update(mode="lines+text", textposition=f"{place} left", textfont={"color": color, "size": 12})
        figure.add_trace(level, row=1, col=2)
    bars = go.Bar(name="points", marker={"color": translucent(BLUE, 0.55), "line": {"color": BLUE, "width": 0.5}})
    figure.add_trace(bars, row=2, col=2)
    figure.add_trace(_line("bound", {"color": BLACK, "dash": "dash", "width": 1.5}), row=2, col=2)
    figure.update_xaxes(title_text="step", row=1, col=2)
    figure.update_yaxes(title_text="smallest angle (degrees)", row=1, col=2)
    figure.update_xaxes(title_text="angle to the nearest other point (degrees)", row=2, col=2)
    figure.update_yaxes(title_text="points", row=2, col=2)
    # The camera stays where the reader has turned it when the data change.
    figure.update_layout(template=TEMPLATE_NAME, scene=plain_scene(frame.placement.reach), uirevision="keep")
    figure.update_layout(width=940, height=520, showlegend=False, bargap=0, margin={"l": 5, "r": 20, "t": 15, "b": 55})
    show(figure, frame)
    return figure


def show(figure: go.Figure, frame: Frame) -> None:
    """Put `frame` into a picture made by `draw`, one message for a live one unless it begins or ceases to move."""
    placement, curve, bars, levels = frame.placement, frame.curve, frame.bars, frame.levels
    traces = figure.data
    _show_sphere(figure, frame)
    with figure.batch_update():
        for number, places in _in_space(frame, figure.layout.scene.camera.eye).items():
            traces[number].x, traces[number].y, traces[number].z = places.T
        traces[PROGRESS].x, traces[PROGRESS].y = curve.steps, curve.angles_degrees
        span = [0, max(_SHORTEST_CURVE, int(curve.steps[-1]))]
        _level(traces[BOUND], span, levels.bound_degrees, f"bound {levels.bound_degrees:.2f}°")
        known = levels.best_known_degrees
        label = "" if known is None else f"best known {known:.2f}°, {levels.best_known_name}"
        _level(traces[BEST_KNOWN], span, known, label)
        traces[NEAREST].x, traces[NEAREST].y = bars.centres_degrees, bars.counts
        traces[NEAREST_BOUND].x = [levels.bound_degrees] * 2
        traces[NEAREST_BOUND].y = [0, int(bars.counts.max(initial=1))]
        # These are sent only when they change: a new layout is slower to draw than new data.
        _change(traces[NEAREST], "width", bars.width_degrees)
        _change(figure.layout.yaxis, "range", _angle_range(curve, levels))
        for axis in (figure.layout.scene.xaxis, figure.layout.scene.yaxis, figure.layout.scene.zaxis):
            _change(axis, "range", (-placement.reach, placement.reach))


def _show_sphere(figure: go.Figure, frame: Frame) -> None:
    """Draw the sphere: a translucent ball while everything is at rest, from behind which points look pale.

    A browser without a graphics card needs longer for the ball than for all the rest: while the points move the net
    stands alone.

    Only what has changed is sent, and apart from the frame: plotly's browser side forgets coordinates of a trace that
    comes without them in a message where others have theirs.
    """
    ball, net, has_surface = figure.data[BALL], figure.data[NET], frame.placement.has_surface
    _change(ball, "visible", has_surface and not frame.is_moving)
    color = NET_IN_THE_OPEN if frame.is_moving else NET_ON_BALL
    if (net.visible, net.line.color) != (has_surface, color):
        net.update(visible=has_surface, line_color=color)


def _in_space(frame: Frame, eye: go.layout.scene.camera.Eye) -> dict[int, np.ndarray]:
    """Return where every trace in space stands; on a sphere that moves what is behind has traces of its own."""
    placement = frame.placement
    gallery, points = rounded(placement.gallery), rounded(placement.points)
    line = edge_coordinates(placement.points, placement.edges)
    nowhere = np.zeros((0, 3), np.float32)
    behind = {GALLERY_BEHIND: nowhere, CONTACTS_BEHIND: nowhere, POINTS_BEHIND: nowhere}
    if placement.has_surface and frame.is_moving:
        sight = (eye.x, eye.y, eye.z), placement.reach
        gallery, behind[GALLERY_BEHIND] = split_points(gallery, in_front(gallery, *sight))
        line, behind[CONTACTS_BEHIND] = split_line(line, in_front(line, *sight))
        points, behind[POINTS_BEHIND] = split_points(points, in_front(points, *sight))
    return behind | {GALLERY: gallery, CONTACTS: line, POINTS: points}


def _line(name: str, line: dict[str, object]) -> go.Scatter:
    return go.Scatter(mode="lines", name=name, line=line)


def _level(trace: go.Scatter, span: list[int], height: float | None, label: str) -> None:
    """Draw a level line over `span`, or none, with its label at the right end."""
    trace.x, trace.y, trace.text = ([], [], []) if height is None else (span, [height] * 2, ["", label])


def _angle_range(curve: Curve, levels: Levels) -> tuple[float, float]:
    """The axis of the smallest angle: down to the lowest one seen, with room for a label above the bound."""
    low = float(np.floor(0.98 * curve.angles_degrees.min()))
    highest = max(levels.bound_degrees, float(curve.angles_degrees.max()))
    return low, highest + 0.12 * max(highest - low, 0.1)


def _change(part: object, name: str, value: object) -> None:
    if getattr(part, name) != value:
        setattr(part, name, value)
