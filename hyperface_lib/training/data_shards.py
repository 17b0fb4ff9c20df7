"""Tar shards by number: an index of where each image lies, so that any image is read alone and none is unpacked."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.formats import decode_image
from hyperface_lib.formats.images import IMAGE_SUFFIXES

_LARGEST_MEMBER = 16_000_000
_NUMBER = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Where n images lie: the number of the file, the first byte, the length (each (n,)), and the labels (n,)."""

    files: tuple[Path, ...]
    file_of: NDArray[np.int32]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    labels: NDArray[np.int64]

    def read(self, number: int) -> NDArray[np.uint8]:
        """Return one image, uint8 RGB (h, w, 3). Raises ValueError naming the shard if it cannot be read."""
        file = self.files[self.file_of[number]]
        with file.open("rb") as stream:
            stream.seek(int(self.start[number]))
            return decode_image(stream.read(int(self.length[number])), f"{file}, image {number}")


def shard_files(path: Path) -> tuple[Path, ...]:
    """Return the tar files of a folder in the order of their names, or the one that `path` is; empty if none."""
    if path.is_file() and path.suffix == ".tar":
        return (path,)
    if not path.is_dir():
        return ()
    return tuple(sorted((file for file in path.glob("*.tar") if not file.name.startswith(".")), key=lambda f: f.name))


def index_shards(files: Sequence[Path], progress: bool = False) -> ShardIndex:
    """Read the headers of uncompressed tar files: of each sample <key>.<image suffix> and its label <key>.cls.

    Raises ValueError naming the shard: no tar file, a member that is no regular file or too large, an image without
    label, two images of one key, no image at all.
    """
    numbers: list[int] = []
    places: list[tuple[int, int]] = []
    labels: list[int] = []
    for number, file in enumerate(tqdm(files, disable=not progress, desc="indexing shards")):
        for start, length, label in _samples(file):
            numbers.append(number)
            places.append((start, length))
            labels.append(label)
    if not labels:
        raise ValueError(f"{files[0].parent}: expected shards that hold images, found none")
    starts_and_lengths = np.asarray(places, np.int64)
    return ShardIndex(
        tuple(files),
        np.asarray(numbers, np.int32),
        starts_and_lengths[:, 0],
        starts_and_lengths[:, 1],
        np.asarray(labels, np.int64),
    )


def _samples(file: Path) -> list[tuple[int, int, int]]:
    """Return (first byte, length, label) of the images of a shard in the order in which they lie."""
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                key, suffix = _key_and_suffix(member.name)
                if not member.isreg() or member.size > _LARGEST_MEMBER:
                    raise ValueError(f"{file}: expected images and labels, found member {member.name!r}")
                if suffix in IMAGE_SUFFIXES:
                    if key in images:
                        raise ValueError(f"{file}: expected one image a sample, found two of {key!r}")
                    images[key] = (member.offset_data, member.size)
                elif suffix == ".cls":
                    stream = archive.extractfile(member)
                    labels[key] = _label(b"" if stream is None else stream.read(), f"{file}, {member.name}")
    except (tarfile.TarError, OSError) as problem:
        raise ValueError(f"{file}: expected an uncompressed tar shard, found: {problem}") from problem
    missing = [key for key in images if key not in labels]
    if missing:
        raise ValueError(f"{file}: expected a label <key>.cls for every image, found none for {missing[0]!r}")
    return [(*place, labels[key]) for key, place in images.items()]


def _key_and_suffix(name: str) -> tuple[str, str]:
    """Split a member's name as webdataset does: the key ends at the first dot of the file's own name."""
    folder, slash, own = name.rpartition("/")
    key, _, _ = own.partition(".")
    return folder + slash + key, Path(own).suffix.lower()


def _label(content: bytes, name: str) -> int:
    text = content.decode("ascii", "replace").strip()
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{name}: expected an identity's number, found {text[:40]!r}")
    return int(text)
