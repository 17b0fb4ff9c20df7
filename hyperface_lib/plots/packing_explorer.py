"""A live packing: sliders, a run button, points that move apart, and the smallest angle rising towards its bound."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Iterator

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from hyperface_lib.plots.packing import (
    contact_edges,
    edge_coordinates,
    edge_trace,
    plain_scene,
    point_trace,
    sphere_surface,
    thinned,
)
from hyperface_lib.plots.theme import BLACK, GREEN, GREY, TEMPLATE_NAME, rounded
from hyperface_lib.sphere import (
    PackingRun,
    define_problem,
    levenshtein_bound_degrees,
    principal_subspace,
    start_run,
)

# One slice of work on the kernel's loop: short enough that sliders and the pause button answer at once.
_SLICE_SECONDS = 0.03
# So long a frame may go unanswered, by a browser that is gone or a figure nobody has opened.
_PATIENCE_SECONDS = 3.0
_LARGEST_N = 2000
_LARGEST_DIMENSION = 128
_CONTACTS_UP_TO = 500
_GALLERY_SHOWN = 500
# Below this many multiplications a step, threads wait for one another longer than they work.
_WORTH_THREADS = 50_000_000
_SURFACE, _GALLERY, _CONTACTS, _POINTS, _PROGRESS, _BOUND = range(6)


class PackingExplorer:
    """Show a packing of `n` points on the sphere in `dimension` dimensions while it runs.

    With a `gallery` (m, d) of unit rows the packing happens in its `dimension` leading principal directions, the
    gallery is drawn in grey, and `alpha` draws the points towards it (HyperFace, Eq. 2); without one `alpha` is out of
    use (Eq. 1). In three dimensions the picture is the sphere itself, above that the shadow on the first three.

    Build it in a notebook cell, call `advance(steps)` for a first stretch, which is synchronous and the same on every
    run, and show `explorer.ui`. Clicking "run" starts a task on the kernel's loop, in slices short enough that
    everything else keeps answering. `figure()` is the same picture without widgets, for a stored notebook.
    """

    def __init__(
        self,
        n: int = 200,
        dimension: int = 3,
        *,
        gallery: np.ndarray | None = None,
        alpha: float = 0.0,
        seed: int = 0,
        max_steps: int = 1000,
        frames_per_second: float = 15.0,
    ) -> None:
        self._loop = _running_loop()
        self._task: asyncio.Task[None] | None = None
        self._gallery = None if gallery is None else np.asarray(gallery, dtype=np.float32)
        self._seed = seed
        self._max_steps = max_steps
        self._frame_seconds = 1.0 / frames_per_second
        self._syncing = False
        self._build_controls(n, dimension, alpha)
        self._start()
        self._draw()

    @functools.cached_property
    def figure_widget(self) -> go.FigureWidget:
        """The live picture, made when first asked for.

        Late and from a complete figure: one built empty, or changed before it is on the screen, may stay blank.
        """
        return go.FigureWidget(self.figure())

    @functools.cached_property
    def ui(self) -> ipywidgets.VBox:
        """The controls above the live picture, to be shown as the last line of a cell."""
        return ipywidgets.VBox(
            [
                ipywidgets.HBox([self.n_slider, self.dimension_slider]),
                ipywidgets.HBox([self.alpha_slider, self.temperature_slider]),
                ipywidgets.HBox([self.run_button, self.step_button, self.reset_button, self.readout]),
                self.figure_widget,
            ]
        )

    @property
    def run(self) -> PackingRun:
        """The packing being shown."""
        return self._run

    @property
    def is_running(self) -> bool:
        """Whether the live task is at work."""
        return self._task is not None and not self._task.done()

    def advance(self, steps: int) -> float:
        """Take `steps` steps now and return the smallest angle in degrees; the same on every run with one seed."""
        self._take(steps)
        self._draw()
        return self._run.history[-1].min_angle_degrees

    def figure(self) -> go.Figure:
        """Return the present state as a plain figure."""
        reach, places = self._reach(), self._places()
        figure = make_subplots(
            rows=1,
            cols=2,
            specs=[[{"type": "scene"}, {"type": "xy"}]],
            column_widths=[0.52, 0.48],
            horizontal_spacing=0.1,
        )
        surface = sphere_surface(resolution=12)
        surface.visible = self.dimension_slider.value <= 3
        for trace in (
            surface,
            _gallery_trace(self._gallery_places),
            edge_trace(places, self._edges(places)),
            point_trace(places, size=4),
        ):
            figure.add_trace(trace, row=1, col=1)
        steps, angles = self._progress()
        figure.add_trace(_line(steps, angles, "smallest angle", {"color": GREEN, "width": 3}), row=1, col=2)
        level = {"color": BLACK, "dash": "dash", "width": 1.5}
        figure.add_trace(_line(self._span(), [self._bound] * 2, "bound", level), row=1, col=2)
        figure.update_xaxes(title_text="step")
        figure.update_yaxes(title_text="smallest angle (degrees)")
        figure.update_layout(template=TEMPLATE_NAME, scene=plain_scene(reach), width=900, height=420, showlegend=False)
        # The camera stays where the reader has turned it when the data change.
        figure.update_layout(margin={"l": 5, "r": 20, "t": 15, "b": 55}, uirevision="keep")
        return figure

    def close(self) -> None:
        """Stop the task and give up the widgets; call it when the kernel goes on without the explorer."""
        self._pause()
        if "ui" in self.__dict__:
            for widget in (self.ui, *self.ui.children):
                widget.close()

    # Controls. Messages may arrive on another thread than the kernel's: callbacks hop to the loop that owns the run.

    def _build_controls(self, n: int, dimension: int, alpha: float) -> None:
        wide = ipywidgets.Layout(width="420px")
        style = {"description_width": "110px"}
        deepest = _LARGEST_DIMENSION if self._gallery is None else min(_LARGEST_DIMENSION, self._gallery.shape[1])

        def slider(kind: type, value: float, low: float, high: float, step: float, text: str) -> ipywidgets.Widget:
            limits = {"min": low, "max": high, "step": step}
            return kind(value, description=text, continuous_update=False, layout=wide, style=style, **limits)

        self.n_slider = slider(ipywidgets.IntSlider, n, 4, max(n, _LARGEST_N), 4, "points n")
        self.dimension_slider = slider(ipywidgets.IntSlider, dimension, 2, deepest, 1, "dimension")
        self.alpha_slider = slider(ipywidgets.FloatSlider, alpha, 0.0, 4.0, 0.05, "alpha (gallery)")
        self.alpha_slider.disabled = self._gallery is None
        self.temperature_slider = slider(ipywidgets.FloatLogSlider, 0.1, -5, 1, 0.05, "temperature")
        self.run_button = ipywidgets.ToggleButton(False, description="run", icon="play")
        self.step_button = ipywidgets.Button(description="step", icon="step-forward")
        self.reset_button = ipywidgets.Button(description="reset", icon="refresh")
        self.readout = ipywidgets.HTML()
        for control in (self.n_slider, self.dimension_slider):
            control.observe(self._marshalled(self._restart), "value")
        self.alpha_slider.observe(self._marshalled(self._retune_alpha), "value")
        self.temperature_slider.observe(self._marshalled(self._retune_temperature), "value")
        self.run_button.observe(self._marshalled(self._toggle), "value")
        self.step_button.on_click(self._marshalled(lambda: self.advance(1)))
        self.reset_button.on_click(self._marshalled(self._restart))

    def _marshalled(self, action: Callable[[], object]) -> Callable[[object], None]:
        def guarded() -> None:
            try:
                action()
            except ValueError as problem:
                self.readout.value = f"<b>{problem}</b>"

        def on_event(_event: object) -> None:
            if self._syncing:
                return
            if self._loop is None:
                guarded()
            else:
                self._loop.call_soon_threadsafe(guarded)

        return on_event

    def _start(self) -> None:
        """Set up the run that the sliders ask for."""
        n, dimension = self.n_slider.value, self.dimension_slider.value
        near = self._near_gallery(dimension)
        alpha = 0.0 if near is None else self.alpha_slider.value
        problem = define_problem(n, dimension, near, alpha, initial="random", seed=self._seed)
        self._run = start_run(problem, method="riemannian-adam", total_steps=self._max_steps)
        self._take(1)
        self._bound = levenshtein_bound_degrees(n, dimension)
        self._gallery_places = np.zeros((0, 3)) if near is None else _in_three(near[:_GALLERY_SHOWN])

    def _take(self, steps: int) -> None:
        n, dimension = self._run.coordinates.shape
        near = 0 if self._gallery is None else len(self._gallery)
        with _threads(None if n * (n + near) * dimension > _WORTH_THREADS else 1):
            self._run.step(steps)

    def _near_gallery(self, dimension: int) -> np.ndarray | None:
        """The gallery in its leading principal directions, back on the sphere of that dimension."""
        if self._gallery is None:
            return None
        if dimension == self._gallery.shape[1]:
            return self._gallery
        inside = self._gallery @ np.asarray(principal_subspace(self._gallery, dimension))
        return (inside / np.linalg.norm(inside, axis=1, keepdims=True)).astype(np.float32)

    def _restart(self) -> None:
        self._start()
        self._draw(everything=True)

    def _retune_alpha(self) -> None:
        if self._gallery is not None:
            self._run.alpha = self.alpha_slider.value

    def _retune_temperature(self) -> None:
        self._run.temperature = self.temperature_slider.value

    def _toggle(self) -> None:
        if not self.run_button.value:
            self._pause()
        elif not self.is_running and self._loop is not None:
            self._task = self._loop.create_task(self._drive(), name="packing explorer")
        self._set(self.run_button, description="pause" if self.is_running else "run")

    def _pause(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _drive(self) -> None:
        """Step and draw until paused or done, giving the loop back between slices.

        A frame is sent when the browser has drawn the one before: a slow one would otherwise be buried in frames and
        answer minutes late. Stepping goes on meanwhile.
        """
        task, last_frame = asyncio.current_task(), 0.0
        drawn = asyncio.Event()
        drawn.set()
        while self._run.steps < self._max_steps:
            started = time.perf_counter()
            while self._run.steps < self._max_steps and time.perf_counter() - started < _SLICE_SECONDS:
                self._take(1)
            if drawn.is_set() or time.perf_counter() - last_frame > _PATIENCE_SECONDS:
                drawn.clear()
                self._draw()
                self._when_drawn(drawn.set)
                last_frame = time.perf_counter()
            await asyncio.sleep(max(0.001, self._frame_seconds - (time.perf_counter() - started)))
        self._draw()
        if self._task is task:
            self._task = None
        self._set(self.run_button, value=False, description="run")

    def _when_drawn(self, action: Callable[[], None]) -> None:
        """Act, on the kernel's loop, when the browser reports the last frame drawn; at once where nothing is shown."""
        loop = self._loop
        if loop is None or "figure_widget" not in self.__dict__:
            action()
        else:
            self.figure_widget.on_edits_completed(lambda: loop.call_soon_threadsafe(action))

    def _set(self, control: ipywidgets.Widget, **values: object) -> None:
        """Change a control without hearing of it as if the reader had."""
        self._syncing = True
        try:
            for name, value in values.items():
                setattr(control, name, value)
        finally:
            self._syncing = False

    # The picture.

    def _draw(self, everything: bool = False) -> None:
        if "figure_widget" in self.__dict__:
            self._draw_widget(everything)
        last = self._run.history[-1]
        self.readout.value = (
            f"<b>step {last.step}</b>: smallest angle {last.min_angle_degrees:.2f}°, bound {self._bound:.2f}° "
            f"({100 * last.min_angle_degrees / self._bound:.1f} %)"
        )
        if self._run.temperature is not None:
            self._set(self.temperature_slider, value=self._run.temperature)

    def _draw_widget(self, everything: bool) -> None:
        places = self._places()
        line = edge_coordinates(places, self._edges(places))
        steps, angles = self._progress()
        with self.figure_widget.batch_update():  # one message a frame
            traces = self.figure_widget.data
            points, contacts, progress, bound = (traces[i] for i in (_POINTS, _CONTACTS, _PROGRESS, _BOUND))
            points.x, points.y, points.z = rounded(places).T
            contacts.x, contacts.y, contacts.z = line.T
            progress.x, progress.y = steps, angles
            bound.x, bound.y = self._span(), [self._bound] * 2
            if everything:
                traces[_SURFACE].visible = self.dimension_slider.value <= 3
                gallery = traces[_GALLERY]
                gallery.x, gallery.y, gallery.z = rounded(self._gallery_places).T
                reach = self._reach()
                for axis in "xyz":
                    self.figure_widget.layout.scene[f"{axis}axis"].range = [-reach, reach]

    def _places(self) -> np.ndarray:
        return _in_three(self._run.points.cpu().numpy())

    def _reach(self) -> float:
        """Half the side of the box drawn: the sphere up to three dimensions, above them what the points fill."""
        if self.dimension_slider.value <= 3:
            return 1.05
        return float(1.15 * max(np.abs(self._places()).max(), np.abs(self._gallery_places).max(initial=0.0)))

    def _edges(self, places: np.ndarray) -> np.ndarray:
        if self.dimension_slider.value > 3 or len(places) > _CONTACTS_UP_TO:
            return np.zeros((0, 2), np.int64)
        return contact_edges(places, 0.05 * self._bound)

    def _progress(self) -> tuple[np.ndarray, np.ndarray]:
        history = self._run.history
        steps, angles = thinned([one.step for one in history], [one.min_angle_degrees for one in history])
        return steps, rounded(angles)

    def _span(self) -> list[int]:
        return [0, max(50, self._run.steps - 1)]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's loop, or None outside a notebook, where callbacks act at once and "run" has no effect."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads in the block; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_three(points: np.ndarray) -> np.ndarray:
    """The first three coordinates, a zero added to points of the circle."""
    return np.pad(points, ((0, 0), (0, 1))) if points.shape[1] == 2 else points[:, :3]


def _gallery_trace(places: np.ndarray) -> go.Scatter3d:
    trace = point_trace(places, size=2.5)
    return trace.update(name="gallery", marker={"color": GREY, "opacity": 0.5}, hoverinfo="skip", hovertemplate=None)


def _line(x: object, y: object, name: str, line: dict[str, object]) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=line)
