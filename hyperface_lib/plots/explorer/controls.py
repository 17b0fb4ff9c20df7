"""Sliders, choices and buttons of the live explorer."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from hyperface_lib.sphere import OBJECTIVES, OPTIMISERS

LARGEST_N = 2000
LARGEST_DIMENSION = 128
# A step of L-BFGS is a line search of many evaluations: too long for a frame, and no step beside the others'.
LIVE_OPTIMISERS = tuple(name for name in OPTIMISERS if name != "lbfgs")
GEOMETRY_VIEW, UMAP_VIEW = "sphere or PCA", "UMAP"

_STYLE = {"description_width": "115px"}


class Controls:
    """Everything the reader can move, and the line that says what is shown.

    `n` and `dimension` are where the sliders start, `deepest` is how far the dimension goes, `with_gallery` whether
    there is a gallery for alpha to act on.
    """

    def __init__(
        self, n: int, dimension: int, alpha: float, objective: str, optimiser: str, deepest: int, with_gallery: bool
    ) -> None:
        wide = {"layout": ipywidgets.Layout(width="420px"), "style": _STYLE}
        late = {"continuous_update": False, **wide}
        self.n_slider = ipywidgets.IntSlider(n, min=2, max=max(n, LARGEST_N), description="points n", **late)
        self.dimension_slider = ipywidgets.IntSlider(dimension, min=2, max=deepest, description="dimension d", **late)
        self.objective_choice = _choice(objective, tuple(OBJECTIVES), "objective", wide)
        self.optimiser_choice = _choice(optimiser, LIVE_OPTIMISERS, "optimiser", wide)
        self.temperature_slider = ipywidgets.FloatLogSlider(
            0.1, min=-5, max=1, step=0.05, description="temperature", readout_format=".2g", **late
        )
        self.step_slider = ipywidgets.FloatLogSlider(
            0.05, min=-5, max=0, step=0.05, description="step (radians)", readout_format=".2g", **late
        )
        self.alpha_slider = ipywidgets.FloatSlider(
            alpha, min=0, max=4, step=0.05, description="alpha (gallery)", disabled=not with_gallery, **late
        )
        self.view_choice = _choice(GEOMETRY_VIEW, (GEOMETRY_VIEW, UMAP_VIEW), "view", wide)
        self.run_button = ipywidgets.ToggleButton(False, description="run", icon="play")
        self.step_button = ipywidgets.Button(description="step", icon="step-forward")
        self.reset_button = ipywidgets.Button(description="reset", icon="refresh")
        self.elsewhere_button = ipywidgets.Button(description="new start", icon="random")
        self.readout = ipywidgets.HTML()

    def rows(self) -> list[ipywidgets.HBox]:
        """Return the controls in rows, to be stacked above the picture."""
        return [
            ipywidgets.HBox([self.n_slider, self.dimension_slider]),
            ipywidgets.HBox([self.objective_choice, self.optimiser_choice]),
            ipywidgets.HBox([self.temperature_slider, self.step_slider]),
            ipywidgets.HBox([self.alpha_slider, self.view_choice]),
            ipywidgets.HBox([self.run_button, self.step_button, self.reset_button, self.elsewhere_button]),
            self.readout,
        ]


def _choice(value: str, names: Sequence[str], text: str, wide: dict[str, object]) -> ipywidgets.Dropdown:
    if value not in names:
        raise ValueError(f"{text} must be one of {', '.join(names)}, found {value!r}.")
    return ipywidgets.Dropdown(options=list(names), value=value, description=text, **wide)
