"""The study of cleaning: who is in it, what each row is trained on, what is stored, and that it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperface_lib.build import cleaning_study
from hyperface_lib.build.cleaning_settings import FULL, QUICK, SUB_CENTER, Row, StudySize, rows
from hyperface_lib.build.cleaning_study import World, examples, histogram, make_trainer, study, training_set
from hyperface_lib.evaluation import Suite
from hyperface_lib.faces import SPLITS, FaceWorld
from hyperface_lib.formats import PairSet
from hyperface_lib.losses import create_head
from hyperface_lib.training import Trainer
from hyperface_lib.training.label_noise import KINDS

SIZE = StudySize(identities=8, images_per_identity=10, steps=4, batch_size=16, pairs=60)
NAMES = {row.name: row for row in rows(SIZE)}


def stand_in() -> World:
    """Coarse patterns for people; the pictures of outsiders are each of another one."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(40, 216, (8 + SIZE.outsiders, 4, 4, 3)).repeat(16, axis=1).repeat(16, axis=2)
    patterns = np.concatenate([coarse[:8].repeat(10, axis=0), coarse[8:]])
    images = np.clip(patterns + generator.normal(0, 20, patterns.shape), 0, 255).astype(np.uint8)
    seeds = np.stack([np.arange(len(images)), 1000 + np.arange(len(images))], axis=1)
    return World(images, np.repeat(np.arange(8), 10), seeds)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = stand_in()
    numbers = np.arange(40).reshape(-1, 2)
    pairs = PairSet("patterns", made.images[:40], numbers[:, 0], numbers[:, 1], np.arange(20) % 2 == 0)
    monkeypatch.setattr(World, "render", classmethod(lambda *_, **__: made))
    monkeypatch.setattr(cleaning_study, "load_suite", lambda *_, **__: Suite.of(pairs))
    return made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each training saw."""
    seen: list[int] = []
    original = Trainer.fit

    def watched(self: Trainer, *values: Any) -> Any:
        seen.append(len(self.images))
        return original(self, *values)

    monkeypatch.setattr(Trainer, "fit", watched)
    return seen


def test_pictures_are_those_of_their_seeds_and_nobody_is_in_a_benchmark(tmp_path: Path) -> None:
    small = StudySize(identities=2, images_per_identity=4, noise_share=0.5)
    made = World.render(small, tmp_path, workers=1)
    assert small.outsiders == 2 and made.images.shape == (10, 64, 64, 3) and made.labels.tolist() == [0] * 4 + [1] * 4
    renderer = FaceWorld(64)
    for row in (0, 5, 9):
        who, how = made.seeds[row].tolist()
        again = renderer.render_batch([who], [how], profile="wide")[0]
        assert np.abs(again.astype(int) - made.images[row]).max() <= 1
    assert len(np.unique(made.seeds[:, 0])) == 4
    block = 10_000_000
    splits = {SPLITS[int(seed) // block - 1] for seed in made.seeds[:, 0]}
    assert splits == {"rendered"}


@pytest.mark.parametrize("size", [FULL, QUICK, SIZE])
def test_the_outsiders_are_as_many_as_the_noise_needs(size: StudySize) -> None:
    labels = np.repeat(np.arange(size.identities), size.images_per_identity)
    blank = World(np.zeros((len(labels) + size.outsiders, 1, 1, 3), np.uint8), labels, np.zeros((1, 2), np.int64))
    noise = blank.noisy(size, 0)
    assert (~noise.is_clean).sum() == round(0.38 * len(labels))
    assert (noise.kinds == KINDS.index("outsider")).sum() == size.outsiders


def test_the_table_has_the_rows_it_should_and_all_heads_can_be_made() -> None:
    table = rows(FULL)
    assert len({row.name for row in table}) == len(table)
    assert {70.0, 75.0, 80.0} <= {row.threshold_degrees for row in table}
    assert {row.options.get("sub_centers") for row in table} == {None, 3, 10}
    recipes = [FULL.recipe(row, 3).to_dict() for row in table]
    for row, recipe in zip(table, recipes, strict=True):
        if row.head != "small-loss-arcface":
            create_head(row.head, dimension=8, classes=3, **recipe["head_options"])
        assert recipe["head_options"]["scale"] == 16.0
        del recipe["head"], recipe["head_options"]
    assert all(recipe == recipes[0] for recipe in recipes)


def test_sets_are_clean_noisy_or_what_the_threshold_leaves(world: World) -> None:
    noise = world.noisy(SIZE, 0)
    angles = np.where(noise.is_clean, 40.0, 90.0)
    angles[np.flatnonzero(noise.is_clean)[:3]] = 72.0
    clean = training_set(NAMES["clean ArcFace"], world, noise, None)
    assert np.array_equal(clean.pictures, np.arange(80)) and not clean.kinds.any()
    noisy = training_set(NAMES[SUB_CENTER], world, noise, None)
    assert np.array_equal(noisy.pictures, noise.images) and noisy.report["noise_before"] == noise.noise_share
    for name, lost in (("cleaned at 70 degrees", 3), ("cleaned at 75 degrees", 0), ("cleaned at the valley", None)):
        cleaned = training_set(NAMES[name], world, noise, angles)
        if lost is not None:
            assert len(cleaned.pictures) == noise.is_clean.sum() - lost
        assert not cleaned.kinds.any() and cleaned.report["noise_after"] == 0


def test_all_rows_of_a_seed_start_from_the_same_backbone(world: World) -> None:
    first = [
        make_trainer(row, world.images[:80], world.labels, SIZE, 4).backbone.state_dict()["project.weight"]
        for row in (NAMES["ArcFace (K = 1)"], NAMES[SUB_CENTER], NAMES["small-loss weights"])
    ]
    assert torch.equal(first[0], first[1]) and torch.equal(first[0], first[2])
    head = make_trainer(NAMES["small-loss weights"], world.images[:80], world.labels, SIZE, 4).head
    assert (head.noise_share, head.ramp_steps, head.scale) == (0.38, 1, 16.0)


def test_rows_hold_what_the_notebook_reads(world: World, tmp_path: Path) -> None:
    wanted = [(NAMES[SUB_CENTER], 0), (NAMES["cleaned at 80 degrees"], 0), (NAMES["clean ArcFace"], 0)]
    kept = study(wanted, SIZE, tmp_path / "cleaning.json", tmp_path, workers=1)
    assert json.loads((tmp_path / "cleaning.json").read_text(encoding="utf-8")) == json.loads(json.dumps(kept))
    noisy, cleaned, clean = (kept["rows"][row.key(seed)] for row, seed in wanted)
    counts = {kind: sum(bins) for kind, bins in noisy["histogram"].items()}
    assert counts == {"clean": 50, "swapped": 15, "outsider": 15}
    assert sum(clean["histogram"]["clean"]) == 80
    assert noisy["average"] == pytest.approx(np.mean(list(noisy["accuracy"].values())), abs=1e-4)
    shown = noisy["examples"]
    total = sum(shown[kind]["count"] for kind in ("easy clean", "hard clean", "hard noisy", "easy noisy"))
    assert total == 80 and "examples" not in cleaned
    edge = int(80 / cleaning_study.BIN_DEGREES)
    below = {kind: sum(bins[:edge]) for kind, bins in noisy["histogram"].items()}
    assert cleaned["cleaning"]["kept"] == sum(below.values()) == sum(map(sum, cleaned["histogram"].values()))
    assert cleaned["cleaning"]["noise_after"] == pytest.approx(1 - below["clean"] / sum(below.values()), abs=1e-4)


def test_an_interrupted_study_goes_on_and_cleaned_rows_find_their_angles(
    world: World, trained: list[int], tmp_path: Path
) -> None:
    out = tmp_path / "cleaning.json"
    first = study([(NAMES[SUB_CENTER], 0)], SIZE, out, tmp_path, workers=1)
    wanted = [(NAMES["cleaned at 80 degrees"], 0), (NAMES[SUB_CENTER], 0)]
    kept = study(wanted, SIZE, out, tmp_path, workers=1)
    assert trained[0] == 80 and len(trained) == 2
    assert kept["rows"][wanted[1][0].key(0)] == first["rows"][wanted[1][0].key(0)]
    for file in tmp_path.glob("angles-*.npy"):
        file.unlink()
    study([*wanted, (NAMES["cleaned at the valley"], 0)], SIZE, out, tmp_path, workers=1)
    assert len(trained) == 4 and trained[2] == 80


def test_a_study_of_another_size_is_refused(world: World, tmp_path: Path) -> None:
    out = tmp_path / "cleaning.json"
    study([(NAMES["clean ArcFace"], 0)], SIZE, out, tmp_path, workers=1)
    with pytest.raises(ValueError, match="another size or recipe"):
        study([(NAMES["clean ArcFace"], 0)], replace(SIZE, steps=5), out, tmp_path, workers=1)


def test_examples_are_spread_over_each_kind_and_say_who_is_shown(world: World) -> None:
    noise = world.noisy(SIZE, 0)
    angles = np.random.default_rng(0).uniform(40, 110, 80)
    shown = examples(angles, world, noise, threshold=75.0)
    for kind, inside in (("hard clean", (75, 110)), ("hard noisy", (40, 75))):
        found = [sample["angle_degrees"] for sample in shown[kind]["samples"]]
        assert found == sorted(found) and inside[0] <= found[0] and found[-1] <= inside[1] + 0.1
        assert len(found) == min(cleaning_study.EXAMPLES, shown[kind]["count"])
    for sample in shown["easy clean"]["samples"]:
        assert sample["kind"] == "clean" and sample["shown"][0] // 10 == sample["label"][0] // 10
    for sample in shown["easy noisy"]["samples"] + shown["hard noisy"]["samples"]:
        assert sample["shown"][0] // 10 != sample["label"][0] // 10
        assert (sample["kind"] == "outsider") == (sample["shown"][0] >= 80)


def test_histograms_count_every_angle_once() -> None:
    counts = histogram(np.array([0.0, 2.4, 2.5, 90.0, 180.0]), np.array([0, 0, 1, 2, 0]))
    assert {kind: np.flatnonzero(bins).tolist() for kind, bins in counts.items()} == {
        "clean": [0, 71], "swapped": [1], "outsider": [36],
    }  # fmt: skip
    assert counts["clean"][0] == 2 and all(len(bins) == 72 for bins in counts.values())


def test_a_row_is_known_by_name_and_seed() -> None:
    assert Row("any").key(2) == "any, seed 2"
