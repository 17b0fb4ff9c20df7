"""Tar shards as webdataset reads them, <key>.<image suffix> with <key>.cls: found by their headers, never unpacked."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats.images import IMAGE_SUFFIXES, decode_image

LARGEST_MEMBER = 16_000_000
_NUMBER = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, eq=False)
class ImageShards:
    """Where the n images of some shards lie, in the order of the files and of what is in them.

    file_of: (n,) the number of the file; start, length: (n,) bytes; labels: (n,); names: those of the members.
    """

    files: tuple[Path, ...]
    file_of: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self, number: int) -> bytes:
        """Return one image as it is stored."""
        with self.files[self.file_of[number]].open("rb") as stream:
            stream.seek(int(self.start[number]))
            return stream.read(int(self.length[number]))

    def image(self, number: int) -> npt.NDArray[np.uint8]:
        """Decode one image to uint8 RGB (h, w, 3)."""
        return decode_image(self.encoded(number), self.where(number))

    def where(self, number: int) -> str:
        """Say in words where an image lies."""
        return f"{self.files[self.file_of[number]]}, {self.names[number]}"


def shard_files(path: str | Path) -> tuple[Path, ...]:
    """Return the tar files of a folder in the order of their names, or the one that `path` is; empty if none."""
    path = Path(path)
    if path.is_file() and path.suffix == ".tar":
        return (path,)
    if not path.is_dir():
        return ()
    return tuple(sorted((file for file in path.glob("*.tar") if not file.name.startswith(".")), key=lambda f: f.name))


def read_image_shards(path: str | Path, progress: bool = False) -> ImageShards:
    """Index a folder of uncompressed tar shards, or one of them, by the headers.

    Raises FileNotFoundError where there is none, and ValueError naming the shard: no tar file, a cut one, a member that
    is no regular file or too large, an image without label, two images of one key, no image at all.
    """
    files = shard_files(path)
    if not files:
        raise FileNotFoundError(f"{path}: tar shards were expected, found none.")
    found: list[tuple[int, int, int, int]] = []
    names: list[str] = []
    for number, file in enumerate(tqdm(files, disable=not progress, delay=1, desc="indexing shards")):
        for name, start, length, label in _samples(file):
            found.append((number, start, length, label))
            names.append(name)
    if not found:
        raise ValueError(f"{path}: expected shards that hold images, found none")
    table = np.asarray(found, np.int64)
    return ImageShards(files, table[:, 0].astype(np.int32), table[:, 1], table[:, 2], table[:, 3], tuple(names))


def write_shard(path: str | Path, samples: Iterable[tuple[str, bytes, int]]) -> None:
    """Write (member name, encoded image, label) as a shard, whole or not at all; the same samples, the same bytes."""
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as archive:
        for name, encoded, label in samples:
            for member, content in ((name, encoded), (f"{_key(name)}.cls", str(label).encode())):
                entry = tarfile.TarInfo(member)  # no date, no owner
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def _samples(file: Path) -> Sequence[tuple[str, int, int, int]]:
    """Return (name, first byte, length, label) of the images of a shard in the order in which they lie."""
    images: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    size = file.stat().st_size
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                key, suffix = _key(member.name), Path(member.name).suffix.lower()
                if not member.isreg() or member.size > LARGEST_MEMBER:
                    raise ValueError(f"{file}: expected images and labels, found member {member.name!r}")
                if member.offset_data + member.size > size:
                    raise ValueError(
                        f"{file}, offset {member.offset_data}: {member.size} bytes of {member.name!r} were expected, "
                        f"found {size - member.offset_data}"
                    )
                if suffix in IMAGE_SUFFIXES:
                    if key in images:
                        raise ValueError(f"{file}: expected one image a sample, found two of {key!r}")
                    images[key] = (member.name, member.offset_data, member.size)
                elif suffix == ".cls":
                    stream = archive.extractfile(member)
                    labels[key] = _label(b"" if stream is None else stream.read(), f"{file}, {member.name}")
    except (tarfile.TarError, OSError) as problem:
        raise ValueError(f"{file}: expected an uncompressed tar shard, found: {problem}") from problem
    missing = [key for key in images if key not in labels]
    if missing:
        raise ValueError(f"{file}: expected a label <key>.cls for every image, found none for {missing[0]!r}")
    return [(*place, labels[key]) for key, place in images.items()]


def _key(name: str) -> str:
    """Return the key of a member as webdataset sees it: all before the first dot of the file's own name."""
    folder, slash, own = name.rpartition("/")
    return folder + slash + own.partition(".")[0]


def _label(content: bytes, name: str) -> int:
    text = content.decode("ascii", "replace").strip()
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{name}: expected an identity's number, found {text[:40]!r}")
    return int(text)
