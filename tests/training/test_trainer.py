from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head
from hyperface_lib.training import (
    Callback,
    Every,
    LogFile,
    NotFiniteError,
    Recipe,
    Trainer,
    create_trainer,
    train_recogniser,
)
from hyperface_lib.training.trainer import StepReport

World = tuple[np.ndarray, np.ndarray]
RECIPE = Recipe(architecture="tiny", dimension=16, dropout=0.1, max_steps=8, batch_size=16, precision="float32", seed=4)


def losses(trainer: Trainer) -> list[float]:
    return list(trainer.history.loss)


@pytest.fixture(scope="module")
def whole_run(small_world: World) -> Trainer:
    trainer = create_trainer(*small_world, RECIPE, device="cpu")
    trainer.fit()
    return trainer


def test_a_few_steps_separate_easy_people(small_world: World) -> None:
    images, labels = small_world
    recipe = RECIPE.with_changes(max_steps=60, margin_full=0.8)
    trained = train_recogniser(images, labels, recipe, device="cpu")
    assert np.mean(trained.history.loss[:5]) > 1.5 * np.mean(trained.history.loss[-5:])
    vectors = trained.embedder(device="cpu").embed(images)
    cosines = vectors @ vectors.T
    own = labels[:, None] == labels
    assert cosines[own].mean() > cosines[~own].mean() + 0.4


def test_the_same_seed_gives_the_same_run_and_another_another(small_world: World, whole_run: Trainer) -> None:
    again = create_trainer(*small_world, RECIPE, device="cpu")
    again.fit()
    assert losses(again) == losses(whole_run)
    other = create_trainer(*small_world, RECIPE.with_changes(seed=5), device="cpu")
    other.fit(until_step=2)
    assert losses(other) != losses(whole_run)[:2]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("cut", [3, 6])
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    small_world: World, tmp_path: Path, optimiser: str, cut: int
) -> None:
    recipe = RECIPE.with_changes(optimiser=optimiser, learning_rate=0.01)
    whole = create_trainer(*small_world, recipe, device="cpu")
    whole.fit()
    create_trainer(*small_world, recipe, checkpoint=tmp_path / "c.pt", device="cpu").fit(until_step=cut)
    torch.manual_seed(99)
    second = create_trainer(*small_world, recipe, checkpoint=tmp_path / "c.pt", device="cpu")
    assert second.step == cut
    second.fit()
    assert losses(second) == losses(whole)
    for one, other in zip(whole.backbone.parameters(), second.backbone.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_run_is_not_run_again(small_world: World, tmp_path: Path) -> None:
    first = create_trainer(*small_world, RECIPE, checkpoint=tmp_path / "c.pt", device="cpu")
    first.fit()
    second = create_trainer(*small_world, RECIPE, checkpoint=tmp_path / "c.pt", device="cpu")
    second.fit()
    assert second.step == RECIPE.max_steps and losses(second) == losses(first)


def test_a_checkpoint_of_another_run_is_refused(small_world: World, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    create_trainer(*small_world, RECIPE, checkpoint=path, device="cpu").fit(until_step=1)
    with pytest.raises(ValueError, match=r"c\.pt belongs to a run with other settings \(learning_rate\)"):
        create_trainer(*small_world, RECIPE.with_changes(learning_rate=1e-5), checkpoint=path, device="cpu")
    images, labels = small_world
    with pytest.raises(ValueError, match="belongs to a run on 96 images, this run has 90"):
        create_trainer(images[:90], labels[:90], RECIPE, checkpoint=path, device="cpu")
    longer = create_trainer(
        *small_world, RECIPE.with_changes(max_steps=9), checkpoint=path, device="cpu", may_change=("max_steps",)
    )
    assert (longer.step, longer.total_steps) == (1, 9)
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"c\.pt is not a readable training checkpoint"):
        create_trainer(*small_world, RECIPE, checkpoint=path, device="cpu")


def test_a_batch_is_a_function_of_its_step(small_world: World, whole_run: Trainer) -> None:
    fresh = create_trainer(*small_world, RECIPE, device="cpu")
    for step in (7, 0, 5):
        for one, other in zip(fresh.batch(step), whole_run.batch(step), strict=True):
            assert torch.equal(one, other)


def test_an_epoch_sees_every_image_once(small_world: World) -> None:
    images, _ = small_world
    labels = np.arange(len(images)) % 12
    trainer = create_trainer(images, labels, RECIPE, device="cpu")
    trainer.labels = np.arange(len(images))
    for epoch in (0, 1):
        first = epoch * trainer.steps_per_epoch
        seen = torch.cat([trainer.batch(first + place)[1] for place in range(trainer.steps_per_epoch)])
        assert sorted(seen.tolist()) == list(range(96))


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[object] = []

    def on_start(self, trainer: Trainer) -> None:
        self.events.append("start")

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        self.events.append(report)

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        self.events.append(f"epoch {epoch}")

    def on_end(self, trainer: Trainer) -> None:
        self.events.append("end")


def test_callbacks_see_steps_epochs_margin_and_end(small_world: World) -> None:
    recorder = Recorder()
    create_trainer(*small_world, RECIPE, callbacks=[recorder], device="cpu").fit()
    reports = [event for event in recorder.events if isinstance(event, StepReport)]
    assert [report.step for report in reports] == list(range(8))
    assert reports[0].margin_fraction == 0 and reports[-1].margin_fraction == 1
    assert all(0 <= report.accuracy <= 1 and 0 < report.target_degrees < 180 for report in reports)
    assert recorder.events[0] == "start" and recorder.events[-1] == "end"
    assert recorder.events[7] == "epoch 0"


def test_a_callback_may_stop_the_run_and_others_log_it(small_world: World, tmp_path: Path) -> None:
    called: list[int] = []
    watchers = [
        LogFile(tmp_path / "log" / "run.log", every=2),
        Every(2, lambda trainer: called.append(trainer.step)),
        Every(5, lambda trainer: trainer.stop()),
    ]
    trainer = create_trainer(*small_world, RECIPE, callbacks=watchers, device="cpu")
    trainer.fit()
    assert trainer.step == 5 and called == [2, 4]
    lines = [json.loads(line) for line in (tmp_path / "log" / "run.log").read_text().splitlines()]
    assert lines[0]["recipe"]["seed"] == 4 and lines[0]["classes"] == 12
    assert [line["step"] for line in lines[1:]] == [2, 4]


class Breaking(Callback):
    """Spoil one weight after the second step."""

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        if report.step == 1:
            with torch.no_grad():
                trainer.backbone.blocks[1].conv2.weight[0, 0, 0, 0] = float("nan")


class ExplodingGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("inf")


def test_what_is_not_finite_is_named(small_world: World) -> None:
    trainer = create_trainer(*small_world, RECIPE, callbacks=[Breaking()], device="cpu")
    with pytest.raises(NotFiniteError, match=r"step 2: the loss is nan; .*backbone\.blocks\.1\.conv2\.weight"):
        trainer.fit()
    exploding = create_trainer(*small_world, RECIPE, device="cpu")
    exploding.backbone.features.register_forward_hook(lambda _module, _inputs, output: ExplodingGradient.apply(output))
    before = [parameter.clone() for parameter in exploding.backbone.parameters()]
    with pytest.raises(NotFiniteError, match=r"step 0: .*gradient of backbone\.stem\.0\.weight"):
        exploding.fit()
    assert all(torch.equal(a, b) for a, b in zip(before, exploding.backbone.parameters(), strict=True))


def test_training_leaves_the_global_random_state_alone(small_world: World) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    create_trainer(*small_world, RECIPE, device="cpu").fit(until_step=2)
    assert torch.equal(torch.rand(3), expected)


def test_the_trainer_takes_any_module_and_any_loss(small_world: World) -> None:
    images, labels = small_world
    backbone = torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(48, 6))
    head = create_head("cosface", dimension=6, classes=12, scale=8.0)
    trainer = Trainer(
        backbone, head, images, labels, RECIPE.with_changes(max_steps=40, learning_rate=0.02), device="cpu"
    )
    history = trainer.fit()
    assert history.loss[-1] < history.loss[0]


def test_bad_input_is_named(small_world: World) -> None:
    images, labels = small_world
    with pytest.raises(ValueError, match=r"labels must be \(96,\)"):
        Trainer(torch.nn.Identity(), torch.nn.Identity(), images, labels[:5], RECIPE)
    with pytest.raises(ValueError, match="images must be uint8"):
        Trainer(torch.nn.Identity(), torch.nn.Identity(), images.astype(float), labels, RECIPE)
    with pytest.raises(ValueError, match=r"tiny: image_size must be a multiple of 16 .* found 40"):
        create_trainer(images[:, :40, :40], labels, RECIPE)
    with pytest.raises(ValueError, match="no known label"):
        create_trainer(images, np.full(96, -1), RECIPE)
    with pytest.raises(ValueError, match="unknown head"):
        create_trainer(images, labels, RECIPE.with_changes(head="arcfacee"))
