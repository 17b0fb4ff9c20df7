"""LMDB files of labelled images, as Vec2Face and the HSFace sets use them: samples packed by msgpack under numbers.

Keys are "0", "1", ... in text; a value is (encoded image, label) or (encoded image, `.npy` bytes of a feature, label,
and whatever follows). `__keys__` lists the keys, `__len__` counts them, `__classnum__` counts the identities. A file
`<stem>_mask.npy` beside it holds the numbers of the images that count.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.formats.files import require_file
from hyperface_lib.formats.image_list import ImageList, read_image_list
from hyperface_lib.formats.numpy_vectors import open_numpy_array

LARGEST_SAMPLE = 64_000_000
"""Bytes of the longest value that is unpacked."""

_LARGEST_LABEL = 1 << 62
_PAGE_HEADER, _MAGIC = 16, 0xBEEFC0DE
# Magic number, version, address, size of the map, two tables (the page size is the first word of the first), last
# page, transaction.
_META = struct.Struct("<IIQQI44x48xQQ")
_open_files: WeakValueDictionary[Path, _Environment] = WeakValueDictionary()


class LmdbSet(Sequence[tuple[bytes, int]]):
    """Read the images of an LMDB file by number: `images[i]` is (encoded bytes, label), in the order of `__keys__`.

    keys: those of the images, without the ones that a mask beside the file leaves out; `masked` says how many. The
    file is mapped, not loaded; reading from several threads is fine. Raises FileNotFoundError, ImportError naming the
    command that installs the two packages, or ValueError naming the file: cut off, no LMDB file, keys that do not fit.
    """

    def __init__(self, path: str | Path, progress: bool = False) -> None:
        self.path = Path(path)
        self.progress = progress
        self._environment = _open(self.path)
        keys = self._keys()
        mask = self.path.with_name(f"{self.path.stem}_mask.npy")
        self.keys = _masked(keys, mask) if mask.is_file() else keys
        self.masked = len(keys) - len(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[bytes, int]:  # type: ignore[override]
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} images, asked for image {index}.")
        sample = self._unpacked(self.keys[index])
        fits = isinstance(sample, tuple) and len(sample) >= 2 and isinstance(sample[0], bytes)
        label = sample[1 if len(sample) == 2 else 2] if fits else None
        if not isinstance(label, int) or isinstance(label, bool) or abs(label) >= _LARGEST_LABEL:
            raise ValueError(
                f"{self.where(index)}: (image, label) or (image, feature, label) was expected, found {_kind(sample)}."
            )
        return sample[0], label

    def where(self, index: int) -> str:
        """Say in words where an image lies."""
        return f"{self.path}, key {self.keys[index].decode('utf-8', 'replace')[:40]}"

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """The label of every image (n,) int64; all images are read for it."""
        numbers = tqdm(range(len(self)), disable=not self.progress, delay=1, desc="labels", unit="image")
        return np.asarray([self[number][1] for number in numbers], np.int64)

    @cached_property
    def listed(self) -> ImageList | None:
        """The list <file>.tsv beside the file, which keeps names, or None; ValueError if it is another file's."""
        path = lmdb_list_path(self.path)
        if self.masked or not path.is_file():
            return None
        listed = read_image_list(path)
        if not np.array_equal(listed.numbers, np.arange(len(self))):
            raise ValueError(
                f"{path}: the {len(self)} images of {self.path.name} were expected by number, found a list of "
                f"{len(listed.numbers)} others."
            )
        return listed

    @property
    def classes(self) -> int | None:
        """The number of identities that the file says it has, or None."""
        found = self._entry(b"__classnum__")
        return found if isinstance(found, int) else None

    def _keys(self) -> tuple[bytes, ...]:
        listed, count = self._entry(b"__keys__"), self._entry(b"__len__")
        if listed is None and isinstance(count, int):
            # A file cannot have more keys than bytes.
            listed = tuple(str(number).encode() for number in range(min(count, self.path_size)))
        if not isinstance(listed, tuple) or not all(isinstance(key, bytes | str) and key for key in listed):
            raise ValueError(f"{self.path}: a list of keys was expected under __keys__, found {_kind(listed)}.")
        if not listed or (isinstance(count, int) and count != len(listed)):
            raise ValueError(f"{self.path}: {count} images were expected by __len__, found {len(listed)} keys.")
        return tuple(key.encode() if isinstance(key, str) else key for key in listed)

    @property
    def path_size(self) -> int:
        """Bytes of the file."""
        return _data_file(self.path).stat().st_size

    def _entry(self, key: bytes) -> Any:
        value = self._environment.get(key)
        return None if value is None else _unpack(value, f"{self.path}, key {key.decode()}", len(value))

    def _unpacked(self, key: bytes) -> Any:
        value = self._environment.get(key)
        where = f"{self.path}, key {key.decode('utf-8', 'replace')[:40]}"
        if value is None:
            raise ValueError(f"{where}: an image was expected, found none.")
        if len(value) > LARGEST_SAMPLE:
            raise ValueError(f"{where}: at most {LARGEST_SAMPLE:,} bytes were expected, found {len(value):,}.")
        return _unpack(value, where, 1000)

    def __repr__(self) -> str:
        return f"LmdbSet({str(self.path)!r}: {len(self)} images)"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_environment"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._environment = _open(self.path)


def is_lmdb(path: str | Path) -> bool:
    """Say whether a path is an LMDB file by its name, or a folder that holds one."""
    path = Path(path)
    return path.suffix == ".lmdb" or (path.is_dir() and (path / "data.mdb").is_file())


def lmdb_list_path(path: Path) -> Path:
    """Return where the names of an LMDB file's images lie: not where those of a `.rec` of the same stem do."""
    return path.with_name(f"{path.name}.tsv")


def import_packages(path: Path) -> tuple[Any, Any]:
    """Return the modules lmdb and msgpack. Raises ImportError naming the command that installs them."""
    try:
        import lmdb
        import msgpack
    except ImportError as problem:
        raise ImportError(
            f"{path}: LMDB files need the packages lmdb and msgpack, found no {problem.name}: "
            f"install them with `pip install -e '.[formats]'` in the kit's folder."
        ) from None
    return lmdb, msgpack


class _Environment:
    """An open file; the library opens each only once in a process, so it is shared and closed with its last user."""

    def __init__(self, path: Path) -> None:
        lmdb, _ = import_packages(path)
        _check_pages(path)
        try:
            self._opened = lmdb.open(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, max_readers=1024
            )
        except (lmdb.Error, OSError) as problem:
            reason = " ".join(str(problem).split())
            raise ValueError(f"{path}: an LMDB file was expected, found: {reason}.") from problem

    def get(self, key: bytes) -> bytes | None:
        with self._opened.begin() as transaction:
            found: bytes | None = transaction.get(key)
        return found

    def __del__(self) -> None:
        if hasattr(self, "_opened"):
            self._opened.close()


def _open(path: Path) -> _Environment:
    place = _data_file(path).resolve()
    there = _open_files.get(place)
    if there is None:
        there = _open_files[place] = _Environment(path)
    return there


def _data_file(path: Path) -> Path:
    return path / "data.mdb" if path.is_dir() else path


def _check_pages(path: Path) -> None:
    """Refuse a file that ends before its last page: reading a missing page of a map ends the whole process."""
    file = require_file(_data_file(path), "an LMDB file")
    size = file.stat().st_size
    with file.open("rb") as stream:
        first = _meta(stream.read(_PAGE_HEADER + _META.size), file)
        page = first[0]
        stream.seek(page)
        second = _meta(stream.read(_PAGE_HEADER + _META.size), file)
    _, last_page, _ = max(first, second, key=lambda meta: meta[2])
    wanted = (max(last_page, 1) + 1) * page
    if size < wanted:
        raise ValueError(f"{path}: an LMDB file of {wanted} bytes was expected, found {size}: it is cut.")


def _meta(content: bytes, file: Path) -> tuple[int, int, int]:
    """Return page size, last page and transaction of one of the two pages that describe the file."""
    if len(content) < _PAGE_HEADER + _META.size:
        raise ValueError(f"{file}: an LMDB file was expected, found one that ends within its first two pages.")
    magic, _, _, _, page, last_page, transaction = _META.unpack_from(content, _PAGE_HEADER)
    if magic != _MAGIC or not 512 <= page <= 65536 or page & (page - 1):
        raise ValueError(f"{file}: an LMDB file was expected, found bytes {content[16:24]!r} where its mark should be.")
    return page, last_page, transaction


def _unpack(value: bytes, where: str, most: int) -> Any:
    """Unpack plain values: no types of others, no tables, no more items than `most`."""
    import msgpack

    try:
        return msgpack.unpackb(value, use_list=False, max_array_len=most, max_map_len=0, max_ext_len=0)
    except Exception as problem:
        reason = " ".join(str(problem).split()).rstrip(".") or type(problem).__name__
        raise ValueError(
            f"{where}: values packed by msgpack were expected, found {len(value)} bytes: {reason}."
        ) from problem


def _masked(keys: tuple[bytes, ...], mask: Path) -> tuple[bytes, ...]:
    """Return the keys whose numbers a mask lists, in rising order, or marks as true."""
    array = np.asarray(open_numpy_array(mask)).ravel()
    if array.dtype == bool and len(array) == len(keys):
        array = np.flatnonzero(array)
    if array.dtype.kind not in "iu" or not len(array) or array.min() < 0 or array.max() >= len(keys):
        raise ValueError(f"{mask}: numbers of images 0 to {len(keys) - 1} were expected, found others.")
    return tuple(keys[int(number)] for number in np.unique(array))


def _kind(value: Any) -> str:
    inside = f" of {', '.join(type(one).__name__ for one in value[:4])}" if isinstance(value, tuple) else ""
    return f"{type(value).__name__}{inside}"
