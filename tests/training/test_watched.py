"""A watched run is the same run, measured; an interrupted one ends the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.training import NO_AUGMENTATION, Recipe, create_trainer, train_recogniser
from hyperface_lib.training.watched import checkpoint_for, train_watched

RECIPE = Recipe(
    dimension=16, max_steps=6, batch_size=6, warmup_steps=2, augmentation=NO_AUGMENTATION, precision="float32"
)


def three_colours() -> tuple[np.ndarray, np.ndarray]:
    """Three classes that a colour tells apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    images = rng.integers(0, 60, (12, 64, 64, 3), dtype=np.uint8)
    images[np.arange(12), :, :, labels] += 150
    return images, labels


def test_watching_changes_nothing_and_sees_the_start_and_the_end() -> None:
    images, labels = three_colours()
    seen: list[float] = []

    def measure(backbone: torch.nn.Module) -> float:
        seen.append(float(backbone.state_dict()["stem.0.weight"].abs().sum()))
        return seen[-1]

    watched = train_watched(images, labels, RECIPE, measure, times=2, device="cpu")
    plain = train_recogniser(images, labels, RECIPE, device="cpu")
    assert watched.recogniser.history.loss == plain.history.loss
    assert [step for step, _ in watched.measures] == [0, 3, 6]
    assert [value for _, value in watched.measures] == seen and seen[0] != seen[-1]
    assert watched.after.target_degrees.mean() < watched.before.target_degrees.mean() - 5


def test_a_run_that_goes_on_ends_the_same(tmp_path: Path) -> None:
    images, labels = three_colours()
    whole = train_watched(images, labels, RECIPE, device="cpu")
    place = tmp_path / "state.pt"
    create_trainer(images, labels, RECIPE, checkpoint=place, device="cpu").fit(until_step=3)
    parts = train_watched(images, labels, RECIPE, lambda backbone: 0.0, checkpoint=place, device="cpu")
    assert parts.recogniser.history.loss == whole.recogniser.history.loss
    assert np.array_equal(parts.before.target_degrees, whole.before.target_degrees)
    assert parts.measures[0][0] > 3


def test_another_run_has_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_CACHE", str(tmp_path))
    images, labels = three_colours()
    place = checkpoint_for(images, labels, RECIPE)
    assert place.is_relative_to(tmp_path) and place == checkpoint_for(images.copy(), list(labels), RECIPE)
    changed = images.copy()
    changed[3, 5, 5, 0] ^= 1
    others = [
        checkpoint_for(changed, labels, RECIPE),
        checkpoint_for(images, labels[::-1], RECIPE),
        checkpoint_for(images, labels, RECIPE.with_changes(seed=1)),
    ]
    assert len({place, *others}) == 4
