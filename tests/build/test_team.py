"""Processes that share a batch: together they do what one does, stop alike, and fail together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hyperface_lib.build.team import Team, run_team

# A file of its own: the members of a team are new processes, which import the work by its name.
SCRIPT = """
import sys
import torch
from hyperface_lib.build.generator_denoiser import DenoiserData, DenoiserRecipe, DenoiserTrainer
from hyperface_lib.build.team import run_team
from hyperface_lib.build.training_budget import StepBudget
from hyperface_lib.synthesis.diffusers_parts import DenoiserShape, create_denoiser


def train(team, path):
    torch.manual_seed(0)
    source = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(6, 4, 8, generator=source), dim=2)
    data = DenoiserData(
        torch.randn(24, 4, 4, 4, generator=source), torch.randn(24, 3, generator=source), vectors
    )
    shape = DenoiserShape(widths=(32, 32), embedding_width=32, head_width=16)
    denoiser = create_denoiser(13, latent_channels=4, latent_size=4, shape=shape)
    trainer = DenoiserTrainer(
        denoiser, data, StepBudget(4), DenoiserRecipe(batch_size=8, warm_up_steps=2), precision="float32", team=team
    )
    for _ in range(4):
        trainer.step()
        members, = team.total([1.0])
        assert members == team.size
    if team.rank == 0:
        torch.save(trainer.state()["average"], path)


def fail(team, path):
    if team.rank == 1:
        raise ValueError("the second member fails")
    team.total([1.0])


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_team({"train": train, "fail": fail}[sys.argv[1]], int(sys.argv[2]), (sys.argv[3],))
"""


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "work.py"
    script.write_text(SCRIPT, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_two_processes_make_the_steps_of_one(tmp_path: Path) -> None:
    weights = []
    for size in ("1", "2"):
        done = run_script(tmp_path, "train", size, str(tmp_path / f"{size}.pt"))
        assert done.returncode == 0, done.stderr
        weights.append(torch.load(tmp_path / f"{size}.pt", weights_only=True))
    alone, together = weights
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, atol=2e-5, rtol=1e-4, msg=name)


def test_a_member_that_fails_ends_the_whole_team(tmp_path: Path) -> None:
    done = run_script(tmp_path, "fail", "2", "unused")
    assert done.returncode != 0
    assert "the second member fails" in done.stderr


def test_rows_are_shared_once_each() -> None:
    shares = [list(range(12))[Team(rank, 4).rows(12)] for rank in range(4)]
    assert sorted(row for share in shares for row in share) == list(range(12))
    assert {len(share) for share in shares} == {3}
    with pytest.raises(ValueError, match="multiple of the 4 processes, found 10 rows"):
        Team(0, 4).rows(10)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        run_team(print, 0, ())
