"""The live toy without a browser: the same object, driven through its widgets on an event loop."""

import asyncio
import threading

import numpy as np
import pytest
import torch

from hyperface_lib.plots.margin_explorer import MarginExplorer, beside
from hyperface_lib.plots.margins.picture import (
    BALL,
    CENTRES,
    NET,
    OTHER_BARS,
    RINGS,
    SAMPLES,
    TARGET_BARS,
    TARGET_CURVE,
)
from hyperface_lib.plots.margins.settings import OPTIONS, MarginSettings
from hyperface_lib.plots.packing import NET_IN_THE_OPEN, NET_ON_BALL


async def until(condition: object, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def places(explorer: MarginExplorer) -> np.ndarray:
    return np.stack([explorer.figure_widget.data[SAMPLES].x, explorer.figure_widget.data[SAMPLES].y])


def test_advance_is_the_same_on_every_run_and_brings_people_together() -> None:
    first, second = MarginExplorer(), MarginExplorer()
    start = first.training.state()
    assert first.advance(120) == second.advance(120) > start.accuracy
    assert first.training.state().target_degrees.mean() < start.target_degrees.mean() / 2
    assert np.array_equal(first.figure().data[SAMPLES].x, second.figure().data[SAMPLES].x)
    elsewhere = MarginExplorer(seed=1)
    elsewhere.advance(120)
    assert not np.array_equal(first.figure().data[SAMPLES].x, elsewhere.figure().data[SAMPLES].x)


def test_steps_do_not_depend_on_how_they_are_taken_nor_on_other_random_numbers() -> None:
    whole, piecewise = MarginExplorer(), MarginExplorer()
    whole.advance(30)
    for _ in range(3):
        torch.rand(7)
        piecewise.advance(10)
    assert np.array_equal(whole.training.state().features, piecewise.training.state().features)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("narrow", [False, True])
def test_picture_without_widgets_is_the_picture_with_them(dimension: int, narrow: bool) -> None:
    explorer = MarginExplorer(dimension=dimension, narrow=narrow)
    explorer.advance(10)
    live = explorer.figure_widget
    assert explorer.ui.children[-1] is live
    explorer.advance(10)
    plain = explorer.figure()
    assert type(plain).__name__ == "Figure"
    for trace in (CENTRES, SAMPLES, RINGS, TARGET_BARS, OTHER_BARS, TARGET_CURVE):
        assert np.array_equal(plain.data[trace].x, live.data[trace].x, equal_nan=True)
        assert np.array_equal(plain.data[trace].y, live.data[trace].y, equal_nan=True)
    assert len(plain.data[SAMPLES].x) == 240 and sum(plain.data[TARGET_BARS].y) == 240
    assert len(plain.to_json()) < 60_000


def test_samples_are_drawn_in_their_direction_and_rings_around_those_with_support_vectors() -> None:
    explorer = MarginExplorer()
    explorer.advance(40)
    state, drawn = explorer.training.state(), explorer.figure().data
    xy = np.stack([drawn[SAMPLES].x, drawn[SAMPLES].y], axis=1)
    lengths = np.linalg.norm(xy, axis=1)
    assert lengths.min() > 0.8 and lengths.max() <= 1.001
    assert np.allclose(xy / lengths[:, None], state.features, atol=2e-3)
    ringed = state.vectors.any(axis=1)
    assert 0 < ringed.sum() < len(ringed) and np.array_equal(drawn[RINGS].x, drawn[SAMPLES].x[ringed])
    centres = np.stack([drawn[CENTRES].x, drawn[CENTRES].y], axis=1)[1::3]
    assert np.allclose(centres / np.linalg.norm(centres, axis=1, keepdims=True), state.centres, atol=2e-3)


def test_a_new_margin_acts_on_the_training_as_it_stands() -> None:
    explorer = MarginExplorer("arcface")
    explorer.advance(100)
    features = explorer.training.state().features
    explorer.controls.radians_slider.value = 0.9
    assert explorer.training.head.margin_radians == pytest.approx(0.9)
    assert np.array_equal(explorer.training.state().features, features) and explorer.training.steps == 100
    explorer.advance(1)
    assert explorer.training.steps == 101 and [one.step for one in explorer.training.history][-1] == 101


@pytest.mark.parametrize("loss", OPTIONS)
def test_every_loss_can_be_chosen_in_the_middle_and_keeps_the_centres(loss: str) -> None:
    explorer = MarginExplorer("norm-softmax", 3)
    explorer.advance(5)
    before = explorer.training.state()
    explorer.controls.loss_choice.value = loss
    after = explorer.training.state()
    first = after.centres[np.unique(after.centre_labels, return_index=True)[1]]
    assert np.allclose(first, before.centres, atol=1e-5) and np.allclose(after.features, before.features)
    explorer.advance(5)
    assert np.isfinite(explorer.training.history[-1].loss)
    assert f"({loss})" in explorer.controls.readout.value
    greyed = {option for option, control in explorer.controls.by_option().items() if control.disabled}
    assert greyed == set(explorer.controls.by_option()) - set(OPTIONS[loss])


def test_sub_centres_come_and_go_with_their_loss() -> None:
    explorer = MarginExplorer("arcface")
    explorer.advance(30)
    assert len(explorer.figure_widget.data[CENTRES].marker.color) == 3 * 6
    explorer.controls.loss_choice.value = "subcenter-arcface"
    explorer.advance(5)
    assert len(explorer.figure_widget.data[CENTRES].x) == len(explorer.figure_widget.data[CENTRES].marker.color) == 54
    explorer.controls.loss_choice.value = "cosface"
    assert explorer.training.state().centres.shape == (6, 2)


def test_what_a_loss_has_counted_survives_a_slider() -> None:
    explorer = MarginExplorer("curricular")
    explorer.advance(20)
    counted = float(explorer.training.head.t)
    explorer.controls.radians_slider.value = 0.3
    assert float(explorer.training.head.t) == counted != 0.0
    assert explorer.training.head.margin_radians == pytest.approx(0.3)


def test_buttons_step_reset_and_start_elsewhere() -> None:
    explorer = MarginExplorer()
    before = explorer.controls.readout.value
    explorer.controls.step_button.click()
    assert explorer.training.steps == 1 and explorer.controls.readout.value != before
    explorer.controls.reset_button.click()
    assert explorer.training.steps == 0 and explorer.controls.readout.value == before
    explorer.controls.elsewhere_button.click()
    assert np.array_equal(explorer.training.state().features, MarginExplorer(seed=1).training.state().features)
    explorer.advance(3)
    explorer.controls.reset_button.click()
    assert np.array_equal(explorer.training.state().features, MarginExplorer(seed=1).training.state().features)


def test_run_and_pause_on_a_loop_while_sliders_move() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer(max_steps=100_000)
        widget = explorer.figure_widget
        explorer.controls.run_button.value = True
        await until(lambda: explorer.training.steps > 10)
        assert explorer.is_running and explorer.controls.run_button.description == "pause"
        for control, value in (
            (explorer.controls.radians_slider, 0.8),
            (explorer.controls.scale_slider, 32.0),
            (explorer.controls.gradient_choice, "detached"),
            (explorer.controls.loss_choice, "cosface"),
        ):
            steps = explorer.training.steps
            control.value = value
            await until(lambda steps=steps: explorer.training.steps > steps + 3)
            assert explorer.is_running
        assert explorer.training.settings == MarginSettings(scale=32, margin_radians=0.8, gradient="detached")
        explorer.controls.run_button.value = False
        await until(lambda: not explorer.is_running)
        steps = explorer.training.steps
        assert widget.data[TARGET_CURVE].x[-1] == steps, "the picture is that of the pause"
        await asyncio.sleep(0.1)
        assert explorer.training.steps == steps and explorer.controls.run_button.description == "run"
        explorer.close()

    asyncio.run(scenario())


def test_a_run_that_is_done_releases_its_button_and_may_go_on() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer(max_steps=15)
        for total in (15, 30):
            explorer.controls.run_button.value = True
            await until(lambda total=total: explorer.training.steps == total and not explorer.is_running)
            await until(lambda: explorer.controls.run_button.value is False)
            assert explorer.controls.run_button.description == "run"

    asyncio.run(scenario())


def test_a_failing_step_stops_the_run_and_says_why() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer()
        with torch.no_grad():
            explorer.training.network[0].weight.fill_(torch.nan)
        explorer.controls.run_button.value = True
        await until(lambda: explorer.controls.run_button.value is False and not explorer.is_running)
        assert "the loss of arcface is not finite at step 0" in explorer.controls.readout.value

    asyncio.run(scenario())


def test_messages_from_another_thread_are_handled_on_the_loop() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer()
        seen: list[str] = []
        take = explorer.training.take
        explorer.training.take = lambda steps: (seen.append(threading.current_thread().name), take(steps))[1]  # type: ignore[method-assign]
        sender = threading.Thread(target=explorer.controls.step_button.click, name="subshell")
        sender.start()
        await asyncio.to_thread(sender.join)
        await until(lambda: bool(seen))
        assert seen == [threading.current_thread().name] and explorer.training.steps == 1

    asyncio.run(scenario())


def test_frames_wait_for_a_slow_browser_but_steps_do_not() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer(max_steps=100_000)
        widget = explorer.figure_widget
        explorer.controls.run_button.value = True
        await until(lambda: widget._last_trace_edit_id == 1)
        shown, steps = len(widget.data[TARGET_CURVE].x), explorer.training.steps
        await until(lambda: explorer.training.steps > steps + 5)
        assert len(widget.data[TARGET_CURVE].x) == shown
        # What the browser sends when it has drawn a frame.
        widget._js2py_traceDeltas = {"trace_deltas": [], "trace_edit_id": 1}
        await until(lambda: widget._last_trace_edit_id == 2)
        assert len(widget.data[TARGET_CURVE].x) > shown
        explorer.close()

    asyncio.run(scenario())


def test_the_ball_gives_way_to_colours_while_the_samples_move() -> None:
    async def scenario() -> None:
        explorer = MarginExplorer(dimension=3, max_steps=100_000)
        widget = explorer.figure_widget
        assert widget.data[BALL].visible is not False and widget.data[NET].line.color == NET_ON_BALL
        assert set(np.asarray(widget.data[SAMPLES].marker.color) % 2) == {1.0}
        explorer.controls.run_button.value = True
        await until(lambda: widget.data[BALL].visible is False)
        assert widget.data[NET].line.color == NET_IN_THE_OPEN
        assert np.asarray(widget.data[SAMPLES].marker.color).min() < 1.0, "nothing is behind the sphere"
        explorer.controls.run_button.value = False
        await until(lambda: not explorer.is_running)
        assert widget.data[BALL].visible is True
        explorer.close()

    asyncio.run(scenario())


def test_beside_one_another_explorers_share_the_run_button_and_what_is_named() -> None:
    async def scenario() -> None:
        left, right = (
            MarginExplorer(settings=MarginSettings(scale=16, gradient=gradient), narrow=True, max_steps=100_000)
            for gradient in ("exact", "detached")
        )
        box = beside([left, right], together=("margin_radians",))
        assert list(box.children) == [left.ui, right.ui]
        left.controls.run_button.value = True
        await until(lambda: left.training.steps > 5 and right.training.steps > 5)
        left.controls.radians_slider.value = 0.9
        await until(lambda: right.training.settings.margin_radians == 0.9)
        assert (left.training.settings.gradient, right.training.settings.gradient) == ("exact", "detached")
        left.controls.scale_slider.value = 20
        await until(lambda: left.training.settings.scale == 20)
        assert right.training.settings.scale == 16
        right.controls.run_button.value = False
        await until(lambda: not left.is_running and not right.is_running)
        left.close(), right.close()

    asyncio.run(scenario())


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"loss must be one of .*arcface.*, found 'hinge'"):
        MarginExplorer("hinge")
    with pytest.raises(ValueError, match="2 or 3 dimensions, found 5"):
        MarginExplorer(dimension=5)
    with pytest.raises(ValueError, match=r"scale s must lie in 1 .. 128, found 200"):
        MarginExplorer(settings=MarginSettings(scale=200))
    with pytest.raises(ValueError, match="at least one, found none"):
        beside([])
    with pytest.raises(ValueError, match=r"together must be among .*scale.*, found 'colour'"):
        beside([MarginExplorer()], together=("colour",))
