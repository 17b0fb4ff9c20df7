"""How a data set lies on disk: a folder an identity for hands, tar shards for scale. Every part appears whole."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.atomic import atomic_path
from hyperface_lib.synthesis.picture_formats import PictureFormat, picture_format_named

IDENTITIES_PER_SHARD = 64
_LARGEST_MEMBER = 16_000_000
_MEMBER = re.compile(r"(\d{6,9})_(\d{3,5})\.(\w+)")


class Layout(Protocol):
    """A way to store identities; a part is what is written at once: some consecutive identities."""

    def parts(self, count: int) -> list[range]:
        """Cut identities 0 .. count - 1 into parts."""

    def path(self, folder: Path, part: range) -> Path:
        """Return where a part lies."""

    def write(self, folder: Path, part: range, images: NDArray[np.uint8]) -> None:
        """Write the images (identities, samples, h, w, 3) of a part, whole or not at all."""

    def read(self, folder: Path, part: range, samples: int) -> NDArray[np.uint8]:
        """Read the images (identities, samples, h, w, 3). Raises FileNotFoundError or ValueError naming the file."""

    def digest(self, folder: Path, part: range) -> str:
        """Return the SHA-256 over the bytes of a part."""


@dataclass(frozen=True)
class FolderLayout:
    """out/<identity>/<sample>.png, numbers padded with zeros: the layout of ImageFolder readers."""

    picture_format: PictureFormat

    def parts(self, count: int) -> list[range]:
        """Cut into single identities."""
        return [range(number, number + 1) for number in range(count)]

    def path(self, folder: Path, part: range) -> Path:
        """Return the identity's folder."""
        return folder / f"{part.start:06d}"

    def write(self, folder: Path, part: range, images: NDArray[np.uint8]) -> None:
        """Write the identity's folder under a temporary name, then rename it."""
        target = self.path(folder, part)
        temporary = folder / f".partial-{uuid.uuid4().hex[:8]}"
        temporary.mkdir(parents=True)
        try:
            for sample, image in enumerate(images[0]):
                (temporary / self._name(sample)).write_bytes(self.picture_format.encode(image))
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read(self, folder: Path, part: range, samples: int) -> NDArray[np.uint8]:
        """Read the identity's images; refuses missing and additional ones."""
        place = self.path(folder, part)
        names = sorted(file.name for file in place.iterdir()) if place.is_dir() else []
        if names != [self._name(sample) for sample in range(samples)]:
            raise ValueError(f"{place}: expected {samples} images as the manifest says, found {len(names)} files")
        decode = self.picture_format.decode
        return np.stack([decode((place / name).read_bytes(), place / name) for name in names])[None]

    def _name(self, sample: int) -> str:
        return f"{sample:03d}.{self.picture_format.suffix}"

    def digest(self, folder: Path, part: range) -> str:
        """Hash the names and bytes of the identity's images, in order."""
        place = self.path(folder, part)
        whole = hashlib.sha256()
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            whole.update(file.name.encode())
            whole.update(file.read_bytes())
        return whole.hexdigest()


@dataclass(frozen=True)
class ShardLayout:
    """out/shard-<number>.tar of 64 identities, as webdataset reads them: <identity>_<sample>.png and .cls."""

    picture_format: PictureFormat

    def parts(self, count: int) -> list[range]:
        """Cut into shards of 64 identities; the last may be shorter."""
        starts = range(0, count, IDENTITIES_PER_SHARD)
        return [range(start, min(start + IDENTITIES_PER_SHARD, count)) for start in starts]

    def path(self, folder: Path, part: range) -> Path:
        """Return the shard's file."""
        return folder / f"shard-{part.start // IDENTITIES_PER_SHARD:06d}.tar"

    def write(self, folder: Path, part: range, images: NDArray[np.uint8]) -> None:
        """Write the shard; the same images make the same bytes."""
        with atomic_path(self.path(folder, part)) as temporary, tarfile.open(temporary, "w") as archive:
            for number, samples in zip(part, images, strict=True):
                for sample, image in enumerate(samples):
                    key = f"{number:06d}_{sample:03d}"
                    _add(archive, f"{key}.{self.picture_format.suffix}", self.picture_format.encode(image))
                    _add(archive, f"{key}.cls", str(number).encode())

    def read(self, folder: Path, part: range, samples: int) -> NDArray[np.uint8]:
        """Read the shard's images; refuses members that are not regular, misnamed, too large, missing or more."""
        place = self.path(folder, part)
        found: dict[tuple[int, int], NDArray[np.uint8]] = {}
        try:
            with tarfile.open(place, "r:") as archive:
                for member in archive:
                    match = _MEMBER.fullmatch(member.name)
                    known = match is not None and match[3] in (self.picture_format.suffix, "cls")
                    if match is None or not known or not member.isreg() or member.size > _LARGEST_MEMBER:
                        raise ValueError(f"{place}: expected images and labels, found member {member.name!r}")
                    stream = archive.extractfile(member)
                    if match[3] != "cls" and stream is not None:
                        found[int(match[1]), int(match[2])] = self.picture_format.decode(stream.read(), place)
        except (tarfile.TarError, OSError) as problem:
            raise ValueError(f"{place}: expected a tar shard, found: {problem}") from problem
        wanted = [(number, sample) for number in part for sample in range(samples)]
        if sorted(found) != wanted:
            raise ValueError(f"{place}: expected {len(wanted)} images as the manifest says, found {len(found)}")
        images = np.stack([found[key] for key in wanted])
        return images.reshape(len(part), samples, *images.shape[1:])

    def digest(self, folder: Path, part: range) -> str:
        """Hash the shard's bytes."""
        place = self.path(folder, part)
        if not place.is_file():
            return ""
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


LAYOUTS: dict[str, Callable[[PictureFormat], Layout]] = {"folder": FolderLayout, "shards": ShardLayout}


def layout_named(name: str, picture_format: str = "png") -> Layout:
    """Return a layout by name, for pictures of a format. Raises ValueError naming those there are."""
    if name not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(sorted(LAYOUTS))}, found {name!r}")
    return LAYOUTS[name](picture_format_named(picture_format))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # no date, no owner: the same content makes the same file
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
