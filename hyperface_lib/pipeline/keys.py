"""When a finished step may be kept: its key covers everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from hyperface_lib.assets import data_folder
from hyperface_lib.pipeline.plan import Step
from hyperface_lib.runs import REFERENCE_RUN, versions

LIBRARY = Path(__file__).resolve().parent.parent
# What starts, reports and rebuilds has no part in a notebook's results.
_NO_PART = ("pipeline", "build", "cli", "checks.py")
_SHIPPED = ("head", "recognisers", "generator")
_PICTURES = 100_000


def step_key(step: Step, upstream: str) -> str:
    """Return a SHA-256 of code cells, parameters, library, shipped nets, input folders, versions and `upstream`.

    Outputs and prose of the notebook are left out: a corrected sentence does not run the pipeline again.
    """
    digest = hashlib.sha256()
    cells = [cell.source for cell in nbformat.read(step.notebook, as_version=4).cells if cell.cell_type == "code"]
    parts = [
        upstream,
        json.dumps(cells),
        json.dumps(dict(step.parameters), sort_keys=True, default=str),
        json.dumps(versions(), sort_keys=True),
        _library_digest(),
        _shipped_digest(data_folder()),
        *(_folder_listing(folder) for folder in _input_folders(step.parameters)),
    ]
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()


def reference_key() -> str:
    """Return the key that stands for the shipped reference run, where an earlier step was not run here."""
    folder = data_folder() / "runs" / REFERENCE_RUN
    return _digest(folder, folder.rglob("*manifest.json")) if folder.is_dir() else "no reference run"


@cache
def _library_digest() -> str:
    files = (file for file in LIBRARY.rglob("*.py") if file.relative_to(LIBRARY).parts[0] not in _NO_PART)
    return _digest(LIBRARY, files)


def _shipped_digest(folder: Path) -> str:
    return _digest(folder, (file for name in _SHIPPED for file in (folder / name).rglob("*") if file.is_file()))


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _input_folders(parameters: Mapping[str, Any]) -> list[Path]:
    """Return the folders and files that parameters of the form SCHEME:PATH name."""
    texts = [value for value in parameters.values() if isinstance(value, str) and ":" in value]
    paths = [Path(text.partition(":")[2]) for text in texts]
    return [path for path in paths if path.is_absolute() and path.exists()]


def _folder_listing(path: Path) -> str:
    """Return names, sizes and times of what lies below `path`: contents would take too long to read each time."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())[:_PICTURES]
    return json.dumps([[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files])
