"""The task that lets a UMAP layout follow the points."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from hyperface_lib.plots.explorer.session import LivePacking
from hyperface_lib.plots.explorer.views import UmapView

# The layout of points at rest is refined this often, then left alone.
_ROUNDS = 60
_PAUSE_SECONDS = 0.1


class LayoutFollower:
    """Refines a layout beside the kernel's loop, for at most half of the time; `on_change` is called after each round.

    Refinements run on a thread of their own, because the first takes as long as umap takes to import and compile.
    """

    def __init__(self, packing: LivePacking, on_change: Callable[[], None], on_failure: Callable[[Exception], None]):
        self._packing = packing
        self._on_change = on_change
        self._on_failure = on_failure
        self._task: asyncio.Task[None] | None = None

    def follow(self, view: UmapView, loop: asyncio.AbstractEventLoop | None) -> None:
        """Begin with `view`; without a loop its layout is refined here and now."""
        self.stop()
        if loop is None:
            for _ in range(_ROUNDS):
                view.refine(self._packing.points, self._packing.gallery_shown)
        else:
            self._task = loop.create_task(self._refine(view), name="packing explorer layout")

    def stop(self) -> None:
        """Leave the layout alone."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _refine(self, view: UmapView) -> None:
        rounds, seen = 0, -1
        while True:
            steps, started = self._packing.run.steps, time.perf_counter()
            rounds, seen = (rounds + 1 if steps == seen else 0), steps
            if rounds < _ROUNDS:
                try:
                    await asyncio.to_thread(view.refine, self._packing.points, self._packing.gallery_shown)
                except ImportError as problem:
                    self._on_failure(problem)
                    return
                self._on_change()
            await asyncio.sleep(max(_PAUSE_SECONDS, time.perf_counter() - started))
