from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.build import recognisers
from hyperface_lib.build.recognisers import Plan, best_accuracy, build, effective_dimension, render_set
from hyperface_lib.embedding import create_backbone, load_recogniser
from hyperface_lib.training import Recipe


class StandInWorld:
    """Renders a pattern that is a function of both seeds, and counts what it was asked for."""

    calls = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def render_batch(self, who: list[int], how: list[int], workers: int | None = None, profile: str = "") -> np.ndarray:
        StandInWorld.calls += len(who)
        images = []
        for identity, nuisance in zip(who, how, strict=True):
            pattern = np.random.default_rng(identity).integers(0, 200, (4, 4, 3)).repeat(16, 0).repeat(16, 1)
            images.append(pattern + np.random.default_rng(nuisance).integers(0, 40, (64, 64, 3)))
        return np.array(images, np.uint8)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.faces.FaceWorld", StandInWorld)
    monkeypatch.setattr(StandInWorld, "calls", 0)


def test_sets_continue_and_beginnings_of_larger_sets_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognisers, "IDENTITIES_PER_CHUNK", 2)
    whole, labels = render_set(tmp_path / "a", "set", [5, 6, 7, 8, 9], 3)
    assert whole.shape == (15, 64, 64, 3) and labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    render = StandInWorld.render_batch

    def failing(self: StandInWorld, who: list[int], *arguments: object, **options: object) -> np.ndarray:
        if 7 in who:
            raise KeyboardInterrupt
        return render(self, who, *arguments, **options)

    monkeypatch.setattr(StandInWorld, "render_batch", failing)
    with pytest.raises(KeyboardInterrupt):
        render_set(tmp_path / "b", "set", [5, 6, 7, 8, 9], 3)
    first, _ = render_set(tmp_path / "b", "set", [5, 6], 3)
    assert np.array_equal(first, whole[:6])
    monkeypatch.setattr(StandInWorld, "render_batch", render)
    StandInWorld.calls = 0
    again, _ = render_set(tmp_path / "b", "set", [5, 6, 7, 8, 9], 3)
    assert np.array_equal(again, whole) and StandInWorld.calls == 9
    with pytest.raises(ValueError, match="remove it to start afresh"):
        render_set(tmp_path / "b", "set", [5, 6, 7, 8, 9], 2)


def test_an_interrupted_build_ends_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognisers, "validation_sets", partial(recognisers.validation_sets, identities=10))
    recipe = Recipe(architecture="tiny", dimension=16, epochs=2, batch_size=16)
    plan = Plan("reference", "reference", 8, 8, recipe, ship_centers=True)
    out = tmp_path / "data" / "reference.safetensors"
    assert build(plan, tmp_path / "work", out, minutes=0.0, progress=False) is None
    assert not out.exists()
    rendered = StandInWorld.calls
    assert build(plan, tmp_path / "work", out, progress=False) == out
    assert StandInWorld.calls == rendered
    recogniser = load_recogniser(out)
    assert recogniser.class_centers.shape == (8, 16)
    assert recogniser.metadata["identities"] == 8 and recogniser.metadata["steps"] == 8
    assert recogniser.metadata["validation"]["free"]["best_accuracy"] > 0.5
    assert (tmp_path / "work" / "reference.log").read_text().count("validation") == 1


def test_the_shipped_file_keeps_under_three_megabytes_with_all_the_centres_that_fit(tmp_path: Path) -> None:
    backbone = create_backbone("small")
    count = recognisers.shippable_centers(backbone, 7000, 128)
    assert 3000 < count < 7000
    path = recognisers.save_recogniser(tmp_path / "r.safetensors", backbone, torch.randn(count, 128), {"x": "y" * 5000})
    assert 2_900_000 < path.stat().st_size < 3_000_000


def test_best_accuracy_and_effective_dimension_on_known_cases() -> None:
    assert best_accuracy(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 1.0
    assert best_accuracy(np.array([0.1, 0.9]), np.array([0.2, 0.0])) == 0.75
    generator = np.random.default_rng(0)
    flat = generator.normal(size=(20000, 10))
    assert effective_dimension(flat)["effective_dimension"] == pytest.approx(10, abs=0.1)
    line = np.outer(generator.normal(size=100), np.ones(5))
    assert effective_dimension(line) == {"effective_dimension": 1.0, "dimensions_for_90_percent": 1}
