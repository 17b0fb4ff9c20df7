"""`hyperface doctor`: what is installed, what ships, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from typing import Any

from hyperface_lib.assets import asset, data_folder, notebooks_folder, runs_folder
from hyperface_lib.cli.output import JsonFile, save, show

_PACKAGES = {
    "torch": "make install",
    "diffusers": "make install",
    "papermill": "make install (extra notebooks)",
    "jupyterlab": "make install (extra notebooks)",
    "dlib": "make install (extra photos)",
    "anny": "make models (extra build)",
    "pytest": "make install (extra dev)",
}
_ASSETS = (
    "head/head.npz",
    "recognisers/reference.safetensors",
    "recognisers/judge.safetensors",
    "generator/reference",
    "runs/reference",
)


def doctor(json_file: JsonFile = None) -> None:
    """Check this machine and this checkout, and say how to get what is missing."""
    from hyperface_lib.runs import versions

    rows: list[dict[str, Any]] = [
        {"what": "Python", "found": platform.python_version(), "to do": ""},
        {"what": "processors", "found": str(os.cpu_count()), "to do": ""},
        {"what": "device", "found": _device(), "to do": ""},
        {"what": "data", "found": str(data_folder()), "to do": ""},
        {"what": "runs", "found": str(runs_folder()), "to do": ""},
        {"what": "free disk", "found": f"{shutil.disk_usage(_existing(runs_folder())).free / 1e9:.0f} GB", "to do": ""},
    ]
    known = versions()
    for name, command in _PACKAGES.items():
        there = importlib.util.find_spec(name) is not None
        rows.append(
            {"what": name, "found": known.get(name, "yes") if there else "missing", "to do": "" if there else command}
        )
    for relative in _ASSETS:
        try:
            asset(relative)
            rows.append({"what": relative, "found": "yes", "to do": ""})
        except FileNotFoundError as problem:
            rows.append({"what": relative, "found": "missing", "to do": str(problem).partition(": ")[2]})
    notebooks = len(list(notebooks_folder().glob("[0-9][0-9]_*.ipynb")))
    rows.append({"what": "notebooks", "found": str(notebooks), "to do": "" if notebooks else "set HYPERFACE_NOTEBOOKS"})
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    rows.append(
        {"what": "chromium", "found": browser or "missing", "to do": "" if browser else "apt-get install chromium"}
    )
    show("doctor", rows)
    save(json_file, {"rows": rows})


def _device() -> str:
    if importlib.util.find_spec("torch") is None:
        return "torch is missing"
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _existing(path: Any) -> Any:
    while not path.exists():
        path = path.parent
    return path
