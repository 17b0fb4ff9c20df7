"""One view of labelled images wherever they lie: record files, LMDB, image folders, tar shards. Encoded, with names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.image_folder import read_image_folder
from hyperface_lib.formats.image_list import read_image_list
from hyperface_lib.formats.image_shards import read_image_shards, shard_files
from hyperface_lib.formats.lmdb_set import LmdbSet, is_lmdb, lmdb_list_path
from hyperface_lib.formats.records import RecordReader

LIST_NAME = "images.tsv"
"""The list in a folder of images or shards that keeps labels and names; beside a `.rec` it is <stem>.tsv."""

_SIGNATURES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"BM": ".bmp",
    b"GIF8": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"P5": ".pgm",
    b"P6": ".ppm",
}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """n encoded images with labels (n,), ordered by label and then as they lie.

    kind: "records", "lmdb", "folder" or "shards". encoded(i): the bytes of image i. where(i): where it lies, for
    messages. paths: "identity/file" of every image where the set has names, else None. digest(): what `fingerprint` is
    made by.
    """

    kind: str
    source: Path
    labels: npt.NDArray[np.int64]
    encoded: Callable[[int], bytes]
    where: Callable[[int], str]
    paths: tuple[str, ...] | None
    digest: Callable[[], str]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the labels, the names and the sizes of what is stored."""
        return self.digest()

    @cached_property
    def samples(self) -> npt.NDArray[np.int64]:
        """The number of every image among those of its identity, (n,), from 0."""
        starts = np.flatnonzero(np.diff(self.labels, prepend=self.labels[0] - 1))
        return np.arange(len(self)) - np.repeat(starts, np.diff(np.append(starts, len(self))))

    @cached_property
    def identities(self) -> dict[int, str]:
        """The name of every label: of the folder where there are names, else the label in at least six digits."""
        first = np.flatnonzero(self.samples == 0).tolist()
        names = {int(self.labels[row]): self._name(row) for row in first}
        twice = first_repeated(names.values())
        if twice is not None:
            raise ValueError(
                f"{self.source}: every identity was expected to have its own name, found two called {twice!r}."
            )
        return names

    def first_identities(self, count: int) -> ImageSet:
        """Return the set of the images of the first `count` identities, or of all where there are no more."""
        starts = np.flatnonzero(self.samples == 0)
        if len(starts) <= count:
            return self
        stop = int(starts[count])
        paths = None if self.paths is None else self.paths[:stop]

        def digest() -> str:
            return hashlib.sha256(f"{self.digest()} first {stop}".encode()).hexdigest()[:16]

        return replace(self, labels=self.labels[:stop], paths=paths, digest=digest)

    def _name(self, row: int) -> str:
        return f"{int(self.labels[row]):06d}" if self.paths is None else self.paths[row].partition("/")[0]


def open_image_set(path: str | Path, progress: bool = False) -> ImageSet:
    """Open a `.rec` file or a folder that holds one, an LMDB file, a folder <identity>/<image>, or tar shards.

    LMDB needs two packages more: ImportError says how they are installed. Raises FileNotFoundError, or ValueError
    naming the file and what is wrong with it.
    """
    path = Path(path)
    if path.suffix == ".rec":
        return _records(path, progress)
    if is_lmdb(path):
        return _lmdb(path, progress)
    if shard_files(path):
        return _shards(path, progress)
    if not path.is_dir():
        found = "another file" if path.exists() else "nothing there"
        raise FileNotFoundError(
            f"{path}: a record file, LMDB file, image folder or tar shard was expected, found {found}."
        )
    records = sorted(file for file in path.glob("*.rec") if not file.name.startswith("."))
    if len(records) > 1:
        raise ValueError(f"{path} was expected to hold one record file, found {', '.join(f.name for f in records)}.")
    return _records(records[0], progress) if records else _folder(path)


def image_suffix(encoded: bytes) -> str | None:
    """Return the suffix of encoded bytes by their first ones, such as ".jpg"; None if they are no image."""
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if encoded.startswith(start)), None)


def check_names(images: ImageSet) -> None:
    """Refuse names that a folder of images could not be read back from."""
    if images.paths is None:
        return
    twice = first_repeated(images.paths)
    if twice is not None:
        raise ValueError(f"{images.source}: every image was expected to have its own name, found two called {twice!r}.")
    folder_of = images.identities
    for label, path in zip(images.labels.tolist(), images.paths, strict=True):
        parts = path.split("/")
        if any(part.startswith(".") for part in parts) or parts[0] != folder_of[label]:
            raise ValueError(
                f"{images.source}: label {label} was expected in folder {folder_of[label]!r}, found {path!r}."
            )


def first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that was there before, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _records(path: Path, progress: bool) -> ImageSet:
    reader = RecordReader(path, progress)
    order = np.argsort(reader.labels, kind="stable")
    listed = reader.listed
    if listed is not None and not np.array_equal(listed.labels, reader.labels):
        row = int(np.flatnonzero(listed.labels != reader.labels)[0])
        raise ValueError(
            f"{path.with_suffix('.tsv')}: label {reader.labels[row]} was expected for key {reader.keys[row]} as in "
            f"{path.name}, found {listed.labels[row]}."
        )
    return ImageSet(
        "records",
        path,
        reader.labels[order],
        lambda number: reader[int(order[number])][0],
        lambda number: f"{path}, key {reader.keys[order[number]]} at offset {reader.offsets[order[number]]}",
        None if listed is None else tuple(listed.paths[row] for row in order),
        lambda: _fingerprint(reader.labels, reader.offsets, None if listed is None else listed.paths),
    )


def _lmdb(path: Path, progress: bool) -> ImageSet:
    images = LmdbSet(path, progress)
    order = np.argsort(images.labels, kind="stable")
    listed = images.listed
    if listed is not None and not np.array_equal(listed.labels, images.labels):
        row = int(np.flatnonzero(listed.labels != images.labels)[0])
        raise ValueError(
            f"{lmdb_list_path(path)}: label {images.labels[row]} was expected for image {row} as in {path.name}, "
            f"found {listed.labels[row]}."
        )
    paths = None if listed is None else listed.paths
    return ImageSet(
        "lmdb",
        path,
        images.labels[order],
        lambda number: images[int(order[number])][0],
        lambda number: images.where(int(order[number])),
        None if paths is None else tuple(paths[row] for row in order),
        lambda: _fingerprint(images.labels, np.asarray([images.path_size], np.int64), paths),
    )


def _folder(path: Path) -> ImageSet:
    folder = read_image_folder(path)
    names = [file.relative_to(path).as_posix() for file in folder.paths]
    labels, order = folder.labels, np.arange(len(folder))
    if (path / LIST_NAME).is_file():
        listed = read_image_list(path / LIST_NAME)
        number_of = {name: number for number, name in enumerate(listed.paths)}
        if len(number_of) != len(names) or any(name not in number_of for name in names):
            raise ValueError(
                f"{path / LIST_NAME}: the {len(names)} images of the folder were expected, found a list of "
                f"{len(listed.paths)} others: without the list, identities are numbered by name."
            )
        places = np.asarray([number_of[name] for name in names], np.int64)
        labels = listed.labels[places]
        order = np.lexsort((places, labels))
    files = [folder.paths[row] for row in order]
    return ImageSet(
        "folder",
        path,
        labels[order],
        lambda number: files[number].read_bytes(),
        lambda number: str(files[number]),
        tuple(names[row] for row in order),
        lambda: _fingerprint(labels, np.asarray([file.stat().st_size for file in folder.paths], np.int64), names),
    )


def _shards(path: Path, progress: bool) -> ImageSet:
    shards = read_image_shards(path, progress)
    order = np.argsort(shards.labels, kind="stable")
    paths = None
    place = path / LIST_NAME
    if path.is_dir() and place.is_file():
        listed = read_image_list(place)
        if not np.array_equal(listed.labels, shards.labels):
            raise ValueError(
                f"{place}: the labels of the {len(shards)} images in the shards beside it were expected, "
                f"found those of {len(listed.labels)} others."
            )
        paths = tuple(listed.paths[row] for row in order)
    return ImageSet(
        "shards",
        path,
        shards.labels[order],
        lambda number: shards.encoded(int(order[number])),
        lambda number: shards.where(int(order[number])),
        paths,
        lambda: _fingerprint(shards.labels, shards.length, shards.names),
    )


def _fingerprint(
    labels: npt.NDArray[np.int64], places: npt.NDArray[np.int64], names: tuple[str, ...] | list[str] | None
) -> str:
    digest = hashlib.sha256(labels.tobytes() + places.tobytes())
    for name in names or ():
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]
