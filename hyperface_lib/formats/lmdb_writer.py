"""Write LMDB files of labelled images that Vec2Face's trainers read; go on after an interrupt."""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hyperface_lib.atomic import TEMPORARY_MARK
from hyperface_lib.formats.lmdb_set import import_packages

_SAMPLES_AT_ONCE = 512
_FIRST_SIZE = 1 << 26


class LmdbWriter:
    """Write encoded images with labels under "0", "1", ...; the file appears when the `with` block ends well.

    A sample is (image, label), or (image, feature as `.npy` bytes, label) where a feature is given. With `resumable`
    an interrupted file is kept under a temporary name, and a writer of the same path goes on from what was committed:
    `len(writer)` is the number of images it already holds. Raises ImportError naming the command that installs the
    packages, and ValueError for an empty image or no image at all.
    """

    def __init__(self, path: str | Path, resumable: bool = False) -> None:
        self.path = Path(path)
        if self.path.suffix != ".lmdb":
            raise ValueError(f"{self.path}: a name that ends in .lmdb was expected, found {self.path.suffix!r}.")
        self._lmdb, self._msgpack = import_packages(self.path)
        self.resumable = resumable
        self.path.parent.mkdir(parents=True, exist_ok=True)
        own = "resume" if resumable else uuid.uuid4().hex[:8]
        self._temporary = self.path.with_name(f".{self.path.stem}{TEMPORARY_MARK}{own}.lmdb")
        self._waiting: list[tuple[bytes, bytes]] = []
        self._labels: set[int] = set()
        self._environment: Any = self._open()
        with self._environment.begin() as transaction:
            finished = transaction.get(b"__len__")  # all is written, but the interrupt came before the new name
            self._count = int(transaction.stat()["entries"] if finished is None else self._msgpack.unpackb(finished))
            for number in range(self._count):
                self._labels.add(self._msgpack.unpackb(transaction.get(str(number).encode()), use_list=False)[-1])

    def __len__(self) -> int:
        return self._count

    def append(self, encoded: bytes, label: int, feature: npt.NDArray[np.float32] | None = None) -> int:
        """Write one image; return its number."""
        if not encoded:
            raise ValueError(f"{self.path}: image {self._count} was expected to hold encoded bytes, found none.")
        sample: tuple[Any, ...] = (encoded, int(label))
        if feature is not None:
            stream = io.BytesIO()
            np.save(stream, np.asarray(feature, np.float32), allow_pickle=False)
            sample = (encoded, stream.getvalue(), int(label))
        self._waiting.append((str(self._count).encode(), self._msgpack.packb(sample)))
        self._labels.add(int(label))
        self._count += 1
        if len(self._waiting) == _SAMPLES_AT_ONCE:
            self._commit()
        return self._count - 1

    def finish(self) -> None:
        """Write the list of keys and give the file its name. Raises ValueError if there is no image."""
        if not self._count:
            raise ValueError(f"{self.path}: images were expected, found none to write.")
        keys = [str(number).encode() for number in range(self._count)]
        for name, value in (("__keys__", keys), ("__len__", self._count), ("__classnum__", len(self._labels))):
            self._waiting.append((name.encode(), self._msgpack.packb(value)))
        self._commit()
        self._environment.sync(True)
        self._close()
        os.replace(self._temporary, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
            elif self.resumable:
                self._commit()
        finally:
            self._close()
            if not self.resumable:
                self._temporary.unlink(missing_ok=True)

    def _open(self) -> Any:
        # The map is made larger when it is full: on some systems its whole size is taken on the disk at once.
        size = max(_FIRST_SIZE, 2 * self._temporary.stat().st_size if self._temporary.exists() else 0)
        # One writer, and nobody reads before the file has its name: no lock file.
        return self._lmdb.open(str(self._temporary), subdir=False, lock=False, map_size=size, meminit=False)

    def _commit(self) -> None:
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in self._waiting:
                        transaction.put(key, value)
                break
            except self._lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
        self._waiting.clear()

    def _close(self) -> None:
        with contextlib.suppress(self._lmdb.Error):
            self._environment.close()
