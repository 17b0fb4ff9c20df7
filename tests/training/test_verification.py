"""Verification sees the right network at the right steps, keeps the best, and is in the checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.training import Recipe, Verification, create_trainer, train_recogniser

World = tuple[np.ndarray, np.ndarray]
RECIPE = Recipe(architecture="tiny", dimension=6, max_steps=7, batch_size=32, precision="float32", seed=1)


def weight_of(network: torch.nn.Module) -> float:
    return float(network.state_dict()["project.weight"].double().sum())


class Scripted:
    """A measure whose values are given; it keeps what the network was."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.seen: list[float] = []

    def __call__(self, network: torch.nn.Module) -> float:
        assert not network.training
        torch.rand(3)  # a measure may draw
        self.seen.append(weight_of(network))
        return self.values[len(self.seen) - 1]


def test_values_steps_and_the_best_weights(small_world: World) -> None:
    measure = Scripted(0.5, float("nan"), 0.9, 0.9)
    watcher = Verification(measure, every_steps=2)
    trained = train_recogniser(*small_world, RECIPE, [watcher], device="cpu")
    steps, values = zip(*trained.history.verification, strict=True)
    assert steps == (2, 4, 6, 7) and values[0] == 0.5 and np.isnan(values[1]) and values[2:] == (0.9, 0.9)
    assert (watcher.best_step, watcher.best_value) == (6, 0.9)
    network = trained.backbone
    assert weight_of(network) == measure.seen[3] != measure.seen[2]
    watcher.restore_best(network)
    assert weight_of(network) == measure.seen[2]
    plain = train_recogniser(*small_world, RECIPE, device="cpu")
    assert plain.history.loss == trained.history.loss and plain.history.verification == []


def test_by_epochs_and_smaller_is_better(small_world: World) -> None:
    watcher = Verification(Scripted(0.3, 0.2, 0.4), every_epochs=1, larger_is_better=False)
    trained = train_recogniser(*small_world, RECIPE, [watcher], device="cpu")  # 3 steps an epoch
    assert [step for step, _ in trained.history.verification] == [3, 6, 7]
    assert (watcher.best_step, watcher.best_value) == (6, 0.2)


def test_an_averaged_network_is_the_one_measured_and_saved(small_world: World) -> None:
    measure = Scripted(1.0)
    recipe = RECIPE.with_changes(ema_decay=0.5)
    trainer = create_trainer(*small_world, recipe, [Verification(measure, every_steps=7)], device="cpu")
    trainer.fit()
    assert measure.seen == [weight_of(trainer.network)] and weight_of(trainer.backbone) != measure.seen[0]
    trained = train_recogniser(*small_world, recipe, device="cpu")
    assert weight_of(trained.backbone) == measure.seen[0]


def test_a_run_that_goes_on_remembers_its_best(small_world: World, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    first = Verification(Scripted(0.9), every_steps=2)
    create_trainer(*small_world, RECIPE, [first], checkpoint=path, device="cpu").fit(until_step=3)
    second = Verification(Scripted(0.1, 0.2, 0.3), every_steps=2)
    trainer = create_trainer(*small_world, RECIPE, [second], checkpoint=path, device="cpu")
    trainer.fit()
    assert trainer.history.verification == [(2, 0.9), (4, 0.1), (6, 0.2), (7, 0.3)]
    assert (second.best_step, second.best_value) == (2, 0.9)
    for name, tensor in first.best_weights.items():
        assert torch.equal(tensor, second.best_weights[name])
    # Finished, and started once more: nothing is measured again.
    third = Verification(Scripted(), every_steps=2)
    again = create_trainer(*small_world, RECIPE, [third], checkpoint=path, device="cpu")
    again.fit()
    assert again.history.verification == trainer.history.verification and third.best_step == 2


def test_bad_settings_are_named(small_world: World) -> None:
    with pytest.raises(ValueError, match="one of every_steps and every_epochs"):
        Verification(Scripted())
    with pytest.raises(ValueError, match="every 1 or more, found 0"):
        Verification(Scripted(), every_steps=0)
    with pytest.raises(ValueError, match="no best weights yet"):
        Verification(Scripted(), every_steps=1).restore_best(torch.nn.Identity())
