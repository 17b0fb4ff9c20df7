"""How many frames a second the live explorer draws, on the kernel's side: `make bench`. Prints; asserts no times."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from hyperface_lib.plots.explorer.controls import UMAP_VIEW
from hyperface_lib.plots.packing_explorer import PackingExplorer


async def frames_and_steps_per_second(n: int, dimension: int, seconds: float = 5.0) -> tuple[float, float]:
    """Run an explorer for so long, before a browser that draws every frame at once; nothing but that limits it."""
    explorer = PackingExplorer(n, dimension, max_steps=10**6, frames_per_second=1000.0)

    widget, loop = explorer.figure_widget, asyncio.get_running_loop()

    def report(change: dict[str, Any]) -> None:
        drawn = {"trace_deltas": [], "trace_edit_id": change["new"]}
        loop.call_soon(lambda: setattr(widget, "_js2py_traceDeltas", drawn))

    widget.observe(report, "_last_trace_edit_id")
    explorer.controls.run_button.value = True
    await asyncio.sleep(0.5)
    frames, steps, started = explorer.frames, explorer.run.steps, time.perf_counter()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - started
    rates = (explorer.frames - frames) / passed, (explorer.run.steps - steps) / passed
    explorer.close()
    return rates


@pytest.mark.parametrize(("n", "dimension"), [(200, 3), (200, 128), (2000, 3), (2000, 128)])
def test_frame_rate(n: int, dimension: int) -> None:
    frames, steps = asyncio.run(frames_and_steps_per_second(n, dimension))
    print(f"\nlive explorer, n = {n}, d = {dimension}: {frames:.1f} frames and {steps:.1f} steps a second")
    assert frames > 0


@pytest.mark.parametrize("n", [200, 2000])
def test_live_layout(n: int) -> None:
    from hyperface_lib.plots.explorer.views import UmapView

    vectors = np.random.default_rng(0).standard_normal((n + 500, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    explorer = PackingExplorer(n, 128, gallery=vectors[n:])
    explorer.controls.view_choice.value = UMAP_VIEW
    view, points, gallery = UmapView(vectors[:n], vectors[n:]), vectors[:n], vectors[n:]
    started = time.perf_counter()
    for _ in range(10):
        view.refine(points, gallery)
    seconds = (time.perf_counter() - started) / 10
    print(f"\nlive UMAP, {n} points and 500 of a gallery, d = 128: {1000 * seconds:.0f} ms a refinement")
