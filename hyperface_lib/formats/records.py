"""MXNet's `.rec` files of encoded images, as InsightFace and CVLface use them: any image by number, without mxnet."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.formats.files import require_file
from hyperface_lib.formats.image_list import ImageList, read_image_list
from hyperface_lib.formats.images import decode_image
from hyperface_lib.formats.record_index import check_offsets, read_record_index
from hyperface_lib.formats.record_io import (
    FRAME_BYTES,
    HEADER_BYTES,
    LARGEST_RECORD,
    MAGIC,
    ImageRecord,
    read_frame,
    record_starts,
    unpack_image,
)

EXACT_LABELS = 1 << 24
"""Labels are float32: whole numbers are exact up to here."""

_START = struct.Struct("<IIIf")
_IMAGE_START = FRAME_BYTES + HEADER_BYTES
_LARGEST_LABEL = 2.0**62
_RECORDS_AT_ONCE = 1 << 15


class RecordReader(Sequence[tuple[bytes, int]]):
    """Read the images of a `.rec` file by number: `len(records)` images, `records[i]` is (encoded bytes, label).

    layout "insightface": record 0 says that images are the keys 1 .. n and identities (each with the range of its
    images) the keys behind them. layout "flat": every record is an image (im2rec, CVLface). Which it is, record 0 says.
    Images are ordered by key; `keys` (n,) and `offsets` (n,) are int64. Keys come from the `.idx` beside the file, or
    without one from the order of the records, for which the file is scanned. A record with several labels counts
    with its first. The file is mapped, not loaded; readers may be sent to worker processes. `bytes_not_indexed` counts
    what lies behind the last record of the index, as where the index was cut.

    Raises FileNotFoundError, or ValueError in one sentence naming the file and the offset of what is wrong: a cut file,
    an index of another file, a header that promises more images than there are.
    """

    def __init__(self, path: str | Path, progress: bool = False) -> None:
        self.path = Path(path)
        self.progress = progress
        self._map = _map_file(self.path)
        index = self.path.with_suffix(".idx")
        if index.is_file():
            keys, offsets = read_record_index(index)
            check_offsets(index, offsets, len(self._map))
        else:
            offsets = _scan(self._map, self.path, progress)
            keys = np.arange(len(offsets), dtype=np.int64)
        # The record that lies last says whether the file is whole.
        _, end = read_frame(self._map, int(offsets.max()), str(self.path))
        self.bytes_not_indexed = max(0, len(self._map) - end)
        header = self._header(keys, offsets)
        self.layout: Literal["insightface", "flat"] = "flat" if header is None else "insightface"
        first, stop = (0, len(keys)) if header is None else (1, self._images_end(header, keys, offsets))
        self.keys, self.offsets = keys[first:stop], offsets[first:stop]
        self._identity_offsets = offsets[stop:]
        if not len(self.keys):
            raise ValueError(f"{self.path}: images were expected, found {len(keys)} records without one.")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[bytes, int]:  # type: ignore[override]
        offset = self._offset(index)
        try:
            magic, word, flag, label = _START.unpack_from(self._map, offset)
        except struct.error:
            return self._image(index)
        end = offset + FRAME_BYTES + word
        # The common record, one part and one label, in as few steps as there are. Any other takes the careful way.
        plain = magic == MAGIC and HEADER_BYTES < word <= LARGEST_RECORD and not flag and end <= len(self._map)
        if plain and label.is_integer() and abs(label) < _LARGEST_LABEL:
            return self._map[offset + _IMAGE_START : end], int(label)
        return self._image(index)

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """Decode one image to uint8 RGB (H, W, 3)."""
        return decode_image(self[index][0], f"{self.path}, key {self.keys[index]}")

    def record(self, index: int) -> ImageRecord:
        """Return one record with all its labels and its own number."""
        offset = self._offset(index)
        payload, _ = read_frame(self._map, offset, str(self.path))
        return unpack_image(payload, f"{self.path}, offset {offset}")

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """The label of every image (n,) int64.

        From the identities' ranges where the file has them and they cover the images exactly, which reads two images
        an identity; otherwise the header of every image is read. Ranges are float32, so those of more than 16.7
        million images are not used.
        """
        return self._labels_of_ranges() if self._ranges_are_exact() else self._labels_of_headers()

    @cached_property
    def listed(self) -> ImageList | None:
        """The `.tsv` list beside the file, which keeps names, or None; ValueError if it is another file's."""
        path = self.path.with_suffix(".tsv")
        if not path.is_file():
            return None
        listed = read_image_list(path)
        if not np.array_equal(np.sort(listed.numbers), self.keys):
            raise ValueError(
                f"{path}: the {len(self)} images of {self.path.name} were expected by key, "
                f"found a list of {len(listed.numbers)} others."
            )
        order = np.argsort(listed.numbers, kind="stable")
        return ImageList(listed.numbers[order], tuple(listed.paths[row] for row in order), listed.labels[order])

    @cached_property
    def identities(self) -> dict[int, str]:
        """The name of every label: from the `.tsv` list beside the file, or else the label's own digits."""
        listed = self.listed
        names = {} if listed is None else listed.identities
        return {int(label): names.get(int(label), str(label)) for label in np.unique(self.labels)}

    @property
    def ranges(self) -> npt.NDArray[np.int64]:
        """The keys (first, behind the last) of each identity's images, (c, 2); empty where the file has none."""
        rows = np.zeros((len(self._identity_offsets), 2), np.int64)
        for row, offset in enumerate(self._identity_offsets.tolist()):
            labels = self._read(offset).labels
            if len(labels) < 2 or not np.isfinite(labels[:2]).all():
                raise ValueError(
                    f"{self.path}, offset {offset}: the range of an identity's images was expected, found {labels}."
                )
            rows[row] = labels[:2]
        return rows

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RecordReader({str(self.path)!r}: {len(self)} images, {self.layout})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_map"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map = _map_file(self.path)

    def _offset(self, index: int) -> int:
        count = len(self.offsets)
        if not -count <= index < count:
            raise IndexError(f"{self.path} has {count} images, asked for image {index}.")
        return int(self.offsets[index])

    def _read(self, offset: int) -> ImageRecord:
        payload, _ = read_frame(self._map, offset, str(self.path))
        return unpack_image(payload, f"{self.path}, offset {offset}")

    def _image(self, index: int) -> tuple[bytes, int]:
        offset = self._offset(index)
        record = self._read(offset)
        if not record.encoded:
            raise ValueError(
                f"{self.path}, offset {offset}: an image was expected at key {self.keys[index]}, found none."
            )
        return record.encoded, self._whole(float(record.labels[0]), offset)

    def _whole(self, label: float, offset: int) -> int:
        if not label.is_integer() or abs(label) >= _LARGEST_LABEL:
            raise ValueError(f"{self.path}, offset {offset}: an identity's whole number was expected, found {label}.")
        return int(label)

    def _header(self, keys: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | None:
        """Return the labels of record 0 if it is a header: several labels, and no image."""
        if keys[0] != 0:
            return None
        payload, _ = read_frame(self._map, int(offsets[0]), str(self.path))
        record = unpack_image(payload, f"{self.path}, offset {offsets[0]}")
        return record.labels if len(record.labels) > 1 and not record.encoded else None

    def _images_end(
        self, header: npt.NDArray[np.float32], keys: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
    ) -> int:
        """Return the place behind the last image among the keys, which are 0, 1, 2, ... in such a file."""
        claimed = float(header[0])
        if not claimed.is_integer() or claimed < 1:
            raise ValueError(f"{self.path}: its header was expected to say where the images end, found {claimed}.")
        doubt = int(np.spacing(np.float32(claimed))) if claimed > EXACT_LABELS else 0
        stop = int(claimed) - doubt
        if len(keys) < stop or keys[stop - 1] != stop - 1:
            there = int(np.searchsorted(keys, stop)) - 1
            raise ValueError(
                f"{self.path}: images 1 to {stop - 1} were expected by its header, found {there} of them in the index."
            )
        # float32 has rounded the number: the first record without an image is where they end.
        while doubt and stop < len(keys) and stop < claimed + doubt and self._read(int(offsets[stop])).encoded:
            stop += 1
        return stop

    def _ranges_are_exact(self) -> bool:
        if not len(self._identity_offsets) or self.keys[-1] > EXACT_LABELS:
            return False
        try:
            ranges = self.ranges
        except ValueError:
            return False
        ends = [1, *ranges[:, 1].tolist()]
        return ends[:-1] == ranges[:, 0].tolist() and ends[-1] == self.keys[-1] + 1 and bool((np.diff(ends) > 0).all())

    def _labels_of_ranges(self) -> npt.NDArray[np.int64]:
        ranges = self.ranges
        labels = np.empty(len(self), np.int64)
        bar = tqdm(ranges.tolist(), disable=not self.progress, delay=1, desc="labels", unit="identity")
        for first, stop in bar:
            label, last = self[first - 1][1], self[stop - 2][1]
            if label != last:
                raise ValueError(
                    f"{self.path}: images {first} to {stop - 1} were expected to be of one identity, "
                    f"found labels {label} and {last}."
                )
            labels[first - 1 : stop - 1] = label
        return labels

    def _labels_of_headers(self) -> npt.NDArray[np.int64]:
        labels = np.empty(len(self), np.int64)
        with tqdm(total=len(self), disable=not self.progress, delay=1, desc="labels", unit="image") as bar:
            for start in range(0, len(self), _RECORDS_AT_ONCE):
                part = slice(start, start + _RECORDS_AT_ONCE)
                labels[part] = self._some_labels(start, self.offsets[part])
                bar.update(len(labels[part]))
        return labels

    def _some_labels(self, first: int, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Read the labels of images first, first + 1, ... at their offsets, together."""
        content = np.frombuffer(self._map, np.uint8)
        inside = np.minimum(offsets, len(content) - _START.size)
        words = content[inside[:, None] + np.arange(_START.size)].view("<u4")
        values = words[:, 3].copy().view("<f4").astype(np.float64)
        plain = (inside == offsets) & (words[:, 0] == MAGIC) & (words[:, 2] == 0)
        plain &= (words[:, 1] > HEADER_BYTES) & (words[:, 1] <= LARGEST_RECORD)
        # A NaN compares with nothing, so it is not plain either.
        plain &= (np.abs(values) < _LARGEST_LABEL) & (values == np.floor(values))
        labels = np.where(plain, values, 0).astype(np.int64)
        del content
        for row in np.flatnonzero(~plain).tolist():
            labels[row] = self._image(first + row)[1]
        return labels


def _map_file(path: Path) -> mmap.mmap:
    require_file(path, "a record file")
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError(f"{path}: records were expected, found an empty file.")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _scan(content: mmap.mmap, path: Path, progress: bool) -> npt.NDArray[np.int64]:
    """Find all records from their frames: where there is no index."""
    found: list[npt.NDArray[np.int64]] = []
    some: list[int] = []
    size = len(content)
    with tqdm(total=size, disable=not progress, delay=1, desc="scanning", unit="B", unit_scale=True) as bar:
        for offset in record_starts(content, str(path)):
            some.append(offset)
            if len(some) == _RECORDS_AT_ONCE:
                found.append(np.asarray(some, np.int64))
                bar.update(offset - bar.n)
                some = []
        bar.update(size - bar.n)
    return np.concatenate([*found, np.asarray(some, np.int64)])
