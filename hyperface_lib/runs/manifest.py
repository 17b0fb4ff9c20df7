"""A manifest beside every artefact: what was written, from which parameters, by which versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from hyperface_lib import __version__
from hyperface_lib.atomic import write_json

FORMAT = "hyperface manifest 1"
_RECORDED = ("numpy", "torch", "diffusers", "safetensors")


def versions() -> dict[str, str]:
    """Return the versions that an artefact depends on: the kit, Python and the libraries that compute."""
    found = {"hyperface": __version__, "python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Manifest:
    """One artefact: its files (named relative to the manifest) with SHA-256 sums and sizes, and how they came to be."""

    kind: str
    files: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)

    @classmethod
    def of(cls, kind: str, files: Sequence[Path], parameters: Mapping[str, Any], folder: Path) -> Self:
        """Describe `files` as they are now, named relative to `folder`."""
        described = {
            file.relative_to(folder).as_posix(): {"sha256": sha256_of(file), "bytes": file.stat().st_size}
            for file in files
        }
        return cls(kind, described, dict(parameters))

    def save(self, path: Path) -> None:
        """Write the manifest, whole or not at all; it comes last, after the files it describes."""
        write_json(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a manifest; raises ValueError in one sentence when it is not one."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            manifest = cls(**values)
            for entry in manifest.files.values():
                str(entry["sha256"]), int(entry["bytes"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ValueError(
                f"{path}: expected a manifest ({FORMAT}), found {type(problem).__name__}: {problem}"
            ) from problem
        return manifest

    def verify(self, folder: Path) -> None:
        """Compare every file with the manifest; raises ValueError naming the first that is missing or differs."""
        root = folder.resolve()
        for name, entry in self.files.items():
            file = folder / name
            if not file.resolve().is_relative_to(root):
                raise ValueError(f"{folder}: the manifest names {name!r}, which lies outside its folder")
            if not file.is_file():
                raise ValueError(f"{file}: the manifest lists it, but it is missing; run the step that writes it again")
            found = sha256_of(file)
            if found != entry["sha256"]:
                raise ValueError(
                    f"{file}: expected SHA-256 {entry['sha256'][:16]}..., found {found[:16]}...: "
                    "it is not what its step wrote; run that step again"
                )
