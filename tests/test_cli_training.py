"""`hyperface train`: where its recipe comes from, what it reads, and that it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hyperface_lib.cli import app
from hyperface_lib.embedding import load_embedder
from hyperface_lib.formats import convert
from hyperface_lib.synthesis.dataset_layouts import layout_named

BASE = "max_steps: 2\nbatch_size: 8\narchitecture: tiny\ndimension: 16\n"


def train(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["train", *(str(one) for one in arguments), "--device", "cpu"])
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
    return result.output


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 4, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def faces(images: np.ndarray, tmp_path: Path) -> Path:
    for person, samples in enumerate(images):
        (tmp_path / "faces" / str(person)).mkdir(parents=True)
        for number, pixels in enumerate(samples):
            Image.fromarray(pixels).save(tmp_path / "faces" / str(person) / f"{number}.png")
    return tmp_path / "faces"


def result_of(tmp_path: Path, faces: Path, *options: object, text: str = BASE) -> dict[str, Any]:
    (tmp_path / "recipe.yaml").write_text(text)
    out = tmp_path / "net.safetensors"
    train(faces, out, "--recipe", tmp_path / "recipe.yaml", "--json", tmp_path / "t.json", *options)
    return json.loads((tmp_path / "t.json").read_text())


def test_options_win_over_the_recipe_and_a_head_brings_its_own_defaults(tmp_path: Path, faces: Path) -> None:
    found = result_of(tmp_path, faces, "--head", "cosface", "--head-option", "scale=8", "--accumulation", 2)
    assert found["head_options"] == {"scale": 8} and found["accumulation"] == 2 and found["seed"] == 0
    assert load_embedder(f"net:{tmp_path / 'net.safetensors'}").metadata["recipe"]["head"] == "cosface"
    given = BASE + "head: cosface\nhead_options: {margin_cosine: 0.2}\nseed: 5\n"
    found = result_of(tmp_path, faces, "--learning-rate", 0.5, text=given)
    assert (found["head_options"], found["learning_rate"], found["seed"]) == ({"margin_cosine": 0.2}, 0.5, 5)
    assert result_of(tmp_path, faces, "--head", "softmax", text=given)["head_options"] == {}
    assert result_of(tmp_path, faces, "--head-option", "margin_radians=0.1")["head_options"] == {
        "scale": 16.0,
        "margin_radians": 0.1,
    }
    assert result_of(tmp_path, faces, "--preset", "quick")["head_options"]["margin_radians"] == 0.2
    assert "NAME=VALUE" in train(faces, tmp_path / "x.safetensors", "--head-option", "scale", code=2)


def test_shards_records_and_folders_give_the_same_network(tmp_path: Path, faces: Path, images: np.ndarray) -> None:
    files = layout_named("shards")
    for part in files.parts(4):
        files.write(tmp_path / "shards", part, images[part.start : part.stop])
    convert(faces, tmp_path / "train.rec")
    (tmp_path / "recipe.yaml").write_text(BASE)
    written = []
    places = [(faces, 1), (tmp_path / "shards", 1), (tmp_path / "shards", 0)]
    places += [(tmp_path / "train.rec", 1), (tmp_path / "train.rec", 0)]
    for number, (folder, memory) in enumerate(places):
        out = tmp_path / f"{number}.safetensors"
        said = train(folder, out, "--recipe", tmp_path / "recipe.yaml", "--memory-gigabytes", memory)
        written.append(out.read_bytes())
        assert "augmentation.low_resolution" in said and "processes" in said  # the effective configuration
    assert all(one == written[0] for one in written)


def test_a_configuration_of_arcface_torch(tmp_path: Path, faces: Path) -> None:
    config = tmp_path / "ms1mv3.py"
    config.write_text(
        'config = edict()\nconfig.network = "r18"\nconfig.batch_size = 8\nconfig.num_epoch = 1\nconfig.colour = 1\n'
    )
    options = ("--config", config, "--architecture", "tiny", "--epochs", 1)
    said = train(faces, tmp_path / "net.safetensors", *options, "--json", tmp_path / "t.json")
    found = json.loads((tmp_path / "t.json").read_text())
    assert "colour: unknown, not taken over" in said and found["optimiser"] == "sgd" and found["seed"] == 2048
    assert found["head_options"]["gradient"] == "detached"
    assert "both --preset and --config" in train(faces, tmp_path / "x", *options, "--preset", "quick", code=2)
    config.write_text("import os\nos.remove('x')\n")
    assert "line 2" in train(faces, tmp_path / "x", *options, code=2)


def test_it_logs_and_goes_on(tmp_path: Path, faces: Path) -> None:
    pytest.importorskip("tensorboard")
    options = ("--checkpoint", tmp_path / "c.pt", "--log", tmp_path / "log")
    result_of(tmp_path, faces, *options)
    assert len(list((tmp_path / "log").glob("events.out.tfevents.*"))) == 1
    first = (tmp_path / "net.safetensors").read_bytes()
    result_of(tmp_path, faces, *options)
    assert (tmp_path / "net.safetensors").read_bytes() == first
    said = train(faces, tmp_path / "x.safetensors", "--checkpoint", tmp_path / "c.pt", code=2)
    assert "belongs to a run with other settings" in said
