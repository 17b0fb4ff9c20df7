"""A run killed without warning goes on as if nothing had happened, to the last bit; other files are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head
from hyperface_lib.training import Every, LogFile, Recipe, Trainer, Verification, create_trainer
from hyperface_lib.training.checkpoints import read_checkpoint, write_checkpoint

from .conftest import people

STEPS = 14
RECIPE = Recipe(
    max_steps=STEPS,
    batch_size=16,
    warmup_steps=3,
    precision="float16",
    seed=4,
    accumulation=2,
    ema_decay=0.8,
)


def measure(network: torch.nn.Module) -> float:
    return float(network.state_dict()["3.weight"].double().pow(2).sum())


def make_run(**options: Any) -> Trainer:
    """A quick run that has all that a run can have: float16, dropout, running statistics, an average, a head's own."""
    torch.manual_seed(2)
    backbone = torch.nn.Sequential(
        torch.nn.AvgPool2d(8),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(192, 8),
        torch.nn.BatchNorm1d(8),
    )
    watcher = Verification(measure, every_steps=3, larger_is_better=False)
    head = create_head("adaface", dimension=8, classes=6, scale=16.0)
    trainer = Trainer(backbone, head, *people(6, 8), RECIPE, [watcher], device="cpu", **options)
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**6, growth_interval=3)
    if trainer.checkpoint is not None and trainer.checkpoint.exists():
        trainer.scaler.load_state_dict(read_checkpoint(trainer.checkpoint)["scaler"])
    return trainer


def everything(trainer: Trainer) -> dict[str, Any]:
    """What a run has come to, as plain values that compare to the bit."""
    watcher = trainer.callbacks[0]
    assert isinstance(watcher, Verification) and trainer.average is not None and trainer.scaler is not None
    weights = [trainer.backbone, trainer.head, trainer.average.network]
    return {
        **{key: value for key, value in vars(trainer.history).items() if key != "seconds"},
        "verification": [list(pair) for pair in trainer.history.verification],
        "weights": [[tensor.double().sum().item() for tensor in one.state_dict().values()] for one in weights],
        "best": [watcher.best_step, watcher.best_value],
        "best_weights": [tensor.double().sum().item() for tensor in watcher.best_weights.values()],
        "scale": trainer.scaler.state_dict(),
        "optimiser": [
            value.double().sum().item()
            for state in trainer.optimiser.state_dict()["state"].values()
            for value in state.values()
        ],
    }


CHILD = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {root!r})
from tests.training.test_resume import Every, make_run
folder = Path({folder!r})
def wait_to_be_killed(trainer):
    if trainer.step == 8:
        (folder / "reached").write_text("8")
        time.sleep(600)
trainer = make_run(checkpoint=folder / "c.pt", checkpoint_steps=5)
trainer.callbacks.append(Every(1, wait_to_be_killed))
trainer.fit()
"""


def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(root=root, folder=str(tmp_path))], cwd=root)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        undisturbed = make_run()
        undisturbed.fit()
        deadline = time.monotonic() + 120
        while not (tmp_path / "reached").exists() and time.monotonic() < deadline:
            assert child.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
        # It had done 8 steps and written the fifth.
        went_on = make_run(checkpoint=tmp_path / "c.pt")
        assert went_on.step == 5
        went_on.fit()
    finally:
        child.kill()
        child.wait()
        torch.set_num_threads(threads)
    assert len(went_on.history.loss) == STEPS and np.isfinite(went_on.history.loss).all()
    assert json.dumps(everything(went_on)) == json.dumps(everything(undisturbed))
    # What is compared did something: the scale has grown, the best is not the last, the average is not the network.
    found = everything(undisturbed)
    assert found["scale"]["scale"] > 2.0**6 and len(found["verification"]) == 5
    assert found["weights"][0] != found["weights"][2]


def test_checkpoints_come_by_steps_and_by_the_clock(tmp_path: Path) -> None:
    images, labels = people(6, 8)
    recipe = plain().with_changes(max_steps=12)
    seen: list[int] = []
    path = tmp_path / "c.pt"

    def look(trainer: Trainer) -> None:
        if path.exists():
            seen.append(read_checkpoint(path)["step"])

    create_trainer(images, labels, recipe, [Every(1, look)], checkpoint=path, device="cpu", checkpoint_steps=4).fit(
        until_step=10
    )
    assert seen == [4, 4, 4, 4, 8, 8] and read_checkpoint(path)["step"] == 10


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    images, labels = people(6, 8)
    path = tmp_path / "c.pt"
    create_trainer(images, labels, plain(), checkpoint=path, device="cpu").fit(until_step=2)
    return path, read_checkpoint(path)


def plain() -> Recipe:
    return Recipe(architecture="tiny", dimension=8, max_steps=4, batch_size=16, precision="float32")


def go_on(path: Path, recipe: Recipe) -> Trainer:
    return create_trainer(*people(6, 8), recipe, checkpoint=path, device="cpu")


def test_a_checkpoint_from_before_the_newer_options_goes_on(stored: tuple[Path, dict[str, Any]]) -> None:
    path, state = stored
    for key in ("format", "callbacks"):
        del state[key]
    del state["history"]["verification"]
    write_checkpoint(path, state)
    trainer = go_on(path, plain())
    assert trainer.step == 2
    whole = create_trainer(*people(6, 8), plain(), device="cpu").fit().loss
    assert trainer.fit().loss == whole
    path.unlink()
    write_checkpoint(path, state)
    with pytest.raises(ValueError, match=r"c\.pt belongs to a run with other settings \(ema_decay\)"):
        go_on(path, plain().with_changes(ema_decay=0.9))


def test_checkpoints_that_cannot_be_read_say_so_in_one_sentence(stored: tuple[Path, dict[str, Any]]) -> None:
    path, state = stored
    for change, message in (
        ({"format": 99}, r"c\.pt is of format 99, this version of the kit reads up to 2"),
        ({"recipe": {**state["recipe"], "hue": 1}}, r"c\.pt holds a recipe that this version .* unknown recipe values"),
        ({"head": {}}, r"c\.pt does not fit this run's networks .*Missing key.*; it may come from another version"),
    ):
        write_checkpoint(path, state | change)
        with pytest.raises(ValueError, match=message) as found:
            go_on(path, plain())
        assert "\n" not in str(found.value)
    write_checkpoint(path, {"step": 1})
    with pytest.raises(ValueError, match=r"it has no recipe, image_count, backbone"):
        go_on(path, plain())


def test_a_log_goes_on_too(stored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, _ = stored
    trainer = go_on(path, plain())
    trainer.callbacks.append(LogFile(tmp_path / "run.log", every=1))
    trainer.fit()
    lines = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 4] and lines[0]["processes"] == 1
