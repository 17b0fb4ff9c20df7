"""Two classes: which pairs of angles a loss counts as one or the other, and what it leaves in between."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from torch import nn

from hyperface_lib.losses.curves import target_cosine_curve
from hyperface_lib.plots.explorer.callbacks import Marshal
from hyperface_lib.plots.explorer.figure import SharedFigure
from hyperface_lib.plots.explorer.pacing import running_loop
from hyperface_lib.plots.margins.controls import SettingsControls, in_rows, slider
from hyperface_lib.plots.margins.settings import OPTIONS, MarginSettings
from hyperface_lib.plots.theme import BLUE, GREY, TEMPLATE_NAME, VERMILION, rounded, translucent

_STEP_DEGREES = 2.0
_TRACES = 5
REGION_LOSSES = ("norm-softmax", "sphereface", "cosface", "arcface", "sv-arc", "combined")


def boundary_degrees(head: nn.Module, theta_degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least angle to the other centre at which a sample counts as the own class, all in degrees.

    `theta_degrees` are angles to the own centre. A head is content where its target's cosine with the margin is above
    the other's: cos(theta_2) < f(theta_1). 180 where no angle is enough.
    """
    cosines = target_cosine_curve(head, np.radians(theta_degrees))
    return np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def softmax_boundary_degrees(theta_degrees: NDArray[np.float64], length_ratio: float) -> NDArray[np.float64]:
    """Return the same for plain softmax with centres of lengths |W1| = `length_ratio` |W2| and no bias."""
    cosines = length_ratio * np.cos(np.radians(theta_degrees))
    return np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def decision_regions(
    heads: Mapping[str, nn.Module], *, length_ratio: float = 1.0, columns: int = 3, title: str = ""
) -> go.Figure:
    """Draw, for plain softmax and named heads, the plane of the angles to two centres.

    Blue: counts as class 1 under the loss; orange: as class 2; white in between: nearer to one of them, but not by the
    margin; both colours: counts as either. The dotted diagonal is where both angles are equal.
    `length_ratio`: |W1| / |W2| of plain softmax. Raises ValueError for no head or a ratio of 0 or less.
    """
    if not heads:
        raise ValueError("Decision regions need at least one head, found none.")
    if not length_ratio > 0:
        raise ValueError(f"length_ratio must be above 0, found {length_ratio}")
    names = ["softmax", *heads]
    rows = -(-len(names) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=names, horizontal_spacing=0.09, vertical_spacing=0.14 if rows > 1 else 0
    )
    for index in range(len(names)):
        row, column = index // columns + 1, index % columns + 1
        for trace in _panel():
            figure.add_trace(trace, row=row, col=column)
        for update in (figure.update_xaxes, figure.update_yaxes):
            update(range=[0, 180], dtick=60, row=row, col=column)
        at_left, at_bottom = column == 1, index + columns >= len(names)
        figure.update_yaxes(title_text="theta_2 (degrees)" if at_left else None, row=row, col=column)
        figure.update_xaxes(title_text="theta_1 (degrees)" if at_bottom else None, row=row, col=column)
    figure.update_layout(template=TEMPLATE_NAME, title_text=title or None, showlegend=False)
    figure.update_layout(width=300 * columns + 60, height=300 * rows + 60, margin={"t": 80 if title else 40})
    show_regions(figure, heads, length_ratio)
    return figure


def show_regions(figure: go.Figure, heads: Mapping[str, nn.Module], length_ratio: float) -> None:
    """Put the regions of `heads` into a picture made by `decision_regions` for the same names."""
    theta = np.arange(0.0, 180.0 + _STEP_DEGREES, _STEP_DEGREES)
    lines = [(softmax_boundary_degrees(theta, length_ratio), softmax_boundary_degrees(theta, 1 / length_ratio))]
    lines += [(boundary_degrees(head, theta),) * 2 for head in heads.values()]
    with figure.batch_update():
        for index, (first, second) in enumerate(lines):
            upper, lower, one, two, _ = figure.data[_TRACES * index : _TRACES * (index + 1)]
            one.x, one.y = rounded(theta, 1), rounded(first, 2)
            two.x, two.y = rounded(second, 2), rounded(theta, 1)
            # The areas close around the upper and the right edge of the plane.
            closed = rounded([*theta, 180, 0], 1)
            upper.x, upper.y = closed, rounded([*first, 180, 180], 2)
            lower.x, lower.y = rounded([*second, 180, 180], 2), closed


class RegionExplorer:
    """Decision regions redrawn as the margins are moved.

    `losses` of `REGION_LOSSES` beside plain softmax. Build it in a cell and show `explorer.ui`; `figure()` is the same
    picture without widgets. Raises ValueError for another loss.
    """

    def __init__(
        self,
        losses: Sequence[str] = ("norm-softmax", "sphereface", "cosface", "arcface", "combined"),
        *,
        settings: MarginSettings | None = None,
    ) -> None:
        if unknown := sorted(set(losses) - set(REGION_LOSSES)):
            raise ValueError(f"losses must be among {', '.join(REGION_LOSSES)}, found {', '.join(unknown)}")
        self.losses = tuple(losses)
        self._marshal = Marshal(running_loop(), self._say)
        self.controls = SettingsControls(settings or MarginSettings())
        self.ratio_slider = slider(1.0, 0.25, 4.0, 0.05, "|W1| / |W2| (softmax)")
        self.readout = ipywidgets.HTML()
        for control in self._moved():
            control.observe(self._marshal.callback(self._draw), "value")

    @functools.cached_property
    def figure_widget(self) -> SharedFigure:
        """The live picture."""
        return SharedFigure(self.figure())

    @functools.cached_property
    def ui(self) -> ipywidgets.VBox:
        """Sliders above the live picture, to be shown as the last line of a cell."""
        return ipywidgets.VBox([*in_rows(self._moved()), self.readout, self.figure_widget])

    def figure(self) -> go.Figure:
        """Return the present regions as a plain figure."""
        return decision_regions(self._heads(), length_ratio=self.ratio_slider.value)

    def _moved(self) -> list[ipywidgets.Widget]:
        """The controls that change a boundary: neither scale nor gradient does."""
        read = {option for name in self.losses for option in OPTIONS[name]} - {"scale", "gradient", "t"}
        return [*(control for name, control in self.controls.by_option().items() if name in read), self.ratio_slider]

    def _heads(self) -> dict[str, nn.Module]:
        return {name: self.controls.settings.head(name) for name in self.losses}

    def _draw(self) -> None:
        heads = self._heads()
        if "figure_widget" in self.__dict__:
            show_regions(self.figure_widget, heads, self.ratio_slider.value)
        self.readout.value = ""

    def _say(self, problem: Exception) -> None:
        self.readout.value = f"<b>{problem}</b>"


def _panel() -> list[go.Scatter]:
    quiet = {"mode": "lines", "hoverinfo": "skip"}
    areas = [
        go.Scatter(fill="toself", fillcolor=translucent(color, 0.3), line={"width": 0}, **quiet)
        for color in (BLUE, VERMILION)
    ]
    lines = [
        go.Scatter(
            mode="lines",
            line={"color": color, "width": 2.5},
            hovertemplate="theta_1 %{x:.0f}°, theta_2 %{y:.1f}°<extra></extra>",
        )
        for color in (BLUE, VERMILION)
    ]
    diagonal = go.Scatter(x=[0, 180], y=[0, 180], line={"color": GREY, "dash": "dot", "width": 1.5}, **quiet)
    return [*areas, *lines, diagonal]
