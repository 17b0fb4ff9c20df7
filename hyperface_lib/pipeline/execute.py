"""Execute one notebook, keep what it did, and say in a person's words what went wrong."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from hyperface_lib.atomic import atomic_path
from hyperface_lib.pipeline.html import write_html
from hyperface_lib.pipeline.plan import Step

_KEY = "hyperface"


@dataclass(frozen=True)
class Failure:
    """Which cell failed: its number among all cells of the notebook (from 1), its first line, and the exception."""

    cell: int | None
    first_line: str
    exception: str

    def __str__(self) -> str:
        where = f"cell {self.cell} ({self.first_line!r})" if self.cell else "no cell of its own"
        return f"{where}: {self.exception}"


@dataclass(frozen=True)
class StepResult:
    """What became of a step: "done" now, "kept" from before, or "failed"."""

    name: str
    status: Literal["done", "kept", "failed"]
    seconds: float
    executed: Path
    html: Path | None
    failure: Failure | None = None


def execute_step(step: Step, key: str, run_folder: Path, executed_folder: Path) -> StepResult:
    """Run a step, or keep the result of an earlier time if its key is the same and its files are still there.

    The executed notebook is written while it runs and kept when it fails; the key is entered last, so that an
    interrupted step counts as not done.
    """
    executed = executed_folder / step.notebook.name
    html = executed.with_suffix(".html")
    seconds = _finished_seconds(executed, key, run_folder)
    if seconds is not None:
        return StepResult(step.name, "kept", seconds, executed, html if html.is_file() else _html(executed))
    executed_folder.mkdir(parents=True, exist_ok=True)
    html.unlink(missing_ok=True)
    before = _snapshot(run_folder)
    started = time.perf_counter()
    try:
        _papermill(step, executed)
    except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as problem:
        seconds = time.perf_counter() - started
        return StepResult(step.name, "failed", seconds, executed, _html(executed), _failure(problem, executed))
    seconds = time.perf_counter() - started
    after = _snapshot(run_folder)
    written = {name: size for name, (size, changed) in after.items() if before.get(name) != (size, changed)}
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata[_KEY] = {"key": key, "seconds": round(seconds, 2), "written": written}
    with atomic_path(executed) as temporary:
        nbformat.write(notebook, temporary)
    return StepResult(step.name, "done", seconds, executed, _html(executed))


def stored_key(executed: Path) -> str | None:
    """Return the key of an executed notebook that finished, None where there is none."""
    return _stored(executed).get("key")


def _papermill(step: Step, executed: Path) -> None:
    # Threads that wait by spinning take the cores from whatever else runs, and a notebook is never alone on a machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    shown = {"desc": step.name, "leave": False} if sys.stderr.isatty() else False
    # papermill reports every cell in its log; the summary and the notebook itself say more.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        papermill.execute_notebook(
            str(step.notebook),
            str(executed),
            dict(step.parameters),
            cwd=str(step.notebook.parent),
            kernel_name="python3",
            progress_bar=shown,
            # Each live figure would carry five megabytes of script.
            store_widget_state=False,
            # Every kernel warns that it talks over TCP and says how it was shut down; errors of cells come otherwise.
            extra_arguments=["--IPKernelApp.log_level=50"],
        )


def _stored(executed: Path) -> dict[str, Any]:
    try:
        return dict(nbformat.read(executed, as_version=4).metadata.get(_KEY, {}))
    except (OSError, ValueError, AttributeError):
        return {}


def _finished_seconds(executed: Path, key: str, run_folder: Path) -> float | None:
    stored = _stored(executed)
    if stored.get("key") != key:
        return None
    for name, size in stored["written"].items():
        file = run_folder / name
        if not file.is_file() or file.stat().st_size != size:
            return None
    return float(stored["seconds"])


def _snapshot(run_folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file of the run but the notebooks and what is hidden."""
    found = {}
    for file in run_folder.rglob("*"):
        name = file.relative_to(run_folder)
        if name.parts[0] == "notebooks" or any(part.startswith(".") for part in name.parts) or not file.is_file():
            continue
        found[name.as_posix()] = (file.stat().st_size, file.stat().st_mtime_ns)
    return found


def _failure(problem: Exception, executed: Path) -> Failure:
    cells = nbformat.read(executed, as_version=4).cells if executed.is_file() else []
    # Without the cells that papermill adds, the number is that of the notebook the person edits.
    own = [cell for cell in cells if not {"injected-parameters", "papermill-error-cell-tag"} & set(_tags(cell))]
    for number, cell in enumerate(own, 1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return Failure(number, _first_line(cell.source), _exception(problem))
    running = [
        number
        for number, cell in enumerate(own, 1)
        if cell.get("metadata", {}).get("papermill", {}).get("status") == "running"
    ]
    if running:
        return Failure(running[-1], _first_line(own[running[-1] - 1].source), _exception(problem))
    return Failure(None, "", _exception(problem))


def _exception(problem: Exception) -> str:
    if isinstance(problem, PapermillExecutionError):
        return f"{problem.ename}: {_first_line(str(problem.evalue))}"
    if isinstance(problem, DeadKernelError):
        return "the kernel died (often: not enough memory)"
    return f"{type(problem).__name__}: {_first_line(str(problem))}"


def _tags(cell: Any) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return lines[0] if lines else text.strip()


def _html(executed: Path) -> Path | None:
    return write_html(executed) if executed.is_file() else None
