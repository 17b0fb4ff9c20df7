"""A task on the kernel's loop that steps and draws until it is paused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from hyperface_lib.plots.explorer.figure import SharedFigure
from hyperface_lib.plots.explorer.reports import DrawnReports

# One slice of work on the kernel's loop: short enough that sliders and the pause button answer at once.
_SLICE_SECONDS = 0.03
# So long a frame may go unanswered, by a browser that is gone or a figure nobody has opened.
_PATIENCE_SECONDS = 3.0


class LiveTask:
    """Calls `step` and, when the browser has drawn the frame before, `draw`, in slices that give the loop back.

    While the reader holds the figure nothing is drawn; the steps go on.

    `step` returns whether there is more to do. `ended` is called when there is not, or with what went wrong; a pause
    does not call it.
    """

    def __init__(
        self,
        widget: SharedFigure,
        loop: asyncio.AbstractEventLoop,
        step: Callable[[], bool],
        draw: Callable[[], None],
        ended: Callable[[Exception | None], None],
        frames_per_second: float,
        steps_per_frame: int,
        name: str = "live figure",
    ) -> None:
        self._loop = loop
        self._widget = widget
        self._reports = DrawnReports(widget, loop)
        self._step = step
        self._draw = draw
        self._ended = ended
        self._frame_seconds = 1.0 / frames_per_second
        self._steps_per_frame = steps_per_frame
        self._name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the task is at work."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self.is_running:
            self._task = self._loop.create_task(self._drive(), name=self._name)

    def stop(self) -> None:
        """Stop after the present slice."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _drive(self) -> None:
        """Step all the time, draw when the last frame is on the screen: a slow browser is not buried in frames."""
        last_frame, problem = 0.0, None
        drawn = asyncio.Event()
        drawn.set()
        try:
            more = True
            while more:
                started = time.perf_counter()
                for _ in range(self._steps_per_frame):
                    more = self._step()
                    if not more or time.perf_counter() - started > _SLICE_SECONDS:
                        break
                unanswered = time.perf_counter() - last_frame > _PATIENCE_SECONDS
                if not self._widget.is_held and (drawn.is_set() or unanswered):
                    drawn.clear()
                    self._draw()
                    self._reports.when_drawn(drawn.set)
                    last_frame = time.perf_counter()
                await asyncio.sleep(max(0.001, self._frame_seconds - (time.perf_counter() - started)))
        except (ValueError, RuntimeError) as found:
            problem = found
        self._task = None
        self._ended(problem)
