"""The commands, through typer's own runner: tables, JSON, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from hyperface_lib import __version__
from hyperface_lib.cli import app
from hyperface_lib.formats import PairSet
from hyperface_lib.runs import IdentityVectors


class PixelEmbedder:
    """A stand-in: the mean colour of each quarter of a 64-pixel crop."""

    name, dimension, image_size, fingerprint = "pixels", 12, 64, "0123456789abcdef"

    def embed_raw(self, images: Any, progress: bool = False) -> np.ndarray:
        crops = np.asarray(images, np.float32).reshape(-1, 2, 32, 2, 32, 3)
        return crops.mean(axis=(2, 4)).reshape(-1, 12) - 127

    def embed(self, images: Any, progress: bool = False) -> np.ndarray:
        raw = self.embed_raw(images)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def hyperface(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return IdentityVectors(rows, range(30), "pixels", "0123456789abcdef").save(tmp_path / "gallery.safetensors")


def test_version_and_help() -> None:
    assert hyperface("--version") == f"hyperface {__version__}\n"
    text = hyperface("--help")
    for command in (
        "run",
        "lab",
        "render",
        "pack",
        "generate",
        "score-generator",
        "train",
        "evaluate",
        "estimate",
        "doctor",
    ):
        assert f" {command} " in text


@pytest.mark.parametrize(
    "command", ["run", "render", "pack", "generate", "score-generator", "train", "evaluate", "estimate"]
)
def test_every_command_explains_itself(command: str) -> None:
    assert "Usage" in hyperface(command, "--help")


class TestPack:
    def test_json_holds_the_promised_names(self, tmp_path: Path) -> None:
        hyperface("pack", "--n", 6, "--dimension", 3, "--json", tmp_path / "p.json")
        values = json.loads((tmp_path / "p.json").read_text())
        assert {"min_angle_degrees", "bound_degrees", "seconds", "steps", "method"} <= set(values)
        assert values["min_angle_degrees"] == pytest.approx(90, abs=0.01)

    def test_points_of_a_gallery_keep_its_embedder(self, gallery: Path, tmp_path: Path) -> None:
        out = tmp_path / "points.safetensors"
        hyperface("pack", "--n", 5, "--gallery", gallery, "--max-steps", 20, "--out", out)
        points = IdentityVectors.load(out)
        assert points.vectors.shape == (5, 6)
        assert points.require(PixelEmbedder())

    def test_points_alone_are_an_array(self, tmp_path: Path) -> None:
        out = tmp_path / "points.npy"
        hyperface(
            "pack",
            "--n",
            4,
            "--dimension",
            3,
            "--no-known-codes",
            "--method",
            "riemannian-adam",
            "--max-steps",
            5,
            "--out",
            out,
        )
        assert np.load(out).shape == (4, 3)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--n", 4], "--dimension or --gallery"),
            (["--n", 4, "--dimension", 3, "--out", "x.safetensors"], "together with --gallery"),
            (["--n", 4, "--gallery", "none.safetensors"], "none.safetensors"),
            (["--n", 0, "--dimension", 3], "hyperface: "),
        ],
    )
    def test_errors_are_one_line(self, arguments: list[Any], words: str) -> None:
        output = hyperface("pack", *arguments, code=2)
        assert words in output
        assert output.startswith("hyperface: ")
        assert output.count("\n") == 1

    def test_debug_brings_the_traceback_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HYPERFACE_DEBUG", "1")
        result = CliRunner().invoke(app, ["pack", "--n", "4"])
        assert isinstance(result.exception, ValueError)


class TestEvaluate:
    @pytest.fixture(autouse=True)
    def _stand_ins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        generator = np.random.default_rng(0)
        people = generator.integers(0, 256, (40, 2, 2, 3))
        images = people.repeat(32, axis=1).repeat(32, axis=2).astype(np.uint8)
        first, second = np.arange(40), np.where(np.arange(40) % 2, np.arange(40), (np.arange(40) + 7) % 40)
        pairs = PairSet("tiny", images, first, second, first == second, None, True, {})
        from hyperface_lib import embedding, evaluation

        monkeypatch.setattr(embedding, "load_embedder", lambda spec, device, flip: PixelEmbedder())
        monkeypatch.setattr(
            evaluation, "load_suite", lambda spec, pairs=0, _set=pairs: evaluation.Suite.of(_set, name=spec)
        )

    def test_a_table_and_the_same_as_json(self, tmp_path: Path) -> None:
        text = hyperface("evaluate", "pixels", "tiny", "--json", tmp_path / "t.json")
        row = json.loads((tmp_path / "t.json").read_text())["rows"][0]
        assert {"model", "suite", "set", "accuracy", "accuracy_std", "pairs"} <= set(row)
        assert (row["model"], row["set"], row["pairs"]) == ("pixels", "tiny", 40)
        assert row["accuracy"] == 1.0
        assert "100.00 ± 0.00" in text


class TestRun:
    @pytest.fixture(autouse=True)
    def _world(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import nbformat

        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        notebook.cells = [
            nbformat.v4.new_code_cell(
                'n = 3\ngallery = "rendered"\nembedder = "reference"', metadata={"tags": ["parameters"]}
            ),
            nbformat.v4.new_code_cell("assert n < 10"),
        ]
        (tmp_path / "notebooks").mkdir()
        nbformat.write(notebook, tmp_path / "notebooks" / "01_only.ipynb")
        (tmp_path / "data/profiles").mkdir(parents=True)
        profile = {"description": "tiny", "requires": [{"path": "{data}/x", "what": "thing", "source": "its makers"}]}
        (tmp_path / "data/profiles/laptop.yaml").write_text(yaml.safe_dump({"description": "tiny"}))
        (tmp_path / "data/profiles/paper.yaml").write_text(yaml.safe_dump(profile))
        for name in ("notebooks", "data", "runs"):
            monkeypatch.setenv(f"HYPERFACE_{name.upper()}", str(tmp_path / name))

    def test_a_run_says_where_its_results_are_and_a_failed_one_which_cell(self, tmp_path: Path) -> None:
        text = hyperface("run", "--json", tmp_path / "r.json")
        assert str(tmp_path / "runs/laptop") in text
        assert "01_only.html" in text
        assert json.loads((tmp_path / "r.json").read_text())["rows"][0]["status"] == "done"
        text = hyperface("run", "-p", "n=20", code=2)
        assert "01_only failed in cell 2 ('assert n < 10'): AssertionError" in text

    def test_a_dry_run_names_what_is_missing_and_runs_nothing(self, tmp_path: Path) -> None:
        text = hyperface("run", "--profile", "paper", "--dry-run", "--json", tmp_path / "r.json")
        assert "its makers" in text
        assert json.loads((tmp_path / "r.json").read_text())["missing"][0]["what"] == "thing"
        assert not (tmp_path / "runs").exists()
        assert "--dry-run" in hyperface("run", "--profile", "paper", code=2)

    def test_paths_of_the_caller_become_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "faces").mkdir()
        hyperface("run", "--dry-run", "--gallery", "folder:faces", "--embedder", "dlib", "--json", "r.json")
        given = json.loads((tmp_path / "r.json").read_text())["steps"][0]["parameters"]
        assert given == {"gallery": f"folder:{tmp_path / 'faces'}", "embedder": "dlib"}
        assert "there is nothing" in hyperface("run", "--gallery", "folder:none", code=2)

    @pytest.mark.parametrize("arguments", [["-p", "zzz=1"], ["--profile", "huge"], ["--from", "09"], ["-p", "n"]])
    def test_unknown_names_are_refused_in_one_line(self, arguments: list[str]) -> None:
        output = hyperface("run", *arguments, code=2)
        assert output.startswith("hyperface: ")
        assert output.count("\n") == 1


def test_render_writes_a_sheet_or_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    from hyperface_lib.assets import data_folder

    if not (data_folder() / "head" / "head.npz").is_file():
        pytest.skip("the head model is missing: `make models` makes it")
    hyperface("render", tmp_path / "sheet.png", "--identities", 2, "--images", 3, "--size", 64)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 66 - 2, 2 * 66 - 2)
    hyperface("render", tmp_path / "faces", "--identities", 2, "--images", 1, "--size", 64)
    assert len(list((tmp_path / "faces").glob("*/*.png"))) == 2


def test_doctor_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    hyperface("doctor", "--json", tmp_path / "d.json")
    rows = {row["what"]: row for row in json.loads((tmp_path / "d.json").read_text())["rows"]}
    assert rows["head/head.npz"]["found"] == "missing"
    assert "make models" in rows["head/head.npz"]["to do"]


def test_train_writes_a_recogniser(tmp_path: Path) -> None:
    from PIL import Image

    from hyperface_lib.embedding import load_embedder

    generator = np.random.default_rng(0)
    for person in range(3):
        (tmp_path / "faces" / str(person)).mkdir(parents=True)
        for sample in range(4):
            pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / str(person) / f"{sample}.png")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("max_steps: 2\nbatch_size: 4\n")
    hyperface("train", tmp_path / "faces", tmp_path / "net.safetensors", "--recipe", recipe)
    assert load_embedder(f"net:{tmp_path / 'net.safetensors'}").dimension == 128
    recipe.write_text("colour: red\n")
    assert "colour" in hyperface("train", tmp_path / "faces", tmp_path / "x.safetensors", "--recipe", recipe, code=2)
    missing = hyperface("train", tmp_path / "none", tmp_path / "x.safetensors", code=2)
    assert "image folder or tar shard was expected, found nothing there" in missing
