"""What a loss makes of an angle: target logit and its slope over theta, and what becomes of classes too near."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import torch
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from torch import nn

from hyperface_lib.losses import CosineHead
from hyperface_lib.losses.curves import target_cosine_curve, target_gradient_curve
from hyperface_lib.plots.explorer.callbacks import Marshal
from hyperface_lib.plots.explorer.figure import SharedFigure
from hyperface_lib.plots.explorer.pacing import running_loop
from hyperface_lib.plots.margins.controls import LossButtons, SettingsControls, in_rows, slider
from hyperface_lib.plots.margins.settings import OPTIONS, MarginSettings
from hyperface_lib.plots.theme import BLACK, GREY, TEMPLATE_NAME, color_of, rounded

# Without the ends, where d(cos) / d(theta) is 0 and hides what the margin does.
THETA_DEGREES = np.arange(0.75, 180.0, 1.5)
# The losses with a curve: the plain softmax's logits depend on lengths too, not on an angle alone.
CURVE_LOSSES = tuple(name for name in OPTIONS if name != "softmax")
# Row, column and axis titles of the panels.
_PANELS = (
    (1, 1, "angle to the own centre (degrees)", "target logit"),
    (1, 2, "angle to the own centre (degrees)", "d(target logit) / d(theta)"),
    (2, 1, "angle to another centre (degrees)", "logit of another class"),
)


def logit_curve(head: nn.Module, theta_degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the target logit, scale times the target's cosine with the margin, at angles in degrees."""
    return _scale(head) * target_cosine_curve(head, np.radians(theta_degrees))


def slope_curve(head: nn.Module, theta_degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return d(target logit) / d(theta) per radian, as training sees it, at angles in degrees."""
    return _scale(head) * target_gradient_curve(head, np.radians(theta_degrees))


@torch.no_grad()
def other_logit_curve(
    head: nn.Module, theta_degrees: NDArray[np.float64], target_degrees: float
) -> NDArray[np.float64]:
    """Return the logit of another class at angles in degrees, for a sample `target_degrees` from its own centre."""
    others = torch.cos(torch.deg2rad(torch.from_numpy(theta_degrees)))
    own = torch.full_like(others, np.cos(np.radians(target_degrees)))
    lengths = torch.full_like(others, getattr(head, "typical_norm", 1.0))
    labels = torch.zeros(len(others), dtype=torch.long)
    adjusted = head.adjust(torch.stack([own, others], dim=1), labels, lengths)  # type: ignore[operator]
    return _scale(head) * np.asarray(adjusted[:, 1].double().numpy())


def target_curves(heads: Mapping[str, nn.Module], *, target_degrees: float | None = None, title: str = "") -> go.Figure:
    """Draw target logit and slope over theta in 0 .. 180 degrees for named heads.

    With `target_degrees` a third panel shows the logit of another class, for a sample so far from its own centre.
    Dashed: losses that treat near classes in a way of their own. Dotted: losses that choose or weigh samples. Raises
    ValueError for no head.
    """
    if not heads:
        raise ValueError("Target curves need at least one head, found none.")
    rows = 1 if target_degrees is None else 2
    specs: list[list[dict[str, str] | None]] = [[{}, {}], [{}, None]]
    figure = make_subplots(rows=rows, cols=2, specs=specs[:rows], horizontal_spacing=0.11, vertical_spacing=0.17)
    for panel, (row, column, x_title, y_title) in enumerate(_PANELS[: 1 + rows]):
        for index, (name, head) in enumerate(heads.items()):
            line = {"color": color_of(index), "dash": _dash(head), "width": 2.5}
            trace = go.Scatter(
                x=rounded(THETA_DEGREES), mode="lines", name=name, line=line, legendgroup=name, showlegend=panel == 0
            )
            figure.add_trace(trace, row=row, col=column)
        figure.update_xaxes(title_text=x_title, range=[0, 180], dtick=30, row=row, col=column)
        figure.update_yaxes(title_text=y_title, row=row, col=column)
    figure.add_hline(y=0, line={"color": BLACK, "width": 0.75}, row=1, col=2)
    if target_degrees is not None:
        own = go.Scatter(
            mode="lines", line={"color": GREY, "dash": "dot", "width": 1.5}, name="angle to the own centre"
        )
        figure.add_trace(own, row=2, col=1)
    figure.update_layout(template=TEMPLATE_NAME, title_text=title or None, width=960, uirevision="keep")
    if rows == 2:
        figure.update_layout(height=680, legend={"x": 0.58, "y": 0.4, "yanchor": "top"})
    else:
        figure.update_layout(height=400, legend={"orientation": "h", "x": 0.0, "y": -0.24})
    figure.update_layout(margin={"t": 60 if title else 20})
    show_curves(figure, heads, target_degrees)
    return figure


def show_curves(figure: go.Figure, heads: Mapping[str, nn.Module | None], target_degrees: float | None) -> None:
    """Put curves of `heads` into a picture made by `target_curves` for the same names; None hides one."""
    count = len(heads)
    reach = 0.0
    with figure.batch_update():
        for index, head in enumerate(heads.values()):
            traces = [trace for trace in figure.data[index : 3 * count : count] if trace.legendgroup]
            for trace in traces:
                trace.visible = head is not None
            if head is None:
                continue
            values = [logit_curve(head, THETA_DEGREES), slope_curve(head, THETA_DEGREES)]
            if target_degrees is not None:
                values.append(other_logit_curve(head, THETA_DEGREES, target_degrees))
                reach = max(reach, float(np.abs(values[-1]).max()))
            for trace, curve in zip(traces, values, strict=True):
                trace.y = rounded(curve, 3)
        if target_degrees is not None:
            figure.data[-1].x, figure.data[-1].y = [target_degrees] * 2, [-reach, reach]


class CurveExplorer:
    """Target logits, slopes and logits of other classes, redrawn as margins, scale and t are moved.

    `losses` are those shown at first; a button for each loss shows or hides it. Build it in a cell and show
    `explorer.ui`; `figure()` is the same picture without widgets. Raises ValueError for an unknown loss.
    """

    def __init__(
        self,
        losses: Sequence[str] = ("norm-softmax", "sphereface", "cosface", "arcface", "sv-arc"),
        *,
        settings: MarginSettings | None = None,
        target_degrees: float = 60.0,
    ) -> None:
        self._marshal = Marshal(running_loop(), self._say)
        self.controls = SettingsControls(settings or MarginSettings())
        self.buttons = LossButtons(CURVE_LOSSES, losses)
        self.target_slider = slider(target_degrees, 0, 180, 1, "target angle (degrees)")
        self.readout = ipywidgets.HTML()
        for control in (*self.controls.by_option().values(), *self.buttons.buttons.values(), self.target_slider):
            control.observe(self._marshal.callback(self._draw), "value")

    @functools.cached_property
    def figure_widget(self) -> SharedFigure:
        """The live picture, of all losses, the chosen ones visible."""
        every = {name: self.controls.settings.head(name) for name in CURVE_LOSSES}
        figure = target_curves(every, target_degrees=self.target_slider.value)
        show_curves(figure, self._heads(), self.target_slider.value)
        return SharedFigure(figure)

    @functools.cached_property
    def ui(self) -> ipywidgets.VBox:
        """Buttons and sliders above the live picture, to be shown as the last line of a cell."""
        rows = in_rows([*self.controls.by_option().values(), self.target_slider])
        return ipywidgets.VBox([self.buttons.row(), *rows, self.readout, self.figure_widget])

    def figure(self) -> go.Figure:
        """Return the present curves as a plain figure."""
        heads = {name: self.controls.settings.head(name) for name in self.buttons.shown}
        return target_curves(heads, target_degrees=self.target_slider.value)

    def _heads(self) -> dict[str, nn.Module | None]:
        settings, shown = self.controls.settings, self.buttons.shown
        return {name: settings.head(name) if name in shown else None for name in CURVE_LOSSES}

    def _draw(self) -> None:
        heads = self._heads()
        if "figure_widget" in self.__dict__:
            show_curves(self.figure_widget, heads, self.target_slider.value)
        self.readout.value = ""

    def _say(self, problem: Exception) -> None:
        self.readout.value = f"<b>{problem}</b>"


def _dash(head: nn.Module) -> str:
    """Losses often share a target curve: what lies on top has gaps."""
    if not isinstance(head, CosineHead):
        return "solid"
    if type(head).reduce is not CosineHead.reduce:
        return "dot"
    plain = torch.zeros(1, dtype=torch.float64)
    return "solid" if head.row_rule(plain, plain + 1).negatives is None else "dash"


def _scale(head: nn.Module) -> float:
    return float(head.scale)  # type: ignore[arg-type]
