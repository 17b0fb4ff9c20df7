"""Write `.rec` files that mxnet, arcface_torch and CVLface read, with their index; go on after an interrupt."""

from __future__ import annotations

import contextlib
import mmap
import os
import uuid
from array import array
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import numpy as np

from hyperface_lib.atomic import TEMPORARY_MARK
from hyperface_lib.formats.record_index import write_record_index
from hyperface_lib.formats.record_io import frame, pack_image, read_frame, record_starts, unpack_image

RecordLayout = Literal["insightface", "flat"]


class RecordWriter:
    """Write encoded images with labels; the file and its index appear when the `with` block ends well.

    layout "insightface": a header record, the images as keys 1 .. n, then a record an identity with the range of its
    images; images of an identity must follow one another. layout "flat": images only, as keys 0 .. n - 1, in any order.
    With `resumable`, an interrupted file is kept under the name `unfinished_path`, and a writer of the same path and
    layout goes on from its last whole record: `len(writer)` is the number of images it already holds.

    Raises ValueError for an empty image, a label that float32 cannot hold, or an identity that returns.
    """

    def __init__(self, path: str | Path, layout: RecordLayout = "insightface", resumable: bool = False) -> None:
        if layout not in ("insightface", "flat"):
            raise ValueError(f"layout: expected one of insightface, flat, found {layout!r}")
        self.path = Path(path)
        if self.path.suffix != ".rec":
            raise ValueError(f"{self.path}: a name that ends in .rec was expected.")
        self.layout = layout
        self.resumable = resumable
        self._offsets = array("q")
        self._ranges: list[tuple[int, int]] = []
        self._seen: set[int] = set()
        self._label: int | None = None
        self._end = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        own = "resume" if resumable else uuid.uuid4().hex[:8]
        self._temporary = self.path.with_name(f".{self.path.stem}{TEMPORARY_MARK}{own}.rec")
        self._file: IO[bytes] = self._open()
        if layout == "insightface" and not self._offsets:
            self._write(pack_image([0.0, 0.0], 0, b""))  # the header: its two numbers are known at the end

    @property
    def unfinished_path(self) -> Path:
        """Where the records lie until they are finished."""
        return self._temporary

    def __len__(self) -> int:
        return len(self._offsets) - (self.layout == "insightface")

    def append(self, encoded: bytes, label: int) -> int:
        """Write one image; return its key."""
        if not encoded:
            raise ValueError(f"{self.path}: image {len(self)} was expected to hold encoded bytes and is empty.")
        if int(np.float32(label)) != label:
            raise ValueError(
                f"{self.path}: label {label} of image {len(self)} cannot be stored, labels are float32 "
                f"(exact to {1 << 24})."
            )
        key = len(self._offsets)
        self._note(label, key)
        self._write(pack_image(label, key, encoded))
        return key

    def finish(self) -> None:
        """Write the identities and the index, and give the file its name. Raises ValueError if there is no image."""
        if not len(self):
            raise ValueError(f"{self.path}: images were expected, none was written.")
        if self.layout == "insightface":
            self._write_identities()
        self._file.close()
        index = self._temporary.with_suffix(".idx")
        try:
            write_record_index(index, self._offsets)
            # The index first: a `.rec` that is there is always a finished one.
            os.replace(index, self.path.with_suffix(".idx"))
            os.replace(self._temporary, self.path)
        finally:
            index.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._file.close()
            if not self.resumable:
                self._temporary.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        if self.resumable and self._temporary.is_file() and self._temporary.stat().st_size:
            self._end = self._read_unfinished()
            os.truncate(self._temporary, self._end)
        return self._temporary.open("ab")

    def _read_unfinished(self) -> int:
        """Take over the whole images of an interrupted file; return where they end."""
        name = str(self._temporary)
        with self._temporary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end, begun = 0, self.layout
            with contextlib.suppress(ValueError):  # the record that the interrupt cut
                for offset in record_starts(content, name):
                    payload, after = read_frame(content, offset, name)
                    record = unpack_image(payload, name)
                    is_header = not record.encoded
                    if after > len(content) or (is_header and offset):
                        break  # padding is missing, or the identities begin, which are written at the end
                    if not offset:
                        begun = "insightface" if is_header else "flat"
                    if begun != self.layout:
                        break
                    if not is_header:
                        self._note(int(record.labels[0]), len(self._offsets))
                    self._offsets.append(offset)
                    end = after
        if begun != self.layout:
            raise ValueError(f"{name} was expected to go on in layout {self.layout}, it was begun as {begun}.")
        return end

    def _note(self, label: int, key: int) -> None:
        if self.layout != "insightface":
            return
        if label != self._label:
            if label in self._seen:
                raise ValueError(
                    f"{self.path}: the images of an identity were expected one after another, "
                    f'label {label} returns at image {key} (layout "flat" takes any order).'
                )
            self._seen.add(label)
            self._label = label
            self._ranges.append((key, key))
        self._ranges[-1] = (self._ranges[-1][0], key + 1)

    def _write(self, payload: bytes) -> None:
        self._offsets.append(self._end)
        self._end += self._file.write(frame(payload))

    def _write_identities(self) -> None:
        start = len(self._offsets)
        for first, stop in self._ranges:
            self._write(pack_image([float(first), float(stop)], len(self._offsets), b""))
        self._file.flush()
        with self._temporary.open("r+b") as file:
            file.write(frame(pack_image([float(start), float(len(self._offsets))], 0, b"")))
