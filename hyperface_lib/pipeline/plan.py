"""What a run will do: which notebooks, with which parameters, all names checked before anything starts."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
import yaml

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.pipeline.profiles import Profile, load_profile
from hyperface_lib.runs import Run


@dataclass(frozen=True)
class Step:
    """One notebook and the parameters it is given."""

    notebook: Path
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the notebook's name without its suffix, such as "02_packing"."""
        return self.notebook.stem


@dataclass(frozen=True)
class Plan:
    """A profile turned into steps for one run folder. `before` is the step just before the first, None at the start."""

    profile: Profile
    run: Run
    steps: tuple[Step, ...]
    before: Path | None

    @property
    def executed_folder(self) -> Path:
        """Return where the executed notebooks and their HTML copies go."""
        return self.run.folder / "notebooks"


def plan_run(
    profile: str = "laptop",
    run: str | None = None,
    first: str | None = None,
    last: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan a run of the notebooks `first` to `last` (number or name; all by default).

    `run` is a name below the runs folder or a path, the profile's name by default. `parameters` win over the profile's
    and go to every selected notebook that knows them. Raises ValueError or FileNotFoundError in one sentence for a name
    that no notebook knows and for values of another type than the notebook's own.
    """
    chosen = load_profile(profile)
    notebooks = _numbered_notebooks()
    known = {notebook.stem: known_parameters(notebook) for notebook in notebooks}
    _refuse_unknown(chosen, known)
    start = _position(first, notebooks) if first else 0
    stop = _position(last, notebooks) if last else len(notebooks) - 1
    if start > stop:
        raise ValueError(f"expected the first notebook before the last, found {first} after {last}")
    selected = notebooks[start : stop + 1]
    target = Run(run or profile)
    extra = dict(parameters or {})
    for name in extra:
        if not any(name in known[notebook.stem] for notebook in selected):
            raise ValueError(
                f"parameter {name!r} is known to none of {', '.join(one.stem for one in selected)}; "
                f"they know {', '.join(sorted(set().union(*(known[one.stem] for one in selected))))}"
            )
    steps = []
    for notebook in selected:
        defaults = known[notebook.stem]
        # By path where it is not below the runs folder, which the notebook's kernel inherits.
        values: dict[str, Any] = {"run": str(target.folder) if run and "/" in run else target.name}
        values |= chosen.shared
        values |= chosen.notebooks.get(notebook.stem, {})
        values |= extra
        given = {name: value for name, value in values.items() if name in defaults}
        for name, value in given.items():
            _refuse_other_type(notebook.stem, name, value, defaults[name])
        steps.append(Step(notebook, given))
    return Plan(chosen, target, tuple(steps), notebooks[start - 1] if start else None)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE from the command line; the value is JSON, a Python word (True, None) or a plain text.

    Raises ValueError in one sentence.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ValueError(f"parameter: expected NAME=VALUE, found {text!r}")
    words = {"True": True, "False": False, "None": None}
    if value in words:
        return name.strip(), words[value]
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        pass
    if value.startswith(("[", "{")):
        try:
            return name.strip(), yaml.safe_load(value)
        except yaml.YAMLError as problem:
            raise ValueError(f"parameter {name}: expected a value, found {value!r}, which cannot be read") from problem
    return name.strip(), value


def _numbered_notebooks() -> list[Path]:
    folder = notebooks_folder()
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(f"{folder}: expected notebooks named like 01_gallery.ipynb, found none")
    return notebooks


def _position(name: str, notebooks: list[Path]) -> int:
    stem = name.removesuffix(".ipynb")
    for position, notebook in enumerate(notebooks):
        if notebook.stem == stem or notebook.stem.split("_")[0] == stem.zfill(2):
            return position
    raise ValueError(f"notebook: expected one of {', '.join(one.stem for one in notebooks)}, found {name!r}")


def known_parameters(notebook: Path) -> dict[str, Any]:
    """Return a notebook's parameters with their default values (None where the default is not a plain value)."""
    try:
        inspected = papermill.inspect_notebook(str(notebook))
    except Exception as problem:
        raise ValueError(f"{notebook}: expected a notebook, found {type(problem).__name__}: {problem}") from problem
    defaults: dict[str, Any] = {}
    for name, entry in inspected.items():
        try:
            defaults[name] = ast.literal_eval(entry["default"])
        except (ValueError, SyntaxError):
            defaults[name] = None
    return defaults


def _refuse_unknown(profile: Profile, known: Mapping[str, Mapping[str, Any]]) -> None:
    for notebook, values in profile.notebooks.items():
        if notebook not in known:
            raise ValueError(
                f"profile {profile.name!r}: notebook {notebook!r} does not exist; found {', '.join(known)}"
            )
        for name in values:
            if name not in known[notebook]:
                raise ValueError(
                    f"profile {profile.name!r}: notebook {notebook} has no parameter {name!r}; "
                    f"it has {', '.join(known[notebook]) or 'none'}"
                )
    for name in profile.shared:
        if not any(name in defaults for defaults in known.values()):
            raise ValueError(f"profile {profile.name!r}: no notebook has the shared parameter {name!r}")


def _refuse_other_type(notebook: str, name: str, value: Any, default: Any) -> None:
    if default is None or value is None:
        return
    number = (int, float)
    same = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
    # A whole number will do where a fraction is the default, and tuples and lists are one thing here.
    numeric = isinstance(default, float) and isinstance(value, number) and not isinstance(value, bool)
    sequence = isinstance(default, (list, tuple)) and isinstance(value, (list, tuple))
    if not (same or numeric or sequence):
        raise ValueError(
            f"notebook {notebook}: parameter {name!r} expects a value like {default!r} ({type(default).__name__}), "
            f"found {value!r} ({type(value).__name__})"
        )
