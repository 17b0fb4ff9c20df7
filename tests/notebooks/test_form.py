"""The form of the notebooks: what a reader, papermill and nbval can rely on in every one of them."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from hyperface_lib.build.notebook_outputs import SIZE_LIMIT_BYTES, WIDGET_VIEW, curate, labs, notebook_files, studies

NOTEBOOKS = notebook_files()
LONGEST_CELL_LINES = 40


@pytest.fixture(params=NOTEBOOKS, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(file: Path) -> nbformat.NotebookNode:
    return nbformat.read(file, as_version=4)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_to_check() -> None:
    assert [file.stem for file in NOTEBOOKS][:2] == ["01_gallery", "02_packing"]
    assert {"packing_geometry", "manifold"} <= {file.stem for file in NOTEBOOKS}


def test_one_cell_of_plain_parameters_comes_before_all_code(notebook: nbformat.NotebookNode) -> None:
    marked = [index for index, cell in enumerate(code_cells(notebook)) if "parameters" in tags(cell)]
    assert marked == [0]
    for statement in ast.parse(code_cells(notebook)[0].source).body:
        assert isinstance(statement, ast.Assign), f"not a plain assignment: {ast.unparse(statement)}"
        ast.literal_eval(statement.value)


def test_papermill_reads_the_parameters(file: Path) -> None:
    found = papermill.inspect_notebook(str(file))
    assert {"run", "seed"} <= set(found)


def test_cells_are_short_and_define_no_classes(notebook: nbformat.NotebookNode) -> None:
    for number, cell in enumerate(code_cells(notebook)):
        assert len(cell.source.splitlines()) <= LONGEST_CELL_LINES, f"code cell {number} is too long"
        tree = ast.parse(cell.source)
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)), f"code cell {number} defines a class"


def test_the_story_comes_first_and_the_sources_last(file: Path, notebook: nbformat.NotebookNode) -> None:
    assert notebook.cells[0].cell_type == "markdown"
    opening = {**dict.fromkeys(labs(), "# Lab: "), **dict.fromkeys(studies(), "# Study: ")}
    assert re.match(opening.get(file, r"# \d\. "), notebook.cells[0].source)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "## References" in texts[-1]


def test_some_output_is_checked(notebook: nbformat.NotebookNode) -> None:
    assert any("nbval-check-output" in tags(cell) for cell in code_cells(notebook))


def test_stored_outputs_are_curated(file: Path, notebook: nbformat.NotebookNode) -> None:
    assert file.stat().st_size <= SIZE_LIMIT_BYTES
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for number, cell in enumerate(code_cells(notebook), start=1):
        assert set(cell.metadata) <= {"tags"}
        assert cell.execution_count in (None, number)
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            assert not {WIDGET_VIEW, "image/png"} & set(output.get("data", {}))


def test_curating_again_changes_nothing(file: Path, notebook: nbformat.NotebookNode) -> None:
    if all(cell.execution_count is None for cell in code_cells(notebook)):
        pytest.skip("no outputs are stored: python -m hyperface_lib.build.notebook_outputs")
    assert nbformat.writes(curate(notebook)) + "\n" == file.read_text(encoding="utf-8")


def test_nbstripout_would_change_nothing(tmp_path: Path) -> None:
    copies = [Path(shutil.copy(file, tmp_path)) for file in NOTEBOOKS]
    subprocess.run(
        [sys.executable, "-m", "nbstripout", "--keep-output", "--keep-count", "--keep-id", *map(str, copies)],
        check=True,
    )
    for file, stripped in zip(NOTEBOOKS, copies, strict=True):
        assert stripped.read_text(encoding="utf-8") == file.read_text(encoding="utf-8"), f"{file.name} is not stripped"
