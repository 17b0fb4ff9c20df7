"""The comparison of losses on noise instead of faces: what it trains, keeps, resumes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperface_lib.build import losses_study
from hyperface_lib.build.losses_settings import SCALE, LossSetting, field_settings, settings
from hyperface_lib.build.losses_study import QUICK, study
from hyperface_lib.evaluation import Suite
from hyperface_lib.formats import PairSet
from hyperface_lib.losses import create_head
from hyperface_lib.training import NotFiniteError

TWO = [LossSetting("norm-softmax", "norm-softmax", {"scale": 16.0}), LossSetting("arcface", "arcface", {"scale": 16.0})]


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Noise for pictures and for a benchmark; the list tells which heads were trained."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(8), 10)
    numbers = np.arange(40).reshape(-1, 2)
    pairs = PairSet("noise", images[:40], numbers[:, 0], numbers[:, 1], np.arange(20) % 2 == 0)
    monkeypatch.setattr(losses_study, "training_set", lambda *_, **__: (images, labels))
    monkeypatch.setattr(losses_study, "load_suite", lambda *_, **__: Suite.of(pairs))
    trained: list[str] = []
    original = losses_study.train_recogniser

    def watched(images: Any, labels: Any, recipe: Any) -> Any:
        trained.append(recipe.head)
        return original(images, labels, recipe.with_changes(architecture="tiny", max_steps=2))

    monkeypatch.setattr(losses_study, "train_recogniser", watched)
    return trained


def run(out: Path, wanted: list[tuple[LossSetting, int]], **changes: Any) -> dict[str, Any]:
    return study(wanted, changes.get("size", QUICK), out, out.parent, workers=1)


def test_rows_hold_what_the_notebook_reads(tmp_path: Path, stand_ins: list[str]) -> None:
    kept = run(tmp_path / "losses.json", [(TWO[1], 0)])
    (row,) = kept["rows"].values()
    assert {"label", "head", "group", "options", "seed", "accuracy", "average", "seconds"} <= set(row)
    assert row["average"] == pytest.approx(np.mean(list(row["accuracy"].values())))
    assert json.loads((tmp_path / "losses.json").read_text(encoding="utf-8")) == kept


def test_rows_that_are_there_are_kept(tmp_path: Path, stand_ins: list[str]) -> None:
    out = tmp_path / "losses.json"
    first = run(out, [(TWO[0], 0)])
    kept = run(out, [(TWO[0], 0), (TWO[1], 0)])
    assert stand_ins == ["norm-softmax", "arcface"]
    assert kept["rows"][TWO[0].key(0)] == first["rows"][TWO[0].key(0)]


def test_a_study_of_another_size_is_refused(tmp_path: Path, stand_ins: list[str]) -> None:
    out = tmp_path / "losses.json"
    run(out, [(TWO[0], 0)])
    with pytest.raises(ValueError, match="another size"):
        run(out, [(TWO[0], 0)], size=losses_study.StudySize())


def test_a_run_that_diverges_leaves_its_reason(
    tmp_path: Path, stand_ins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any) -> Any:
        raise NotFiniteError("step 3: the loss is nan")

    monkeypatch.setattr(losses_study, "train_recogniser", diverge)
    (row,) = run(tmp_path / "losses.json", [(TWO[0], 0)])["rows"].values()
    assert row["failure"] == "step 3: the loss is nan"
    assert "accuracy" not in row


def test_only_head_and_seed_differ_between_recipes_and_for_tuples_the_kind_of_batch() -> None:
    every = list(settings(every=True))
    recipes = [losses_study.StudySize().recipe(setting, 5).to_dict() for setting in every]
    for setting, recipe in zip(every, recipes, strict=True):
        recipe.pop("head")
        recipe.pop("head_options")
        assert recipe.pop("images_per_identity", 0) == (4 if setting.group == "tuples" else 0)
    assert all(recipe == recipes[0] for recipe in recipes)


def test_every_setting_builds_and_is_named_once() -> None:
    every = list(settings(every=True))
    keys = [setting.key(0) for setting in every]
    assert len(set(keys)) == len(keys)
    for setting in every:
        create_head(setting.head, dimension=8, classes=4, **setting.options)


def test_the_eight_share_one_scale() -> None:
    chosen = field_settings()
    assert len(chosen) == 8
    assert {setting.options["scale"] for setting in chosen if setting.head != "softmax"} == {SCALE}
