"""The live explorer without a browser: the same object, driven through its widgets on an event loop."""

import asyncio
import threading

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from hyperface_lib.plots.explorer.controls import GEOMETRY_VIEW, LIVE_OPTIMISERS, UMAP_VIEW
from hyperface_lib.plots.explorer.picture import (
    BALL,
    BEST_KNOWN,
    BOUND,
    CONTACTS,
    GALLERY,
    GALLERY_BEHIND,
    NEAREST,
    NEAREST_BOUND,
    NET,
    POINTS,
    POINTS_BEHIND,
    PROGRESS,
)
from hyperface_lib.plots.explorer.views import UmapView
from hyperface_lib.plots.packing_explorer import PackingExplorer
from hyperface_lib.sphere import OBJECTIVES, best_known, levenshtein_bound_degrees, nearest_neighbour_angles


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
    for trace in (GALLERY, CONTACTS, POINTS, PROGRESS, BOUND, BEST_KNOWN, NEAREST, NEAREST_BOUND):
        assert np.array_equal(plain.data[trace].x, live.data[trace].x, equal_nan=True)
        assert np.array_equal(plain.data[trace].y, live.data[trace].y, equal_nan=True)
    assert len(plain.data[GALLERY].x) == 50 and len(plain.data[POINTS].x) == 12
    assert len(plain.to_json()) < 40_000


def test_sliders_restart_with_what_they_say() -> None:
    explorer = PackingExplorer(12)
    assert len(explorer.figure_widget.data[POINTS].x) == 12
    explorer.advance(10)
    explorer.controls.n_slider.value = 40
    assert len(explorer.figure_widget.data[POINTS].x) == 40 and explorer.run.steps == 1
    explorer.controls.dimension_slider.value = 6
    assert explorer.run.points.shape == (40, 6)
    assert not any(explorer.figure_widget.data[trace].visible for trace in (BALL, NET))
    explorer.controls.dimension_slider.value = 2
    assert not np.asarray(explorer.figure_widget.data[POINTS].z).any()


def test_alpha_draws_the_points_to_the_gallery() -> None:
    def closeness(alpha: float) -> float:
        explorer = PackingExplorer(20, 8, gallery=gallery(), max_steps=150)
        explorer.controls.alpha_slider.value = alpha
        explorer.advance(150)
        return explorer.run.history[-1].mean_gallery_cosine or 0.0

    assert closeness(2.0) > closeness(0.0) + 0.1
    assert PackingExplorer(12).controls.alpha_slider.disabled


def test_a_gallery_is_used_in_its_leading_directions() -> None:
    explorer = PackingExplorer(12, 3, gallery=gallery())
    assert explorer.controls.dimension_slider.max == 8
    places = explorer.figure_widget.data[GALLERY]
    lengths = np.asarray(places.x) ** 2 + np.asarray(places.y) ** 2 + np.asarray(places.z) ** 2
    assert np.allclose(lengths, 1, atol=1e-3)


def test_temperature_follows_the_schedule_until_it_is_touched() -> None:
    explorer = PackingExplorer(12, max_steps=100)
    explorer.advance(30)
    assert explorer.run.annealing is not None
    assert explorer.controls.temperature_slider.value == pytest.approx(explorer.run.temperature, rel=1e-6)
    explorer.controls.temperature_slider.value = 0.5
    assert explorer.run.temperature == pytest.approx(0.5) and explorer.run.annealing is None


def test_buttons_step_and_reset() -> None:
    explorer = PackingExplorer(12)
    before = explorer.controls.readout.value
    explorer.controls.step_button.click()
    assert explorer.run.steps == 2 and explorer.controls.readout.value != before
    explorer.controls.reset_button.click()
    assert explorer.run.steps == 1 and explorer.controls.readout.value == before


def test_another_start_is_another_one_and_reset_comes_back_to_it() -> None:
    explorer = PackingExplorer(12, seed=0)
    explorer.controls.elsewhere_button.click()
    elsewhere = explorer.run.points.clone()
    assert torch.equal(elsewhere, PackingExplorer(12, seed=1).run.points)
    explorer.advance(5)
    explorer.controls.reset_button.click()
    assert torch.equal(explorer.run.points, elsewhere)


def test_run_and_pause_on_a_loop() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(24, max_steps=100_000)
        explorer.controls.run_button.value = True
        await until(lambda: explorer.run.steps > 20)
        assert explorer.is_running and explorer.controls.run_button.description == "pause"
        assert len(explorer.figure_widget.data[POINTS].x) == 24
        explorer.controls.n_slider.value = 32
        await until(lambda: len(explorer.figure_widget.data[POINTS].x) == 32 and explorer.run.steps > 5)
        assert explorer.is_running
        explorer.controls.run_button.value = False
        await until(lambda: not explorer.is_running)
        steps = explorer.run.steps
        assert explorer.figure_widget.data[PROGRESS].x[-1] == steps - 1, "the picture is that of the pause"
        await asyncio.sleep(0.1)
        assert explorer.run.steps == steps and explorer.controls.run_button.description == "run"
        explorer.close()

    asyncio.run(scenario())


def test_a_figure_that_is_held_is_not_drawn_into_while_the_steps_go_on() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(24, max_steps=100_000)
        explorer.controls.run_button.value = True
        await until(lambda: explorer.frames > 3)
        explorer.figure_widget.is_held = True
        await asyncio.sleep(0.05)
        frames, steps = explorer.frames, explorer.run.steps
        await until(lambda: explorer.run.steps > steps + 50)
        assert explorer.frames == frames
        explorer.figure_widget.is_held = False
        await until(lambda: explorer.frames > frames)
        explorer.close()

    asyncio.run(scenario())


def test_moving_points_are_shown_without_the_ball_and_apart_where_they_are_behind() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(24, 3, gallery=gallery(), max_steps=100_000)
        ball, net, front, behind = (explorer.figure_widget.data[one] for one in (BALL, NET, POINTS, POINTS_BEHIND))
        assert ball.visible and net.visible and len(behind.x) == 0
        explorer.controls.run_button.value = True
        await until(lambda: ball.visible is False and len(behind.x) == 24)
        assert net.visible and np.array_equal(np.isnan(front.x), ~np.isnan(behind.x))
        eye = explorer.figure_widget.layout.scene.camera.eye
        towards = [np.stack([one.x, one.y, one.z], axis=1) @ [eye.x, eye.y, eye.z] for one in (front, behind)]
        assert np.nanmin(towards[0]) > np.nanmax(towards[1]) > 0
        pale = explorer.figure_widget.data[GALLERY_BEHIND]
        assert (
            0 < np.isnan(pale.x).sum() < 50 and pale.marker.color != explorer.figure_widget.data[GALLERY].marker.color
        )
        plain = explorer.figure()
        assert plain.data[BALL].visible and not np.isnan(plain.data[POINTS].x).any(), "a plain picture is at rest"
        explorer.controls.dimension_slider.value = 4
        await until(lambda: explorer.run.points.shape[1] == 4 and explorer.run.steps > 5)
        assert net.visible is False and len(behind.x) == 0
        explorer.controls.dimension_slider.value = 3
        await until(lambda: explorer.run.points.shape[1] == 3 and explorer.run.steps > 5)
        explorer.controls.run_button.value = False
        await until(lambda: ball.visible is True)
        assert len(behind.x) == 0 and not np.isnan(front.x).any()
        explorer.close()

    asyncio.run(scenario())


def test_ball_and_net_are_in_no_message_with_the_coordinates_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[set[str], set[int]]] = []
    restyle, update = go.FigureWidget._send_restyle_msg, go.FigureWidget._send_update_msg

    def listen_to_restyle(
        widget: go.FigureWidget, style: dict[str, object], trace_indexes: int | list[int], **rest: object
    ) -> None:
        sent.append((set(style), set(np.atleast_1d(trace_indexes).tolist())))
        restyle(widget, style, trace_indexes=trace_indexes, **rest)

    def listen_to_update(
        widget: go.FigureWidget, restyle_data: dict[str, object], trace_indexes: list[int], **rest: object
    ) -> None:
        sent.append((set(restyle_data), set(trace_indexes)))
        update(widget, restyle_data=restyle_data, trace_indexes=trace_indexes, **rest)

    monkeypatch.setattr(go.FigureWidget, "_send_restyle_msg", listen_to_restyle)
    monkeypatch.setattr(go.FigureWidget, "_send_update_msg", listen_to_update)

    async def scenario() -> None:
        explorer = PackingExplorer(24, 3, gallery=gallery(), max_steps=100_000)
        ball = explorer.figure_widget.data[BALL]
        explorer.controls.run_button.value = True
        await until(lambda: ball.visible is False)
        explorer.controls.dimension_slider.value = 5
        await until(lambda: explorer.run.points.shape[1] == 5 and explorer.run.steps > 5)
        explorer.controls.dimension_slider.value = 3
        explorer.controls.run_button.value = False
        await until(lambda: not explorer.is_running and ball.visible)
        explorer.close()

    asyncio.run(scenario())
    assert any(BALL in traces for _, traces in sent) and any(NET in traces for _, traces in sent)
    assert any("x" in keys for keys, _ in sent)
    assert not any({BALL, NET} & traces and {"x", "y", "z"} & keys for keys, traces in sent)


def test_a_run_that_is_done_releases_its_button() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(8, max_steps=15)
        explorer.controls.run_button.value = True
        await until(lambda: explorer.run.steps >= 15 and not explorer.is_running)
        assert explorer.controls.run_button.value is False and explorer.controls.run_button.description == "run"
        assert explorer.figure_widget.data[BALL].visible

    asyncio.run(scenario())


def test_messages_from_another_thread_are_handled_on_the_loop() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(12)
        seen: list[str] = []
        draw = explorer._draw
        explorer._draw = lambda *rest, **named: (seen.append(threading.current_thread().name), draw(*rest, **named))[1]  # type: ignore[method-assign]
        sender = threading.Thread(target=explorer.controls.step_button.click, name="subshell")
        sender.start()
        await asyncio.to_thread(sender.join)
        await until(lambda: bool(seen))
        assert seen == [threading.current_thread().name] and explorer.run.steps == 2

    asyncio.run(scenario())


def test_a_refusal_is_shown_where_the_reader_looks() -> None:
    explorer = PackingExplorer(12, gallery=gallery(count=5))
    explorer.controls.dimension_slider.value = 7
    assert "rank of the gallery" in explorer.controls.readout.value


def test_frames_wait_for_a_slow_browser_but_steps_do_not() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(12, max_steps=100_000)
        widget, drawn = explorer.figure_widget, explorer.frames
        explorer.controls.run_button.value = True
        await until(lambda: explorer.frames > drawn)
        first = widget._last_trace_edit_id
        shown, steps = len(widget.data[PROGRESS].x), explorer.run.steps
        await until(lambda: explorer.run.steps > steps + 5)
        assert len(widget.data[PROGRESS].x) == shown
        # What the browser sends when it has drawn a frame.
        widget._js2py_traceDeltas = {"trace_deltas": [], "trace_edit_id": first}
        await until(lambda: widget._last_trace_edit_id == first + 1)
        assert len(widget.data[PROGRESS].x) > shown
        widget._js2py_traceDeltas = {"trace_deltas": [], "trace_edit_id": first}  # an old one
        steps = explorer.run.steps
        await until(lambda: explorer.run.steps > steps + 5)
        assert widget._last_trace_edit_id == first + 1
        explorer.close()

    asyncio.run(scenario())


def test_a_report_of_a_frame_overtaken_by_the_next_is_still_a_report() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(12, max_steps=100_000)
        widget = explorer.figure_widget
        explorer.controls.run_button.value = True
        for _ in range(3):
            sent, bars = widget._last_trace_edit_id, widget.data[NEAREST]
            await until(lambda sent=sent: widget._last_trace_edit_id > sent)
            # What the browser makes of an array that differs from the one sent last: the entries that do.
            odd = {"uid": bars.uid, "x": {"0": 1.0}, "width": 2.0}
            widget._js2py_traceDeltas = {"trace_deltas": [odd], "trace_edit_id": widget._last_trace_edit_id}
            assert len(bars.x) == 48 and bars.width != 2.0
        explorer.close()

    asyncio.run(scenario())


def test_objective_changes_from_the_present_points_and_the_history_goes_on() -> None:
    explorer = PackingExplorer(24)
    before = explorer.advance(80)
    points = explorer.run.points.clone()
    explorer.controls.objective_choice.value = "log-sum-exp"
    explorer.advance(1)
    assert explorer.run.objective.name == "log-sum-exp"
    assert [one.step for one in explorer.run.history] == list(range(82))
    assert explorer.run.history[-1].min_angle_degrees == pytest.approx(before, abs=1e-3)
    assert torch.allclose(explorer.run.points, points, atol=1e-6)
    explorer.advance(100)
    assert explorer.run.history[-1].min_angle_degrees > before


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_can_be_chosen_and_shows_its_temperature_only_if_it_has_one(objective: str) -> None:
    explorer = PackingExplorer(16, gallery=gallery(), alpha=0.5)
    explorer.controls.objective_choice.value = objective
    explorer.advance(3)
    assert explorer.run.objective.name == objective
    assert explorer.controls.temperature_slider.disabled == (explorer.run.temperature is None)
    assert np.isfinite(explorer.run.history[-1].min_angle_degrees)
    assert explorer.run.alpha == 0.5


@pytest.mark.parametrize("optimiser", LIVE_OPTIMISERS)
def test_every_optimiser_can_be_chosen_and_moves_the_points(optimiser: str) -> None:
    explorer = PackingExplorer(16)
    explorer.controls.optimiser_choice.value = optimiser
    points = explorer.run.points.clone()
    explorer.advance(3)
    assert explorer.run.optimiser.name == optimiser
    assert not torch.equal(explorer.run.points, points)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"objective must be one of .*riesz.*, found 'magnets'"):
        PackingExplorer(12, objective="magnets")
    with pytest.raises(ValueError, match=r"optimiser must be one of .*adamw.*, found 'lbfgs'"):
        PackingExplorer(12, optimiser="lbfgs")


def test_what_is_taken_in_hand_survives_another_optimiser_but_not_another_objective() -> None:
    explorer = PackingExplorer(12)
    explorer.advance(10)
    explorer.controls.temperature_slider.value = 0.5
    explorer.controls.step_slider.value = 0.01
    explorer.controls.optimiser_choice.value = "adamw"
    explorer.advance(5)
    assert explorer.run.temperature == pytest.approx(0.5) and explorer.run.step_radians == pytest.approx(0.01)
    explorer.controls.objective_choice.value = "hinge"
    assert explorer.run.annealing is not None
    explorer.advance(1)
    assert explorer.run.temperature != pytest.approx(0.5)


def test_step_length_follows_the_schedule_and_then_the_hand() -> None:
    explorer = PackingExplorer(12, max_steps=100)
    first = explorer.controls.step_slider.value
    explorer.advance(80)
    assert explorer.controls.step_slider.value < first / 3
    explorer.controls.step_slider.value = 0.2
    explorer.advance(5)
    assert explorer.run.step_radians == pytest.approx(0.2) and explorer.run.annealing is None


def test_a_temperature_taken_in_hand_at_the_end_still_moves_the_points() -> None:
    explorer = PackingExplorer(12, max_steps=100)
    first = explorer.run.step_radians
    explorer.advance(99)
    assert explorer.run.step_radians < first / 50
    explorer.controls.temperature_slider.value = 0.5
    assert explorer.run.step_radians == pytest.approx(first / 4, rel=0.05)


def test_another_alpha_begins_the_schedule_anew_and_keeps_the_points() -> None:
    explorer = PackingExplorer(20, 8, gallery=gallery(), max_steps=100)
    explorer.advance(99)
    cold, steps = explorer.run.temperature or 0.0, explorer.run.steps
    explorer.controls.alpha_slider.value = 2.0
    explorer.advance(1)
    assert explorer.run.steps == steps + 1 and explorer.run.alpha == 2.0
    assert (explorer.run.temperature or 0.0) > 100 * cold
    explorer.controls.objective_choice.value = "hinge"
    assert explorer.run.alpha == 2.0


def test_bound_best_known_and_histogram_are_those_of_the_points_shown() -> None:
    explorer = PackingExplorer(12)
    figure = explorer.figure_widget
    explorer.advance(200)
    known = best_known(12, 3)
    assert known is not None
    assert figure.data[BOUND].y == (levenshtein_bound_degrees(12, 3),) * 2
    assert figure.data[BEST_KNOWN].y == (known.angle_degrees,) * 2
    assert f"{known.angle_degrees:.2f}°" in figure.data[BEST_KNOWN].text[1]
    bars = figure.data[NEAREST]
    edges = np.concatenate([[bars.x[0] - bars.width / 2], np.asarray(bars.x) + bars.width / 2])
    angles = np.asarray(nearest_neighbour_angles(explorer.run.points.numpy()))
    assert sum(bars.y) == 12
    assert np.abs(np.cumsum(bars.y) - [(angles <= edge).sum() for edge in edges[1:]]).max() <= 1
    assert figure.data[NEAREST_BOUND].x == (levenshtein_bound_degrees(12, 3),) * 2


def test_best_known_is_left_out_where_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.plots.explorer.session.best_known", lambda n, dimension: None)
    explorer = PackingExplorer(12)
    assert explorer.figure().data[BEST_KNOWN].y == () and "best known" not in explorer.controls.readout.value


def test_above_three_dimensions_the_picture_does_not_flip_from_frame_to_frame() -> None:
    explorer = PackingExplorer(60, 6)
    figure = explorer.figure_widget
    explorer.advance(50)
    for _ in range(20):
        before = np.stack([figure.data[POINTS][axis] for axis in "xyz"], axis=1)
        moved = explorer.run.points.clone()
        explorer.advance(1)
        step = float((explorer.run.points - moved).norm(dim=1).max())
        after = np.stack([figure.data[POINTS][axis] for axis in "xyz"], axis=1)
        assert np.linalg.norm(after - before, axis=1).mean() < 0.2 + step


def test_umap_view_shows_points_and_gallery_together() -> None:
    explorer = PackingExplorer(30, 8, gallery=gallery())
    shadow = explorer.figure_widget.data[POINTS].x.copy()
    explorer.controls.view_choice.value = UMAP_VIEW
    assert "UMAP layout" in explorer.controls.readout.value
    assert len(explorer.figure_widget.data[POINTS].x) == 30 and len(explorer.figure_widget.data[GALLERY].x) == 50
    assert not np.array_equal(explorer.figure_widget.data[POINTS].x, shadow)
    assert not any(explorer.figure_widget.data[trace].visible for trace in (BALL, NET))
    explorer.controls.view_choice.value = GEOMETRY_VIEW
    assert np.array_equal(explorer.figure_widget.data[POINTS].x, shadow)


def test_umap_says_that_it_warms_up_and_does_not_hold_up_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()

    def slow(view: UmapView, points: np.ndarray, gallery: np.ndarray) -> None:
        ready.wait(20)
        refine(view, points, gallery)

    refine = UmapView.refine
    monkeypatch.setattr(UmapView, "refine", slow)

    async def scenario() -> None:
        explorer = PackingExplorer(24, 6, max_steps=100_000)
        assert len(explorer.figure_widget.data[POINTS].x) == 24
        explorer.controls.view_choice.value = UMAP_VIEW
        explorer.controls.run_button.value = True
        await until(lambda: explorer.run.steps > 30)
        assert "warming up" in explorer.controls.readout.value
        ready.set()
        await until(lambda: "UMAP layout" in explorer.controls.readout.value)
        explorer.controls.n_slider.value = 40
        await until(lambda: len(explorer.figure_widget.data[POINTS].x) == 40 and explorer.run.steps > 5)
        explorer.close()
        assert not explorer.is_running

    asyncio.run(scenario())


def test_changes_while_it_runs_go_on_from_where_it_is() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(24, 4, gallery=gallery(), max_steps=100_000)
        explorer.controls.run_button.value = True
        await until(lambda: explorer.run.steps > 10)
        for control, value in (
            (explorer.controls.objective_choice, "hinge"),
            (explorer.controls.optimiser_choice, "adamw"),
            (explorer.controls.alpha_slider, 1.0),
            (explorer.controls.temperature_slider, 0.05),
            (explorer.controls.step_slider, 0.02),
        ):
            steps = explorer.run.steps
            control.value = value
            await until(lambda steps=steps: explorer.run.steps > steps + 5)
            assert explorer.is_running
        assert [one.step for one in explorer.run.history] == list(range(explorer.run.steps))
        assert explorer.run.objective.name == "hinge" and explorer.run.optimiser.name == "adamw"
        assert (explorer.run.alpha, explorer.run.temperature, explorer.run.step_radians) == (1.0, 0.05, 0.02)
        explorer.controls.dimension_slider.value = 3
        await until(lambda: explorer.run.points.shape[1] == 3 and explorer.run.steps > 5)
        assert explorer.run.steps < steps
        explorer.close()

    asyncio.run(scenario())


def test_run_after_the_end_goes_on() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(8, max_steps=15)
        for total in (15, 30):
            explorer.controls.run_button.value = True
            await until(lambda total=total: explorer.run.steps == total and not explorer.is_running)
            await until(lambda: explorer.controls.run_button.value is False)

    asyncio.run(scenario())


def test_a_failing_step_stops_the_run_and_says_why() -> None:
    async def scenario() -> None:
        explorer = PackingExplorer(8, max_steps=1000)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("out of memory")

        explorer.run.step = fail  # type: ignore[method-assign]
        explorer.controls.run_button.value = True
        await until(lambda: explorer.controls.run_button.value is False)
        assert "out of memory" in explorer.controls.readout.value

    asyncio.run(scenario())
