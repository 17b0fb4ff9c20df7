"""`hyperface evaluate`: its files, several recognisers, published rows, and what is kept when a set fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import TEMPORARY_MARK
from hyperface_lib.cli import app
from hyperface_lib.embedding import create_backbone
from hyperface_lib.embedding.networks import save_recogniser
from hyperface_lib.evaluation import evaluate_each_set, load_suite
from hyperface_lib.evaluation.table_text import escape_markdown
from hyperface_lib.formats import PairSet, write_verification_bin

needs_shipped = pytest.mark.skipif(
    not all((data_folder() / name).is_file() for name in ("head/head.npz", "recognisers/reference.safetensors")),
    reason="the head model or the recognisers are missing: `make models` makes them",
)


def hyperface(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["evaluate", *(str(one) for one in arguments), "--device", "cpu"])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Give two untrained recognisers of one recipe."""
    folder = tmp_path_factory.mktemp("nets")
    for number, name in enumerate("ab"):
        torch.manual_seed(number)
        recipe = {"architecture": "tiny", "head": "arcface", "epochs": 2, "seed": number}
        save_recogniser(folder / f"{name}.safetensors", create_backbone("tiny", 16), metadata={"recipe": recipe})
    return f"net:{folder / 'a.safetensors'}", f"net:{folder / 'b.safetensors'}"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Give a folder of two good verification sets between which one is damaged."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (40, 8, 8, 3)).repeat(14, axis=1).repeat(14, axis=2).astype(np.uint8)
    first, second = np.arange(40), np.where(np.arange(40) % 2, np.arange(40), (np.arange(40) + 7) % 40)
    pairs = PairSet("tiny", images, first, second, first == second, None, True, {})
    folder = tmp_path / "sets"
    folder.mkdir()
    for name in ("lfw", "agedb_30"):
        write_verification_bin(folder / f"{name}.bin", pairs, quality=0)
    (folder / "cplfw.bin").write_bytes((folder / "lfw.bin").read_bytes()[:1000])
    return folder


class TestAFailingSet:
    def test_the_other_sets_are_kept_marked_and_the_command_fails_at_the_end(
        self, nets: tuple[str, str], suite: Path, tmp_path: Path
    ) -> None:
        files = {name: tmp_path / f"t.{name}" for name in ("json", "markdown", "latex")}
        options = [text for name, file in files.items() for text in (f"--{name}", file)]
        output = hyperface(nets[0], f"insightface:{suite}", *options, code=2)
        content = json.loads(files["json"].read_text())
        assert [(row["set"], row["pairs"]) for row in content["rows"]] == [("lfw", 40), ("agedb", 40)]
        assert content["average"] == {nets[0]: None}
        (failure,) = content["failures"]
        assert failure["set"] == "cplfw" and "cplfw.bin" in failure["reason"]
        (line,) = [line for line in output.splitlines() if line.startswith("hyperface: ")]
        assert line == f"hyperface: {nets[0]} on cplfw failed: {failure['reason']}"
        assert "Incomplete: " in files["markdown"].read_text() and "Incomplete: " in files["latex"].read_text()

    def test_a_failure_costs_no_other_recogniser_its_rows(
        self, nets: tuple[str, str], suite: Path, tmp_path: Path
    ) -> None:
        hyperface(nets[0], f"insightface:{suite}", "--also", nets[1], "--json", tmp_path / "t.json", code=2)
        content = json.loads((tmp_path / "t.json").read_text())
        assert [row["model"] for row in content["rows"]] == [nets[0]] * 2 + [nets[1]] * 2
        assert [one["model"] for one in content["failures"]] == list(nets)

    def test_without_a_single_row_earlier_files_stay(self, nets: tuple[str, str], suite: Path, tmp_path: Path) -> None:
        for name in ("lfw", "agedb_30"):
            (suite / f"{name}.bin").write_bytes(b"no pairs")
        (tmp_path / "t.json").write_text("earlier")
        output = hyperface(nets[0], f"insightface:{suite}", "--json", tmp_path / "t.json", code=2)
        assert len(output.split("hyperface: ")) == 1 + 3
        assert (tmp_path / "t.json").read_text() == "earlier"

    def test_debugging_brings_the_traceback_back(
        self, nets: tuple[str, str], suite: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HYPERFACE_DEBUG", "1")
        result = CliRunner().invoke(app, ["evaluate", nets[0], f"insightface:{suite}", "--device", "cpu"])
        assert isinstance(result.exception, ValueError) and "cplfw.bin" in str(result.exception)

    def test_an_interrupt_is_no_failure(self, suite: Path) -> None:
        class Interrupted:
            name, dimension, image_size, fingerprint = "i", 4, 112, "0123456789abcdef"

            def embed(self, images: object, progress: bool = False) -> np.ndarray:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            evaluate_each_set(Interrupted(), load_suite(f"insightface:{suite}"))  # type: ignore[arg-type]


class TestSeveralRecognisers:
    @pytest.fixture(autouse=True)
    def _whole(self, suite: Path) -> None:
        (suite / "cplfw.bin").unlink()

    def test_files_that_carry_one_recipe_are_ranked(self, nets: tuple[str, str], suite: Path, tmp_path: Path) -> None:
        file = tmp_path / "t.md"
        output = hyperface(nets[0], f"insightface:{suite}", "--also", nets[1], "--markdown", file)
        header, rows = markdown_rows(file.read_text())
        assert re.search(r"Photographs, recipe kit-[0-9a-f]{6}\*\*", file.read_text())
        assert {row["model"] for row in rows} == {escape_markdown(net) for net in nets}
        assert header[-2:] == ["Borda", "rank by Borda"]
        assert sum(float(row["Borda"]) for row in rows) == 2  # two sets, one pair of models
        assert "rank by Borda" in output

    def test_published_rows_stand_beside_them_and_share_a_table_only_by_recipe(
        self, nets: tuple[str, str], suite: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "t.md"
        hyperface(nets[0], f"insightface:{suite}", "--beside-published", "--markdown", file)
        _, rows = markdown_rows(file.read_text())
        assert [(row["model"], row["from"]) for row in rows] == [(escape_markdown(nets[0]), "measured here")]
        hyperface(nets[0], f"insightface:{suite}", "--beside-published", "--recipe", "hyperface", "--markdown", file)
        _, rows = markdown_rows(file.read_text())
        assert [row["from"] for row in rows] == ["published"] * 3 + ["measured here"]
        assert rows[0]["average"] == "**91.60**" and rows[0]["rank"] == "1"
        assert rows[3]["average"] == "" and rows[3]["rank"] == ""  # three of the five sets are missing
        assert "Fewer pairs than the 6,000" in file.read_text()

    def test_one_recogniser_twice_is_refused(self, nets: tuple[str, str], suite: Path) -> None:
        output = hyperface(nets[0], f"insightface:{suite}", "--also", nets[0], code=2)
        assert output.startswith("hyperface: Different embedders were expected") and output.count("\n") == 1

    def test_one_set_of_two_suites_is_refused_before_anything_is_measured(self, suite: Path) -> None:
        output = hyperface("net:missing", f"insightface:{suite}", f"insightface:{suite}", code=2)
        assert output == "hyperface: Different sets were expected, found 'lfw' twice.\n"

    @pytest.mark.parametrize("option", ["--json", "--markdown", "--latex", "--figure"])
    def test_a_folder_is_no_file_and_is_told_before_anything_is_measured(
        self, option: str, suite: Path, tmp_path: Path
    ) -> None:
        output = hyperface("net:missing", f"insightface:{suite}", option, tmp_path, code=2)
        assert output == f"hyperface: {tmp_path} was expected to be a file to write, found a folder.\n"

    def test_a_figure_is_a_page_that_needs_nothing_else(
        self, nets: tuple[str, str], suite: Path, tmp_path: Path
    ) -> None:
        hyperface(nets[0], f"insightface:{suite}", "--figure", tmp_path / "new" / "t.html")
        text = (tmp_path / "new" / "t.html").read_text(encoding="utf-8")
        assert text.startswith("<!doctype html>") and "10-fold accuracy" in text
        assert not re.search(r"<script[^>]+src=", text)
        assert not list(tmp_path.rglob(f"*{TEMPORARY_MARK}*"))

    def test_a_write_that_fails_leaves_the_earlier_file(
        self, nets: tuple[str, str], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hyperface_lib.evaluation import Report

        def broken(report: Report) -> str:
            raise OSError("the disk is full")

        (tmp_path / "t.tex").write_text("earlier")
        monkeypatch.setattr(Report, "to_latex", broken)
        hyperface(nets[0], f"insightface:{suite}", "--latex", tmp_path / "t.tex", code=2)
        assert (tmp_path / "t.tex").read_text() == "earlier"
        assert not list(tmp_path.rglob(f"*{TEMPORARY_MARK}*"))


@needs_shipped
def test_the_rendered_suite_at_60_pairs(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("t.json", "t.md", "t.tex")]
    output = hyperface(
        "reference",
        "rendered-lfw",
        "rendered-cplfw",
        *("--pairs", 60, "--beside-published", "--json", files[0], "--markdown", files[1], "--latex", files[2]),
    )
    rows = json.loads(files[0].read_text())["rows"]
    assert [(row["model"], row["suite"], row["set"], row["pairs"]) for row in rows] == [
        ("reference", "rendered-lfw", "rendered-lfw", 60),
        ("reference", "rendered-cplfw", "rendered-cplfw", 60),
    ]
    assert all(row["accuracy"] > 0.8 for row in rows)
    header, table = markdown_rows(files[1].read_text())
    assert header == ["model", "from", "rendered-lfw", "rendered-cplfw"] and len(table) == 1
    for row in rows:
        assert table[0][row["set"]] == f"{100 * row['accuracy']:.2f} ± {100 * row['accuracy_std']:.2f}"
    # No table holds both worlds.
    for part in re.split(r"^\*\*", files[1].read_text(), flags=re.MULTILINE):
        assert not ("rendered-lfw |" in part and "published |" in part)
    assert "never put into one column" in files[2].read_text() and "say nothing of photographs" in output


def markdown_rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Read the first table of a Markdown text."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| "))
    cells = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line[1:-1].split("|")])
    header, _, *body = cells
    return header, [dict(zip(header, row, strict=True)) for row in body]
