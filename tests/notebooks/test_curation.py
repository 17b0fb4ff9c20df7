"""The tool that writes stored outputs drops what varies and keeps what is read."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hyperface_lib.build import notebook_outputs
from hyperface_lib.build.notebook_outputs import (
    WIDGET_VIEW,
    curate,
    labs,
    notebook_files,
    numbered_notebooks,
    write_outputs,
    write_reference_run,
)

PLOTLY = "application/vnd.plotly.v1+json"


def executed_notebook() -> nbformat.NotebookNode:
    outputs = [
        new_output("stream", name="stdout", text="angle "),
        new_output("stream", name="stderr", text="a progress bar"),
        new_output("stream", name="stdout", text="71.3\n"),
        new_output("display_data", {WIDGET_VIEW: {"model_id": "a1"}, "text/plain": "VBox()"}),
        new_output("display_data", {PLOTLY: {"data": [], "layout": {}}}),
        new_output("execute_result", {"text/plain": "42"}, execution_count=17),
    ]
    timing = {
        "papermill": {"duration": 3.2},
        "execution": {"iopub.execute_input": "now"},
        "tags": ["nbval-check-output"],
    }
    picture = new_markdown_cell("![a](attachment:a.png)", attachments={"a.png": {"image/png": "aGk="}})
    cells = [
        picture,
        new_code_cell("n = 3", metadata={"tags": ["parameters"]}, execution_count=1),
        new_code_cell("n = 5", metadata={"tags": ["injected-parameters"]}, execution_count=2),
        new_code_cell("n", metadata=timing, execution_count=17, outputs=outputs),
    ]
    metadata = {
        "papermill": {"version": "2"},
        "widgets": {WIDGET_VIEW: {}},
        "language_info": {"name": "python", "version": "3.11.2"},
    }
    return new_notebook(cells=cells, metadata=metadata)


def test_curation_keeps_what_is_read() -> None:
    curated = curate(executed_notebook())
    assert [cell.source for cell in curated.cells] == ["![a](attachment:a.png)", "n = 3", "n"]
    assert curated.cells[0].attachments == {"a.png": {"image/png": "aGk="}}
    assert [cell.execution_count for cell in curated.cells[1:]] == [1, 2]
    last = curated.cells[-1]
    assert last.metadata == {"tags": ["nbval-check-output"]}
    assert [output.output_type for output in last.outputs] == ["stream", "display_data", "execute_result"]
    assert last.outputs[0].text == "angle 71.3\n"
    assert last.outputs[2].execution_count == 2
    assert set(curated.metadata) == {"kernelspec", "language_info"} and set(curated.metadata.language_info) == {"name"}


def test_curation_leaves_its_input_alone_and_is_stable() -> None:
    notebook = executed_notebook()
    before = nbformat.writes(notebook)
    once = curate(notebook)
    assert nbformat.writes(notebook) == before
    assert nbformat.writes(curate(once)) == nbformat.writes(once)


def test_nbstripout_would_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "curated.ipynb"
    file.write_text(nbformat.writes(curate(executed_notebook())) + "\n", encoding="utf-8")
    before = file.read_bytes()
    command = [sys.executable, "-m", "nbstripout", "--keep-output", "--keep-count", "--keep-id", str(file)]
    subprocess.run(command, check=True)
    assert file.read_bytes() == before


def write_notebook(file: Path, source: str) -> None:
    cells = [new_code_cell("run = 'main'", metadata={"tags": ["parameters"]}), new_code_cell(source)]
    file.write_text(nbformat.writes(new_notebook(cells=cells)), encoding="utf-8")


def test_outputs_are_written_in_place_from_an_empty_run_folder(tmp_path: Path) -> None:
    file = tmp_path / "01_small.ipynb"
    runs = "Path(os.environ['HYPERFACE_RUNS'])"
    write_notebook(
        file, f"import os\nfrom pathlib import Path\nprint(len(list({runs}.glob('*/'))))\nprint(Path.cwd().name)"
    )
    write_outputs([file])
    stored = nbformat.read(file, as_version=4)
    assert stored.cells[1].outputs[0].text == f"0\n{tmp_path.name}\n"


def test_a_notebook_that_fails_or_grows_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "01_failing.ipynb"
    write_notebook(file, "raise RuntimeError('no')")
    before = file.read_bytes()
    with pytest.raises(Exception, match="RuntimeError"):
        write_outputs([file])
    assert file.read_bytes() == before
    write_notebook(file, "print('x' * 5000)")
    before = file.read_bytes()
    monkeypatch.setattr(notebook_outputs, "SIZE_LIMIT_BYTES", 4000)
    with pytest.raises(ValueError, match="under 4000 bytes"):
        write_outputs([file])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_notebooks_are_found_by_the_start_of_their_names() -> None:
    assert [file.stem for file in notebook_files(["02"])] == ["02_packing"]
    with pytest.raises(FileNotFoundError, match="'99'"):
        notebook_files(["99"])


def test_labs_come_after_the_numbered_notebooks_and_are_no_part_of_the_reference_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERFACE_NOTEBOOKS", str(tmp_path))
    (tmp_path / "labs").mkdir()
    for name in ("02_b", "01_a", "labs/geometry"):
        write_notebook(tmp_path / f"{name}.ipynb", "print(1)")
    assert [file.stem for file in notebook_files()] == ["01_a", "02_b", "geometry"]
    assert [file.stem for file in notebook_files(["geo"])] == ["geometry"]
    assert [file.stem for file in numbered_notebooks()] == ["01_a", "02_b"]
    with pytest.raises(ValueError, match="numbered notebooks, found geometry"):
        write_reference_run(labs())


def test_a_students_notebook_keeps_its_text_and_no_figures() -> None:
    figure = new_output("display_data", {PLOTLY: {"data": []}, "text/plain": "Figure"})
    text = new_output("stream", name="stdout", text="right\n")
    notebook = new_notebook(cells=[new_markdown_cell("a"), new_code_cell("b", outputs=[figure, text])])
    bare = notebook_outputs.without_figures(notebook)
    assert [output.output_type for output in bare.cells[1].outputs] == ["stream"]
    assert len(notebook.cells[1].outputs) == 2
