"""Write the stored outputs of the notebooks: the one tool that does, so that they stay small, stable and comparable.

`python -m hyperface_lib.build.notebook_outputs --reference-run` runs the notebooks in order and ships their run folder
as the reference run; `python -m hyperface_lib.build.notebook_outputs` then executes each one, and each lab and study,
against an empty run folder, as nbval will, and stores its outputs in place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder, notebooks_folder
from hyperface_lib.atomic import atomic_path
from hyperface_lib.build.student_notebook import STUDENT_VERSIONS

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FIGURE = "application/vnd.plotly.v1+json"
SIZE_LIMIT_BYTES = 400_000
# The shipped data sets have to be small: few files, a fifth of the bytes.
REFERENCE_RUN = {"run": "reference", "layout": "shards", "picture_format": "webp"}
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def curate(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with only what a reader and nbval need: numbered cells, tags, plain outputs.

    Dropped: widget views and their state, stderr, papermill's cell and metadata, times of execution. Pieces of one
    stream are joined, because how a kernel cuts them differs from run to run.
    """
    cells = [_curated_cell(cell) for cell in notebook.cells if "injected-parameters" not in _tags(cell)]
    number = 0
    for cell in cells:
        if cell.cell_type == "code":
            number += 1
            cell.execution_count = number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
    metadata = {"kernelspec": dict(_KERNEL), "language_info": {"name": "python"}}
    curated = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(curated)
    return curated


def _curated_cell(cell: NotebookNode) -> NotebookNode:
    tags = _tags(cell)
    metadata = {"tags": tags} if tags else {}
    if cell.cell_type != "code":
        pictures = {"attachments": cell.attachments} if cell.get("attachments") else {}
        return nbformat.v4.new_markdown_cell(cell.source, id=cell.id, metadata=metadata, **pictures)
    return nbformat.v4.new_code_cell(cell.source, id=cell.id, metadata=metadata, outputs=_curated_outputs(cell.outputs))


def _curated_outputs(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name != "stdout":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
            kept.append(nbformat.v4.new_output("stream", name="stdout", text=output.text))
        elif WIDGET_VIEW not in output.get("data", {}):
            copy = nbformat.from_dict(output)
            copy.pop("transient", None)
            if "metadata" in copy:
                copy.metadata = nbformat.from_dict({})
            kept.append(copy)
    return kept


def without_figures(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without stored figures: a student's notebook shows none that the teacher's does not."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if FIGURE not in output.get("data", {})]
    return copy


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def notebook_files(names: Sequence[str] = ()) -> list[Path]:
    """Return the numbered notebooks in order, the labs and the studies, or those whose names start with one of `names`.

    Raises FileNotFoundError for a name that fits no notebook.
    """
    files = numbered_notebooks() + labs() + studies()
    for name in names:
        if not any(file.name.startswith(name) for file in files):
            found = ", ".join(file.stem for file in files) or "none"
            raise FileNotFoundError(f"No notebook starts with {name!r} in {notebooks_folder()}; found {found}.")
    return [file for file in files if not names or any(file.name.startswith(name) for name in names)]


def numbered_notebooks() -> list[Path]:
    """Return the notebooks that hand over to one another, in order."""
    return sorted(notebooks_folder().glob("[0-9][0-9]_*.ipynb"))


def labs() -> list[Path]:
    """Return the notebooks beside the story: they read a run, and leave nothing in it."""
    return sorted((notebooks_folder() / "labs").glob("*.ipynb"))


def studies() -> list[Path]:
    """Return the notebooks that show a table of data/results: why a default is what it is."""
    return sorted((notebooks_folder() / "studies").glob("*.ipynb"))


def write_outputs(files: Sequence[Path], progress: bool = False) -> None:
    """Execute each notebook with its own defaults against an empty run folder, and store its curated outputs in place.

    A notebook that fails raises and stays as it was. Raises ValueError for one that would grow over the size limit.
    """
    for file in tqdm(files, desc="notebook outputs", disable=not progress):
        with tempfile.TemporaryDirectory(prefix="hyperface-outputs-") as runs:
            curated = curate(_execute(file, Path(runs)))
        if file.stem in STUDENT_VERSIONS.values():
            curated = without_figures(curated)
        text = nbformat.writes(curated)
        size = len(text.encode())
        if size > SIZE_LIMIT_BYTES:
            raise ValueError(
                f"{file.name}: outputs should keep a notebook under {SIZE_LIMIT_BYTES} bytes, found {size}."
            )
        with atomic_path(file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def write_reference_run(files: Sequence[Path], progress: bool = False) -> Path:
    """Run the notebooks in order in one fresh run folder and ship it as data/runs/reference; return that folder.

    The run shipped before is replaced only when every notebook has finished. Raises ValueError for a lab or a study,
    which leave nothing to ship.
    """
    if beside := [file.stem for file in files if file not in numbered_notebooks()]:
        raise ValueError(f"A reference run is made of numbered notebooks, found {', '.join(beside)}.")
    target = data_folder() / "runs" / "reference"
    with tempfile.TemporaryDirectory(prefix="hyperface-reference-") as runs:
        for file in tqdm(files, desc="reference run", disable=not progress):
            known = papermill.inspect_notebook(str(file))
            _execute(file, Path(runs), **{name: value for name, value in REFERENCE_RUN.items() if name in known})
        fresh = target.with_name(f".{target.name}.partial")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(Path(runs) / "reference", fresh)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(fresh, target)
    return target


def _execute(file: Path, runs: Path, **parameters: str) -> NotebookNode:
    """Run one notebook in its own folder, as nbval does, with `runs` as the place of the run folders."""
    with _environment("HYPERFACE_RUNS", str(runs)):
        return papermill.execute_notebook(
            str(file),
            str(runs / f"executed-{file.name}"),
            parameters,
            cwd=str(file.parent),
            kernel_name=_KERNEL["name"],
            progress_bar=False,
            store_widget_state=False,
        )


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.notebook_outputs", description=__doc__)
    parser.add_argument("names", nargs="*", help="starts of notebook names, such as 02; all of them by default")
    parser.add_argument(
        "--reference-run", action="store_true", help="make data/runs/reference from the notebooks instead"
    )
    options = parser.parse_args(arguments)
    if options.reference_run:
        write_reference_run(notebook_files(options.names) if options.names else numbered_notebooks(), progress=True)
    else:
        write_outputs(notebook_files(options.names), progress=True)


if __name__ == "__main__":
    main()
