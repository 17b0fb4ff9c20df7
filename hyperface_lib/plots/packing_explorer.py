"""A live packing: sliders, a run button, points that move apart, and the smallest angle rising towards its bound."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import ipywidgets
import numpy as np
import plotly.graph_objects as go

from hyperface_lib.plots.explorer.callbacks import Marshal
from hyperface_lib.plots.explorer.controls import LARGEST_DIMENSION, UMAP_VIEW, Controls
from hyperface_lib.plots.explorer.figure import SharedFigure
from hyperface_lib.plots.explorer.following import LayoutFollower
from hyperface_lib.plots.explorer.live import LiveTask
from hyperface_lib.plots.explorer.pacing import Paced, running_loop
from hyperface_lib.plots.explorer.picture import Frame, describe, draw, nearest_bars, progress_curve, show
from hyperface_lib.plots.explorer.session import LivePacking
from hyperface_lib.plots.explorer.views import PrincipalView, SphereView, UmapView, View
from hyperface_lib.sphere import PackingRun

# Sliders that follow a schedule are moved this often: more would take them out of the reader's hand.
_SLIDER_SECONDS = 0.5


class PackingExplorer:
    """Show a packing of `n` points on the sphere in `dimension` dimensions while it runs.

    With a `gallery` (m, d) of unit rows the packing happens in its `dimension` leading principal directions, the
    gallery is drawn in grey, and `alpha` draws the points towards it (HyperFace, Eq. 2); without one `alpha` is out of
    use (Eq. 1). In three dimensions the picture is the sphere itself, above that the shadow on three principal
    directions or, when asked for, a UMAP layout.

    Build it in a notebook cell, call `advance(steps)` for a first stretch, which is synchronous and the same on every
    run, and show `explorer.ui`. Clicking "run" starts a task on the kernel's loop, in slices short enough that
    everything else keeps answering. `figure()` is the same picture without widgets, for a stored notebook.

    A new n or dimension starts again; every other control acts on the points as they are. Temperature and step length
    follow a schedule over `max_steps` steps, which starts anew with a new objective, optimiser or alpha, and ends when
    the reader takes one of the two in hand. Raises ValueError for an unknown objective or optimiser.
    """

    def __init__(
        self,
        n: int = 200,
        dimension: int = 3,
        *,
        gallery: np.ndarray | None = None,
        alpha: float = 0.0,
        objective: str = "riesz",
        optimiser: str = "riemannian-adam",
        seed: int = 0,
        max_steps: int = 1000,
        frames_per_second: float = 15.0,
        steps_per_frame: int = 4,
    ) -> None:
        self._loop = running_loop()
        self._pace = (frames_per_second, steps_per_frame)
        self._marshal = Marshal(self._loop, self._say)
        self._sliders_moved = 0.0
        # How many frames have been drawn.
        self.frames = 0
        self._packing = LivePacking(gallery, seed, max_steps)
        self._nearest = Paced(self._packing.nearest_degrees)
        self._follower = LayoutFollower(self._packing, self._draw_at_rest, self._say)
        deepest = LARGEST_DIMENSION if gallery is None else min(LARGEST_DIMENSION, gallery.shape[1])
        self.controls = Controls(n, dimension, alpha, objective, optimiser, deepest, gallery is not None)
        self._connect()
        self._restart()

    @functools.cached_property
    def figure_widget(self) -> SharedFigure:
        """The live picture, made when first asked for.

        Late and from a complete figure: one built empty, or changed before it is on the screen, may stay blank.
        """
        return SharedFigure(self.figure())

    @functools.cached_property
    def ui(self) -> ipywidgets.VBox:
        """The controls above the live picture, to be shown as the last line of a cell."""
        return ipywidgets.VBox([*self.controls.rows(), self.figure_widget])

    @property
    def run(self) -> PackingRun:
        """The packing being shown."""
        return self._packing.run

    @property
    def is_running(self) -> bool:
        """Whether the live task is at work."""
        return "_task" in self.__dict__ and self._task.is_running

    def advance(self, steps: int) -> float:
        """Take `steps` steps now and return the smallest angle in degrees; the same on every run with one seed."""
        self._packing.take(steps)
        self._draw()
        return self.run.history[-1].min_angle_degrees

    def figure(self) -> go.Figure:
        """Return the present state as a plain figure."""
        return draw(self._frame(self._nearest.now))

    def close(self) -> None:
        """Stop the tasks and give up the widgets; call it when the kernel goes on without the explorer."""
        self._pause()
        self._follower.stop()
        if "ui" in self.__dict__:
            for widget in (self.ui, *self.ui.children):
                widget.close()

    @functools.cached_property
    def _task(self) -> LiveTask:
        assert self._loop is not None
        pace = self._pace
        return LiveTask(
            self.figure_widget, self._loop, self._step, self._draw_live, self._ended, *pace, "packing explorer"
        )

    # What the controls do.

    def _connect(self) -> None:
        controls, packing, callback = self.controls, self._packing, self._marshal.callback
        for control, action in (
            (controls.n_slider, self._restart),
            (controls.dimension_slider, self._restart),
            (controls.objective_choice, self._change_objective),
            (controls.optimiser_choice, self._change_optimiser),
            (controls.alpha_slider, lambda: packing.change_alpha(controls.alpha_slider.value)),
            (controls.temperature_slider, lambda: packing.take_temperature_in_hand(controls.temperature_slider.value)),
            (controls.step_slider, lambda: packing.take_step_in_hand(controls.step_slider.value)),
            (controls.view_choice, self._change_view),
            (controls.run_button, self._toggle),
        ):
            control.observe(callback(action), "value")
        controls.step_button.on_click(callback(lambda: self.advance(1)))
        controls.reset_button.on_click(callback(self._restart))
        controls.elsewhere_button.on_click(callback(self._start_elsewhere))

    def _restart(self) -> None:
        controls = self.controls
        self._packing.start(
            controls.n_slider.value,
            controls.dimension_slider.value,
            0.0 if controls.alpha_slider.disabled else controls.alpha_slider.value,
            controls.objective_choice.value,
            controls.optimiser_choice.value,
        )
        self._lowest_degrees = self.run.history[0].min_angle_degrees
        self._change_view()

    def _start_elsewhere(self) -> None:
        self._packing.seed += 1
        self._restart()

    def _change_objective(self) -> None:
        self._packing.change_objective(self.controls.objective_choice.value, self.controls.optimiser_choice.value)
        self._draw()

    def _change_optimiser(self) -> None:
        self._packing.change_optimiser(self.controls.objective_choice.value, self.controls.optimiser_choice.value)
        self._draw()

    def _toggle(self) -> None:
        if not self.controls.run_button.value:
            self._pause()
            self._draw()
        elif not self.is_running and self._loop is not None:
            self._packing.go_on()
            self._task.start()
        self._marshal.set(self.controls.run_button, description="pause" if self.is_running else "run")

    def _pause(self) -> None:
        if "_task" in self.__dict__:
            self._task.stop()

    def _step(self) -> bool:
        if not self._packing.is_over:
            self._packing.take(1)
        return not self._packing.is_over

    def _ended(self, problem: Exception | None) -> None:
        """Release the button and show what has been reached."""
        self._marshal.set(self.controls.run_button, value=False, description="run")
        self._draw()
        if problem is not None:
            self._say(problem)

    # The picture.

    def _change_view(self) -> None:
        self._follower.stop()
        self._view = self._chosen_view()
        if isinstance(self._view, UmapView):
            self._follower.follow(self._view, self._loop)
        self._draw()

    def _chosen_view(self) -> View:
        if self.controls.view_choice.value == UMAP_VIEW:
            return UmapView(self._packing.points, self._packing.gallery_shown, self._packing.seed)
        if self._packing.dimension <= 3:
            return SphereView(tolerance_degrees=0.05 * self._packing.levels.bound_degrees)
        return PrincipalView()

    def _frame(self, nearest: Callable[[], np.ndarray], is_moving: bool = False) -> Frame:
        self._lowest_degrees = min(self._lowest_degrees, self.run.history[-1].min_angle_degrees)
        return Frame(
            self._view.place(self._packing.points, self._packing.gallery_shown),
            progress_curve(self.run.history),
            nearest_bars(nearest(), self._lowest_degrees, self._packing.levels.bound_degrees),
            self._packing.levels,
            is_moving,
        )

    def _draw(self) -> None:
        """Show the present state, whatever it costs."""
        self._show(self._nearest.now)
        self._move_sliders()

    def _draw_live(self) -> None:
        """Show the present state as one frame of many: what is slow is brought up to date when it is due."""
        self._show(self._nearest.lately)
        if time.perf_counter() - self._sliders_moved > _SLIDER_SECONDS:
            self._move_sliders()

    def _draw_at_rest(self) -> None:
        """Show what has changed while no frames are drawn."""
        if not self.is_running:
            self._draw()

    def _show(self, nearest: Callable[[], np.ndarray]) -> None:
        if "figure_widget" in self.__dict__:
            show(self.figure_widget, self._frame(nearest, self.is_running))
        self.controls.readout.value = describe(self.run.history[-1], self._packing.levels, self._view.note)
        self.frames += 1

    def _move_sliders(self) -> None:
        """Let temperature and step length show what the schedule has made of them."""
        temperature = self.run.temperature
        if temperature is not None:
            self._marshal.set(self.controls.temperature_slider, value=temperature)
        self._marshal.set(self.controls.temperature_slider, disabled=temperature is None)
        self._marshal.set(self.controls.step_slider, value=self.run.step_radians)
        self._sliders_moved = time.perf_counter()

    def _say(self, problem: Exception) -> None:
        self.controls.readout.value = f"<b>{problem}</b>"
