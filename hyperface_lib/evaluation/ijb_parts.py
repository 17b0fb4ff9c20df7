"""Features of some images of an IJB folder as a file of their own, and all that they depend on as its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats import IjbMeta

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

Align = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float64], int], npt.NDArray[np.uint8]]
"""(image (H, W, 3), five points (5, 2), size) -> crop (size, size, 3)."""


@dataclass(frozen=True)
class ImageProblem:
    """An image that could not be used: its name, its template, and why."""

    image: str
    template: int
    reason: str

    def __str__(self) -> str:
        return f"{self.image} (template {self.template}): {self.reason}"


@dataclass(frozen=True, eq=False)
class FeaturePart:
    """Features (m, d) of some images, zero where not present (m,), and why those are not."""

    features: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    problems: tuple[ImageProblem, ...]


def part_folder(cache: Path, embedder: Embedder, meta: IjbMeta) -> Path:
    """Name the folder for the features of one embedder on one image folder."""
    place = hashlib.sha256(str(meta.images.resolve()).encode()).hexdigest()[:8]
    return cache / f"{meta.name}-{place}-{embedder.fingerprint}-{embedder.image_size}px"


def part_key(embedder: Embedder, meta: IjbMeta, align: Align, rows: range) -> str:
    """Hash all that the features of some images depend on."""
    total = hashlib.sha256()
    cut = f"{getattr(align, '__module__', '')}.{getattr(align, '__qualname__', type(align).__qualname__)}"
    # an embedder that adds mirror images itself gives features twice as long
    made_by = (embedder.fingerprint, embedder.image_size, embedder.dimension, getattr(embedder, "flip", False))
    total.update(f"1 {made_by} {cut}".encode())
    total.update(np.ascontiguousarray(meta.five_points[rows.start : rows.stop]).tobytes())
    total.update(np.ascontiguousarray(meta.template_ids[rows.start : rows.stop]).tobytes())
    for row in rows:
        try:
            status = meta.path(row).stat()
            total.update(f"{meta.image_names[row]} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{meta.image_names[row]} absent\n".encode())
    return total.hexdigest()


def write_part(path: Path, key: str, part: FeaturePart) -> None:
    """Write a part under its key, with the hash of its content; it appears whole or not at all."""
    arrays: dict[str, npt.NDArray[Any]] = {"features": part.features, "present": part.present.astype(np.uint8)}
    problems = json.dumps([asdict(problem) for problem in part.problems])
    with atomic_path(path) as temporary:
        save_file(
            arrays,
            temporary,
            metadata={"key": key, "problems": problems, "sha256": _digest(arrays, problems)},
        )


def read_part(path: Path, key: str) -> FeaturePart | None:
    """Read a part, None where there is none of this key or it is not what was written."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            arrays = {name: file.get_tensor(name) for name in ("features", "present")}
        if metadata["sha256"] != _digest(arrays, metadata["problems"]):
            return None
        problems = tuple(ImageProblem(**one) for one in json.loads(metadata["problems"]))
        return FeaturePart(arrays["features"], arrays["present"].astype(bool), problems)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None


def _digest(arrays: dict[str, npt.NDArray[Any]], problems: str) -> str:
    total = hashlib.sha256(problems.encode())
    for name in ("features", "present"):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()
