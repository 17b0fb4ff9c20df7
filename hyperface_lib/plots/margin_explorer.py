"""Toy people on the circle or the sphere, trained before the reader's eyes under any of the losses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import ipywidgets
import plotly.graph_objects as go
import traitlets

from hyperface_lib.plots.explorer.callbacks import Marshal
from hyperface_lib.plots.explorer.figure import SharedFigure
from hyperface_lib.plots.explorer.live import LiveTask
from hyperface_lib.plots.explorer.pacing import Stretch, running_loop
from hyperface_lib.plots.margins.controls import TrainingControls
from hyperface_lib.plots.margins.picture import ToyFrame, describe, draw, show
from hyperface_lib.plots.margins.settings import MarginSettings
from hyperface_lib.plots.margins.training import ToyTraining

_TOY_SCALE = 16.0


class MarginExplorer:
    """Train a small network on `classes` toy people, features in `dimension` 2 or 3, under the loss named.

    Samples are coloured by person, class centres are lines from the middle, and a black ring marks a sample with a
    support vector: a class nearer to it than its own with the margin. Beside it: the angles to the own and to the
    nearest other centre, as histograms and as means over the steps.

    Build it in a notebook cell, call `advance(steps)` for a first stretch, which is synchronous and the same on every
    run, and show `explorer.ui`. Clicking "run" starts a task on the kernel's loop. Loss, scale and margins act on the
    training as it stands; "reset" starts again, "new start" from other random weights. `figure()` is the same picture
    without widgets; `narrow` stacks its parts, to stand `beside` another explorer.

    A click on "run" allows `max_steps` further steps. Raises ValueError for an unknown loss or another dimension.
    """

    def __init__(
        self,
        loss: str = "arcface",
        dimension: int = 2,
        *,
        settings: MarginSettings | None = None,
        classes: int = 6,
        each: int = 40,
        seed: int = 0,
        narrow: bool = False,
        max_steps: int = 5000,
        frames_per_second: float = 15.0,
        steps_per_frame: int = 2,
    ) -> None:
        self._loop = running_loop()
        self._narrow = narrow
        self._pace = (frames_per_second, steps_per_frame)
        # How many frames have been drawn.
        self.frames = 0
        start = settings or MarginSettings(scale=_TOY_SCALE)
        self.controls = TrainingControls(loss, start)
        self.training = ToyTraining(dimension, loss, start, classes=classes, each=each, seed=seed)
        self._stretch = Stretch(max_steps)
        self._marshal = Marshal(self._loop, self._say)
        self._connect()
        self.controls.show_what_counts()
        self._draw()

    @functools.cached_property
    def figure_widget(self) -> SharedFigure:
        """The live picture, made when first asked for, from a complete figure: an empty one may stay blank."""
        return SharedFigure(self.figure())

    @functools.cached_property
    def ui(self) -> ipywidgets.VBox:
        """The controls above the live picture, to be shown as the last line of a cell."""
        return ipywidgets.VBox([*self.controls.rows(1 if self._narrow else 2), self.figure_widget])

    @property
    def is_running(self) -> bool:
        """Whether the live task is at work."""
        return "_task" in self.__dict__ and self._task.is_running

    def advance(self, steps: int) -> float:
        """Take `steps` steps now; return the share of samples nearest to their own centre, the same on every run."""
        self.training.take(steps)
        self._draw()
        return self.training.state().accuracy

    def figure(self) -> go.Figure:
        """Return the present state as a plain figure."""
        return draw(self._frame(), self._narrow)

    def close(self) -> None:
        """Stop the task and give up the widgets; call it when the kernel goes on without the explorer."""
        self._pause()
        if "ui" in self.__dict__:
            for widget in (self.ui, *self.ui.children):
                widget.close()

    @functools.cached_property
    def _task(self) -> LiveTask:
        assert self._loop is not None
        return LiveTask(self.figure_widget, self._loop, self._step, self._draw, self._ended, *self._pace)

    def _connect(self) -> None:
        controls, callback = self.controls, self._marshal.callback
        for control in controls.by_option().values():
            control.observe(callback(self._change), "value")
        controls.loss_choice.observe(callback(self._change), "value")
        controls.run_button.observe(callback(self._toggle), "value")
        controls.step_button.on_click(callback(lambda: self.advance(1)))
        controls.reset_button.on_click(callback(self._restart))
        controls.elsewhere_button.on_click(callback(self._start_elsewhere))

    def _change(self) -> None:
        self.controls.show_what_counts()
        self.training.change(self.controls.loss_choice.value, self.controls.settings)
        self._draw()

    def _restart(self) -> None:
        self.training.start(self.controls.loss_choice.value, self.controls.settings)
        self._stretch.renew(0)
        self._draw()

    def _start_elsewhere(self) -> None:
        self.training.seed += 1
        self._restart()

    def _toggle(self) -> None:
        if not self.controls.run_button.value:
            self._pause()
            self._draw()
        elif self._loop is not None:
            self._stretch.extend(self.training.steps)
            self._task.start()
        self._marshal.set(self.controls.run_button, description="pause" if self.is_running else "run")

    def _pause(self) -> None:
        if self.is_running:
            self._task.stop()

    def _step(self) -> bool:
        self.training.take(1)
        return not self._stretch.is_over(self.training.steps)

    def _ended(self, problem: Exception | None) -> None:
        self._draw()
        if problem is not None:
            self._say(problem)
        self._marshal.set(self.controls.run_button, value=False, description="run")

    def _frame(self) -> ToyFrame:
        return ToyFrame(self.training.state(), self.training.history, self.is_running)

    def _draw(self) -> None:
        frame = self._frame()
        if "figure_widget" in self.__dict__:
            show(self.figure_widget, frame)
        self.controls.readout.value = describe(frame, self.training.loss)
        self.frames += 1

    def _say(self, problem: Exception) -> None:
        self.controls.readout.value = f"<b>{problem}</b>"


def beside(explorers: Sequence[MarginExplorer], together: Sequence[str] = ()) -> ipywidgets.HBox:
    """Return explorers side by side, one run button for all, with the options named `together` moving together.

    `together`: of scale, margin_radians, margin_cosine, margin_factor, t. Raises ValueError for no explorer or another
    name.
    """
    if not explorers:
        raise ValueError("Explorers beside one another need at least one, found none.")
    first, *others = explorers
    for name in together:
        if name not in first.controls.by_option():
            known = ", ".join(first.controls.by_option())
            raise ValueError(f"together must be among {known}, found {name!r}")
    pick: list[Callable[[MarginExplorer], ipywidgets.Widget]] = [lambda one: one.controls.run_button]
    pick += [lambda one, name=name: one.controls.by_option()[name] for name in together]  # type: ignore[misc]
    for chosen in pick:
        for other in others:
            traitlets.link((chosen(first), "value"), (chosen(other), "value"))
    return ipywidgets.HBox([one.ui for one in explorers])
