"""Rendered benchmarks on disk: rendering takes minutes, reading a second."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats import PairSet

Arrays = dict[str, npt.NDArray[Any]]
_ARRAYS = ("images", "first", "second", "is_same", "folds")


class CacheError(ValueError):
    """A cached pair set that is not what was written."""


def write_cached(path: Path, pair_set: PairSet) -> None:
    """Write a pair set of equally sized images to a safetensors file that carries the hash of its content.

    The file appears under its name only when it is complete. Raises ValueError when the images differ in size.
    """
    try:
        images = np.ascontiguousarray(np.asarray(pair_set.images, dtype=np.uint8))
    except ValueError as error:
        raise ValueError(f"Pair set {pair_set.name!r} cannot be cached: its images differ in size.") from error
    arrays: Arrays = {
        "images": images,
        "first": pair_set.first,
        "second": pair_set.second,
        "is_same": pair_set.is_same.astype(np.uint8),
        "folds": np.asarray(pair_set.folds),
    }
    description = json.dumps(
        {"name": pair_set.name, "aligned": pair_set.aligned, "provenance": pair_set.provenance},
        sort_keys=True,
        default=str,
    )
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"description": description, "sha256": _digest(arrays, description)})


def read_cached(path: Path) -> PairSet:
    """Read a pair set that `write_cached` wrote.

    Raises CacheError, naming the file, when its content is not what its hash says.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        description = metadata["description"]
        if metadata["sha256"] != _digest(arrays, description):
            raise CacheError(f"{path} does not hold what was written: its hash differs.")
        described = json.loads(description)
        return PairSet(
            name=described["name"],
            images=arrays["images"],
            first=arrays["first"],
            second=arrays["second"],
            is_same=arrays["is_same"].astype(bool),
            folds=arrays["folds"],
            aligned=described["aligned"],
            provenance=described["provenance"],
        )
    except CacheError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} was expected to be a cached pair set and cannot be read as one: {error}.") from error


def rendered_set(name: str, pairs: int, size: int, progress: bool = False) -> PairSet:
    """Give a rendered benchmark, from the cache folder when it is there, else rendered now and cached.

    The file name holds the versions of renderer and benchmarks, the image size and the number of pairs; a file that
    is damaged is rendered again.
    """
    from hyperface_lib import assets, faces

    version = f"renderer{faces.RENDERER_VERSION}-benchmark{faces.BENCHMARK_VERSION}"
    path = Path(assets.cache_folder()) / "benchmarks" / f"{name}-{version}-{size}px-{pairs}pairs.safetensors"
    if path.exists():
        try:
            return read_cached(path)
        except CacheError:
            path.unlink(missing_ok=True)
    pair_set = faces.rendered_benchmark(name, pairs=pairs, size=size, progress=progress)
    write_cached(path, pair_set)
    return pair_set


def _digest(arrays: Arrays, description: str) -> str:
    total = hashlib.sha256(description.encode())
    for name in _ARRAYS:
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()
