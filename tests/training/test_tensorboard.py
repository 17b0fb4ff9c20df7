"""What TensorBoard would show is what happened, also of a run that went on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.training import Recipe, TensorBoardLog, Verification, create_trainer

World = tuple[np.ndarray, np.ndarray]
RECIPE = Recipe(architecture="tiny", dimension=6, max_steps=7, batch_size=32, precision="float32", seed=1)


def test_the_event_files_hold_the_curves(small_world: World, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log, checkpoint = tmp_path / "log", tmp_path / "c.pt"

    def run(until: int | None) -> list[float]:
        values = iter([0.5, 0.75, 0.25, 0.125])
        watchers = [Verification(lambda network: next(values), every_steps=3), TensorBoardLog(log, every=2)]
        trainer = create_trainer(*small_world, RECIPE, watchers, checkpoint=checkpoint, device="cpu")
        return trainer.fit(until).loss

    run(4)
    losses = run(None)
    events = accumulator.EventAccumulator(str(log)).Reload()
    found = [(event.step, event.value) for event in events.Scalars("training/loss")]
    assert found == [(step, pytest.approx(losses[step - 1], rel=1e-6)) for step in (2, 4, 6)]
    assert {"training/learning_rate", "training/accuracy", "training/target_degrees"} <= set(events.Tags()["scalars"])
    assert [(event.step, event.value) for event in events.Scalars("verification")] == [(3, 0.5), (6, 0.5), (7, 0.75)]
    (text,) = events.Tags()["tensors"]
    assert b"learning_rate" in events.Tensors(text)[0].tensor_proto.string_val[0]


def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="needs the package tensorboard: pip install tensorboard"):
        TensorBoardLog(tmp_path)
    monkeypatch.undo()
    pytest.importorskip("tensorboard")
    with pytest.raises(ValueError, match="every 1 or more steps, found 0"):
        TensorBoardLog(tmp_path, every=0)
