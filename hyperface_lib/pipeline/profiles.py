"""Profiles: the sizes of a run, notebook by notebook, and what a run of that size must have beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hyperface_lib.assets import data_folder

_KEYS = {"description", "shared", "notebooks", "requires"}


@dataclass(frozen=True)
class Requirement:
    """Something a profile needs that the kit cannot ship: where it goes, what it is, where it comes from."""

    path: Path
    what: str
    source: str

    @property
    def present(self) -> bool:
        """Return whether the file or a filled folder is there."""
        return any(self.path.iterdir()) if self.path.is_dir() else self.path.is_file()


@dataclass(frozen=True)
class Profile:
    """Parameters by notebook, those given to every notebook that knows them, and the requirements."""

    name: str
    description: str
    notebooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()

    def missing(self) -> list[Requirement]:
        """Return the requirements that are not there."""
        return [one for one in self.requires if not one.present]


def list_profiles() -> list[str]:
    """Return the names of the profiles in the data folder."""
    return sorted(path.stem for path in (data_folder() / "profiles").glob("*.yaml"))


def load_profile(name: str) -> Profile:
    """Read `data/profiles/NAME.yaml`; `{data}` in its texts stands for the data folder.

    Raises ValueError in one sentence for a name or content that is not a profile.
    """
    if name not in list_profiles():
        raise ValueError(f"profile: expected one of {', '.join(list_profiles()) or 'none shipped'}, found {name!r}")
    path = data_folder() / "profiles" / f"{name}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as problem:
        raise ValueError(f"{path}: expected YAML, found: {' '.join(str(problem).split())}") from problem
    if not isinstance(values, dict) or not set(values) <= _KEYS:
        found = sorted(set(values) - _KEYS) if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"{path}: expected a mapping with the keys {sorted(_KEYS)}, found {found}")
    notebooks = _mapping(values.get("notebooks"), path, "notebooks")
    requires = []
    for entry in values.get("requires") or []:
        if not isinstance(entry, dict) or set(entry) != {"path", "what", "source"}:
            raise ValueError(f"{path}: each of 'requires' needs path, what and source, found {entry!r}")
        requires.append(Requirement(Path(_filled(entry["path"])), str(entry["what"]), str(entry["source"])))
    return Profile(
        name=name,
        description=" ".join(str(values.get("description", "")).split()),
        notebooks={key: _filled(_mapping(value, path, key)) for key, value in notebooks.items()},
        shared=_filled(_mapping(values.get("shared"), path, "shared")),
        requires=tuple(requires),
    )


def _mapping(value: Any, path: Path, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{path}: expected {what!r} to be a mapping by name, found {value!r}")
    return value


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("{data}", str(data_folder()))
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items()}
    return value
