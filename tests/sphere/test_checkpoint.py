"""A packing put aside goes on to the same result; files not its own are refused; nothing half-written stays."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hyperface_lib.sphere import OBJECTIVES, OPTIMISERS, PackingRun, define_problem, pack, random_points, start_run
from hyperface_lib.sphere import watch as watching
from hyperface_lib.sphere.checkpoint import load_state, save_state

ROW_WISE = [name for name in OPTIMISERS if name != "lbfgs"]
GALLERY = random_points(30, 6, seed=3)


def run_of(objective: str, method: str) -> PackingRun:
    problem = define_problem(24, 6, gallery=GALLERY, alpha=0.5, seed=1, device="cpu")
    return start_run(problem, objective, method, total_steps=40, batch_size=8 if "minibatch" in method else None)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("method", ROW_WISE)
def test_a_restored_run_goes_on_bit_for_bit(objective: str, method: str) -> None:
    whole, first, second = (run_of(objective, method) for _ in range(3))
    whole.step(17)
    first.step(9)
    second.restore(first.state())
    second.step(8)
    assert torch.equal(whole.points, second.points)
    assert torch.equal(whole.best_points, second.best_points)
    assert [(r.step, r.objective, r.min_angle_degrees) for r in whole.history] == [
        (r.step, r.objective, r.min_angle_degrees) for r in second.history
    ]


class StoppedError(Exception):
    pass


def interrupted_after(steps: int):
    def callback(run: PackingRun) -> None:
        if run.steps == steps:
            raise StoppedError

    return callback


@pytest.mark.parametrize("gallery", [None, GALLERY.numpy()])
def test_pack_goes_on_after_an_interruption_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gallery: np.ndarray | None
) -> None:
    monkeypatch.setattr(watching, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    asked = {"n": 40, "dimension": 6, "gallery": gallery, "use_known_codes": False}
    asked |= {"method": "riemannian-adam", "max_steps": 60}
    whole = pack(**asked)
    kept = tmp_path / "packing.safetensors"
    with contextlib.suppress(StoppedError):
        pack(**asked, checkpoint=kept, callback=interrupted_after(25))
    assert [path.name for path in tmp_path.iterdir()] == ["packing.safetensors"]
    state = load_state(kept, _config_of(kept))
    assert state is not None and 20 <= len(state["history"]) < 30
    seen: list[int] = []
    again = pack(**asked, checkpoint=kept, callback=lambda run: seen.append(run.steps))
    assert min(seen) > 20
    np.testing.assert_array_equal(again.points, whole.points)
    assert len(again.history) == 60
    # A third time there is nothing left to do.
    seen.clear()
    finished = pack(**asked, checkpoint=kept, callback=lambda run: seen.append(1))
    np.testing.assert_array_equal(finished.points, again.points)
    assert seen == []


def _config_of(path: Path) -> dict:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["packing"])


def test_the_checkpoint_of_another_packing_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "packing.safetensors"
    asked = {"dimension": 6, "use_known_codes": False, "method": "riemannian-adam", "max_steps": 3}
    pack(20, **asked, checkpoint=kept)
    with pytest.raises(ValueError, match=r"n = 20, found 21 asked for now"):
        pack(21, **asked, checkpoint=kept)
    with pytest.raises(ValueError, match=r"seed = 0, found 5"):
        pack(20, **asked, seed=5, checkpoint=kept)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(64)])
def test_a_broken_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.safetensors: expected the checkpoint of a packing"):
        pack(20, 6, use_known_codes=False, method="riemannian-adam", max_steps=3, checkpoint=path)
    assert path.read_bytes() == content


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="a file of another kind"):
        load_state(path, {})


def test_a_failed_write_leaves_the_older_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "packing.safetensors"
    save_state(path, {"current": torch.ones(2, 2)}, {"n": 2})
    before = path.read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("hyperface_lib.sphere.checkpoint.save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_state(path, {"current": torch.zeros(2, 2)}, {"n": 2})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_states_of_other_shapes_are_refused() -> None:
    other = start_run(define_problem(25, 6, seed=1, device="cpu"), method="riemannian-adam")
    other.step()
    with pytest.raises(ValueError, match=r"shape \(24, 6\), found \(25, 6\)"):
        run_of("riesz", "riemannian-adam").restore(other.state())


def test_small_problems_say_that_they_keep_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps no checkpoint"):
        pack(8, 3, use_known_codes=False, checkpoint=tmp_path / "x.safetensors")
