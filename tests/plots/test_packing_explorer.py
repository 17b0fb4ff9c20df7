"""The live explorer without a browser: the same object, driven through its widgets on an event loop."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest

from hyperface_lib.plots.packing_explorer import PackingExplorer

SURFACE, GALLERY, CONTACTS, POINTS, PROGRESS, BOUND = range(6)


def gallery(count: int = 50, dimension: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, dimension)) * np.linspace(2, 0.3, dimension)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


async def until(condition: object, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_advance_is_the_same_on_every_run_and_moves_the_points_apart() -> None:
    first, second = PackingExplorer(24), PackingExplorer(24)
    start = first.run.history[0].min_angle_degrees
    assert first.advance(60) == second.advance(60) > start
    assert np.array_equal(first.figure().data[POINTS].x, second.figure().data[POINTS].x)
    assert PackingExplorer(24, seed=1).advance(60) != first.run.history[-1].min_angle_degrees


def test_picture_without_widgets_is_the_picture_with_them() -> None:
    explorer = PackingExplorer(12, 3, gallery=gallery(), alpha=0.5)
    explorer.advance(20)
    live = explorer.figure_widget
    assert explorer.ui.children[-1] is live
    explorer.advance(20)
    plain = explorer.figure()
    assert type(plain).__name__ == "Figure"
    for trace in (GALLERY, CONTACTS, POINTS, PROGRESS, BOUND):
        assert np.array_equal(plain.data[trace].x, live.data[trace].x, equal_nan=True)
        assert np.array_equal(plain.data[trace].y, live.data[trace].y, equal_nan=True)
    assert len(plain.data[GALLERY].x) == 50 and len(plain.data[POINTS].x) == 12
    assert len(plain.to_json()) < 40_000


def test_sliders_restart_with_what_they_say() -> None:
    explorer = PackingExplorer(12)
    assert len(explorer.figure_widget.data[POINTS].x) == 12
    explorer.advance(10)
    explorer.n_slider.value = 40
    assert len(explorer.figure_widget.data[POINTS].x) == 40 and explorer.run.steps == 1
    explorer.dimension_slider.value = 6
    assert explorer.run.points.shape == (40, 6)
    assert explorer.figure_widget.data[SURFACE].visible is False
    explorer.dimension_slider.value = 2
    assert not np.asarray(explorer.figure_widget.data[POINTS].z).any()


def test_alpha_draws_the_points_to_the_gallery() -> None:
    def closeness(alpha: float) -> float:
        explorer = PackingExplorer(20, 8, gallery=gallery(), max_steps=150)
        explorer.alpha_slider.value = alpha
        explorer.advance(150)
        return explorer.run.history[-1].mean_gallery_cosine or 0.0

    assert closeness(2.0) > closeness(0.0) + 0.1
    assert PackingExplorer(12).alpha_slider.disabled


def test_a_gallery_is_used_in_its_leading_directions() -> None:
    explorer = PackingExplorer(12, 3, gallery=gallery())
    assert explorer.dimension_slider.max == 8
    places = explorer.figure_widget.data[GALLERY]
    lengths = np.asarray(places.x) ** 2 + np.asarray(places.y) ** 2 + np.asarray(places.z) ** 2
    assert np.allclose(lengths, 1, atol=1e-3)


def test_temperature_follows_the_schedule_until_it_is_touched() -> None:
    explorer = PackingExplorer(12, max_steps=100)
    explorer.advance(30)
    assert explorer.run.annealing is not None
    assert explorer.temperature_slider.value == pytest.approx(explorer.run.temperature, rel=1e-6)
    explorer.temperature_slider.value = 0.5
    assert explorer.run.temperature == pytest.approx(0.5) and explorer.run.annealing is None


def test_buttons_step_and_reset() -> None:
    explorer = PackingExplorer(12)
    before = explorer.readout.value
    explorer.step_button.click()
    assert explorer.run.steps == 2 and explorer.readout.value != before
    explorer.reset_button.click()
    assert explorer.run.steps == 1 and explorer.readout.value == before


def test_run_and_pause_on_a_loop() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(24, max_steps=100_000)
        explorer.run_button.value = True
        await until(lambda: explorer.run.steps > 20)
        assert explorer.is_running and explorer.run_button.description == "pause"
        assert len(explorer.figure_widget.data[POINTS].x) == 24
        explorer.n_slider.value = 32
        await until(lambda: len(explorer.figure_widget.data[POINTS].x) == 32 and explorer.run.steps > 5)
        assert explorer.is_running
        explorer.run_button.value = False
        await until(lambda: not explorer.is_running)
        steps = explorer.run.steps
        await asyncio.sleep(0.1)
        assert explorer.run.steps == steps and explorer.run_button.description == "run"
        explorer.close()

    asyncio.run(scenario())


def test_a_run_that_is_done_releases_its_button() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(8, max_steps=15)
        explorer.run_button.value = True
        await until(lambda: explorer.run.steps >= 15 and not explorer.is_running)
        assert explorer.run_button.value is False and explorer.run_button.description == "run"

    asyncio.run(scenario())


def test_messages_from_another_thread_are_handled_on_the_loop() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(12)
        seen: list[str] = []
        draw = explorer._draw
        explorer._draw = lambda *rest, **named: (seen.append(threading.current_thread().name), draw(*rest, **named))[1]  # type: ignore[method-assign]
        sender = threading.Thread(target=explorer.step_button.click, name="subshell")
        sender.start()
        await asyncio.to_thread(sender.join)
        await until(lambda: bool(seen))
        assert seen == [threading.current_thread().name] and explorer.run.steps == 2

    asyncio.run(scenario())


def test_a_refusal_is_shown_where_the_reader_looks() -> None:
    explorer = PackingExplorer(12, gallery=gallery(count=5))
    explorer.dimension_slider.value = 7
    assert "rank of the gallery" in explorer.readout.value


def test_frames_wait_for_a_slow_browser_but_steps_do_not() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(12, max_steps=100_000)
        waiting: list[Callable[[], None]] = []
        explorer.figure_widget.on_edits_completed = waiting.append
        explorer.run_button.value = True
        await until(lambda: len(waiting) == 1)
        shown, steps = len(explorer.figure_widget.data[PROGRESS].x), explorer.run.steps
        await until(lambda: explorer.run.steps > steps + 5)
        assert len(explorer.figure_widget.data[PROGRESS].x) == shown
        waiting[0]()
        await until(lambda: len(waiting) == 2)
        assert len(explorer.figure_widget.data[PROGRESS].x) > shown
        explorer.close()

    asyncio.run(scenario())
