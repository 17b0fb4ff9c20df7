"""Sliders, choices and buttons of the margin explorers."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from hyperface_lib.losses.margins import GRADIENTS
from hyperface_lib.plots.margins.settings import OPTIONS, MarginSettings

_STYLE = {"description_width": "160px"}
_WIDTH = "430px"


class SettingsControls:
    """The sliders of one `MarginSettings`."""

    def __init__(self, settings: MarginSettings) -> None:
        self.scale_slider = slider(settings.scale, 1, 128, 1, "scale s")
        self.radians_slider = slider(settings.margin_radians, 0, 1.5, 0.05, "margin (radians)")
        self.cosine_slider = slider(settings.margin_cosine, 0, 1, 0.05, "margin (cosine)")
        self.factor_slider = slider(settings.margin_factor, 1, 4, 0.1, "margin (factor)")
        self.share_slider = slider(settings.softmax_share, 0, 20, 0.5, "lambda (SphereFace)")
        self.t_slider = slider(settings.t, 1, 2, 0.05, "emphasis t")
        self.gradient_choice = choice(settings.gradient, GRADIENTS, "gradient")
        self.monotonic_box = ipywidgets.Checkbox(
            settings.monotonic, description="monotonic beyond pi - m", layout=_layout(), style=_STYLE
        )

    @property
    def settings(self) -> MarginSettings:
        """What the sliders say."""
        return MarginSettings(
            scale=self.scale_slider.value,
            margin_radians=self.radians_slider.value,
            margin_cosine=self.cosine_slider.value,
            margin_factor=self.factor_slider.value,
            softmax_share=self.share_slider.value,
            t=self.t_slider.value,
            gradient=self.gradient_choice.value,
            monotonic=self.monotonic_box.value,
        )

    def by_option(self) -> dict[str, ipywidgets.Widget]:
        """Return each control under the name of the option it moves."""
        return {
            "scale": self.scale_slider,
            "margin_radians": self.radians_slider,
            "margin_cosine": self.cosine_slider,
            "margin_factor": self.factor_slider,
            "softmax_share": self.share_slider,
            "t": self.t_slider,
            "gradient": self.gradient_choice,
            "monotonic": self.monotonic_box,
        }


class LossButtons:
    """A button for each loss, pressed or not."""

    def __init__(self, names: Sequence[str], shown: Sequence[str]) -> None:
        if unknown := sorted(set(shown) - set(names)):
            raise ValueError(f"losses must be among {', '.join(names)}, found {', '.join(unknown)}")
        wide = ipywidgets.Layout(width="auto")
        self.buttons = {name: ipywidgets.ToggleButton(name in shown, description=name, layout=wide) for name in names}

    @property
    def shown(self) -> tuple[str, ...]:
        """The losses whose button is pressed."""
        return tuple(name for name, button in self.buttons.items() if button.value)

    def row(self) -> ipywidgets.HBox:
        """Return the buttons side by side, in as many lines as they need."""
        return ipywidgets.HBox(list(self.buttons.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))


class TrainingControls(SettingsControls):
    """What the reader can move while the toy trains, and the line that says where it stands."""

    def __init__(self, loss: str, settings: MarginSettings) -> None:
        super().__init__(settings)
        self.loss_choice = choice(loss, tuple(OPTIONS), "loss")
        self.run_button = ipywidgets.ToggleButton(False, description="run", icon="play")
        self.step_button = ipywidgets.Button(description="step", icon="step-forward")
        self.reset_button = ipywidgets.Button(description="reset", icon="refresh")
        self.elsewhere_button = ipywidgets.Button(description="new start", icon="random")
        self.readout = ipywidgets.HTML()

    def show_what_counts(self) -> None:
        """Grey out what the chosen loss does not read."""
        for option, control in self.by_option().items():
            control.disabled = option not in OPTIONS[self.loss_choice.value]

    def rows(self, across: int = 2) -> list[ipywidgets.Widget]:
        """Return the controls, `across` of them in a row, to be stacked above the picture."""
        buttons = [self.run_button, self.step_button, self.reset_button, self.elsewhere_button]
        for button in buttons:
            button.layout.width = "110px"
        moved = in_rows([self.loss_choice, *self.by_option().values()], across)
        return [*moved, ipywidgets.HBox(buttons), self.readout]


def in_rows(controls: Sequence[ipywidgets.Widget], across: int = 2) -> list[ipywidgets.HBox]:
    """Return the controls in rows of `across`."""
    return [ipywidgets.HBox(list(controls[start : start + across])) for start in range(0, len(controls), across)]


def slider(value: float, low: float, high: float, step: float, text: str) -> ipywidgets.FloatSlider:
    """Return a slider that speaks while it moves. Raises ValueError for a start outside `low` .. `high`."""
    if not low <= value <= high:
        raise ValueError(f"{text} must lie in {low:g} .. {high:g}, found {value:g}")
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=text, layout=_layout(), style=_STYLE)


def choice(value: str, names: Sequence[str], text: str) -> ipywidgets.Dropdown:
    """Return a list to choose from. Raises ValueError for a start that is not in it."""
    if value not in names:
        raise ValueError(f"{text} must be one of {', '.join(names)}, found {value!r}")
    return ipywidgets.Dropdown(options=list(names), value=value, description=text, layout=_layout(), style=_STYLE)


def _layout() -> ipywidgets.Layout:
    return ipywidgets.Layout(width=_WIDTH)
