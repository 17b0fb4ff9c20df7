"""nbval on every notebook: the stored check lines come out again, and a changed number does not pass.

Each notebook is copied, every checked cell is repeated at its end with one digit of its stored output changed, and
nbval reads the copy: the notebook's own cells must all pass and the changed repetitions must all fail.
"""

import copy
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from hyperface_lib.assets import data_folder, notebooks_folder
from hyperface_lib.build.notebook_outputs import notebook_files

NOTEBOOKS = notebook_files()


def run_nbval(folder: Path, *files: Path) -> dict[tuple[str, int], bool]:
    """Run nbval on notebooks in `folder` as a person would; return whether each (notebook, code cell) passed."""
    shutil.copy(notebooks_folder() / "conftest.py", folder)
    report = folder / "report.xml"
    # Run from another directory, with settings of its own: nothing may depend on where pytest is called.
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", "--rootdir", str(folder), *map(str, files)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False)
    assert report.is_file(), done.stdout + done.stderr
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        number = re.search(r"Cell (\d+)", case.get("name", ""))
        assert number is not None, case.attrib
        passed = case.find("failure") is None and case.find("error") is None
        results[case.get("classname", ""), int(number[1])] = passed
    return results


def with_changed_digit(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same cell, one digit of the first line that has one changed, as if the stored number had been another."""
    changed = copy.deepcopy(cell)
    changed.id = f"{cell.id}-changed"
    text = changed.outputs[0].text
    line = next(match for match in re.finditer(r".+", text) if re.search(r"\d", match[0]))
    position = line.start() + max(match.start() for match in re.finditer(r"\d", line[0]))
    changed.outputs[0].text = text[:position] + str((int(text[position]) + 1) % 10) + text[position + 1 :]
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_check_lines_come_out_again_and_changed_ones_do_not(file: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not (data_folder() / "runs" / "reference").is_dir():
        pytest.skip("the reference run is missing: make models")
    if any(cell.execution_count is None for cell in cells):
        pytest.skip("no outputs are stored: python -m hyperface_lib.build.notebook_outputs")
    checked = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    notebook.cells += [with_changed_digit(cell) for cell in checked]
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    nbformat.write(notebook, folder / file.name)
    results = run_nbval(folder, folder / file.name)
    assert len(results) == len(cells) + len(checked)
    failed = {number for (_, number), passed in results.items() if not passed}
    assert failed == set(range(len(cells), len(cells) + len(checked)))


def small_notebook(file: Path, source: str, printed: str) -> None:
    checked = new_code_cell(
        source,
        execution_count=1,
        metadata={"tags": ["nbval-check-output"]},
        outputs=[new_output("stream", name="stdout", text=printed)],
    )
    nbformat.write(new_notebook(cells=[checked]), file)


def test_each_notebook_starts_from_an_empty_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = (
        "import os\nfrom pathlib import Path\nruns = Path(os.environ['HYPERFACE_RUNS'])\n"
        "print(sorted(path.name for path in runs.iterdir()))\n(runs / 'main').mkdir()"
    )
    small_notebook(folder / "01_first.ipynb", source, "[]\n")
    small_notebook(folder / "02_second.ipynb", source, "[]\n")
    results = run_nbval(folder, folder)
    assert sorted(results.values()) == [True, True]


def test_a_changed_number_and_an_error_fail(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    small_notebook(folder / "01_same.ipynb", "print(71.3)", "71.3\n")
    small_notebook(folder / "02_changed.ipynb", "print(71.3)", "71.4\n")
    small_notebook(folder / "03_error.ipynb", "print(1 / 0)", "71.3\n")
    small_notebook(folder / "04_warning.ipynb", "import sys\nprint('a bar', file=sys.stderr)\nprint(71.3)", "71.3\n")
    results = run_nbval(folder, folder)
    assert [passed for _, passed in sorted(results.items())] == [True, False, False, True]
