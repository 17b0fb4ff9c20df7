"""The whole way of the generator, small: render, codec, latents, denoiser, export; and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperface_lib.build.generator import main
from hyperface_lib.synthesis import load_generator

SMALL = ["--people", "8", "--held-out-people", "2", "--codec-core-minutes", "0.02", "--workers", "1"]
ONE_PROCESS = ["--threads", "1", "--processes", "1"]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_every_stage_runs_and_a_stopped_build_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work, out = tmp_path / "work", tmp_path / "generator"
    build = ["--work", str(work), "--out", str(out), *SMALL, *ONE_PROCESS]
    build += ["--judge", f"net:{tmp_path}/not-there.safetensors"]  # as when the judge is still to be trained
    assert main([*build, "--core-hours", "1", "--minutes", "0.001"]) == 0
    assert "stopped in stage codec" in capsys.readouterr().err
    assert not out.exists(), "nothing is exported before it is trained"

    assert main([*build, "--core-hours", "0.0005"]) == 0
    told = capsys.readouterr().err
    assert "codec: going on from step" in told
    assert "export:" in told
    assert len(list(work.glob("sheet_*.png"))) == 1

    generator = load_generator(f"folder:{out}")
    vectors = np.eye(2, generator.dimension, dtype=np.float32)
    images = generator.sample(vectors, seeds=3, steps=1)
    assert images.shape == (2, 64, 64, 3)
    assert generator.metadata["steps"] >= 1

    before = generator.fingerprint
    assert main([*build, "--core-hours", "0.0005"]) == 0
    assert "latents: they are there" in capsys.readouterr().err
    assert load_generator(f"folder:{out}").fingerprint == before, "a finished build changes nothing"
