"""MXNet's RecordIO frames: how a run of bytes becomes a record of a `.rec` file, and how it is found again.

A record is one or more parts, each at a multiple of four bytes: u32 magic number, u32 whose upper 3 bits say which part
it is and whose lower 29 bits give the length, the bytes, zeros up to the next multiple of four; all little endian. A
record that holds the magic number itself at a multiple of four is cut there, and the number is left out (dmlc-core's
recordio). Inside a record of images lies a header of 24 bytes (flag, label, two numbers), `flag` further float32 labels
if flag is above 0, and the encoded image (MXNet's `recordio.pack`).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAGIC = 0xCED7230A
LENGTH_BITS = 29
LARGEST_RECORD = (1 << LENGTH_BITS) - 1
"""Bytes of the longest record that the format can say."""

WHOLE, FIRST, MIDDLE, LAST = range(4)
FRAME_BYTES, HEADER_BYTES = 8, 24
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_FRAME = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")

Buffer = bytes | bytearray | memoryview | mmap.mmap


@dataclass(frozen=True)
class ImageRecord:
    """One record unpacked: its float32 labels (k,), k at least 1; its number; the encoded image, empty if none."""

    labels: npt.NDArray[np.float32]
    number: int
    encoded: bytes


def frame(payload: bytes) -> bytes:
    """Return the record that holds `payload`, cut where it contains the magic number. Raises ValueError if too long."""
    if len(payload) > LARGEST_RECORD:
        raise ValueError(f"a record holds at most {LARGEST_RECORD:,} bytes, found {len(payload):,}")
    pieces: list[bytes] = []
    start = 0
    found = _aligned_magic(payload, 0)
    while found >= 0:
        pieces += [_FRAME.pack(MAGIC, (MIDDLE if start else FIRST) << LENGTH_BITS | found - start)]
        pieces += [payload[start:found]]
        start = found + 4
        found = _aligned_magic(payload, start)
    pieces += [_FRAME.pack(MAGIC, (LAST if start else WHOLE) << LENGTH_BITS | len(payload) - start), payload[start:]]
    pieces += [bytes(-len(payload) % 4)]
    return b"".join(pieces)


def read_frame(buffer: Buffer, offset: int, name: str) -> tuple[bytes, int]:
    """Return the payload of the record at `offset` and the offset behind it.

    Raises ValueError that names the file and the offset: no magic number, cut off, parts out of order.
    """
    pieces: list[bytes] = []
    for start, length, kind in _parts(buffer, offset, name):
        if kind in (MIDDLE, LAST):
            pieces.append(_MAGIC_BYTES)
        pieces.append(bytes(buffer[start : start + length]))
        end = start + length
    return b"".join(pieces), end + -end % 4


def record_starts(buffer: Buffer, name: str, offset: int = 0) -> Iterator[int]:
    """Yield the offset of every record from `offset` to the end, by the frames alone; ValueError as `read_frame`."""
    size = len(buffer)
    while offset < size:
        end = offset
        for start, length, _ in _parts(buffer, offset, name):
            end = start + length
        yield offset
        offset = end + -end % 4


def pack_image(labels: float | Sequence[float], number: int, encoded: bytes) -> bytes:
    """Return the payload of an image: one label stands in the header, several behind it."""
    if isinstance(labels, int | float):
        return _HEADER.pack(0, labels, number, 0) + encoded
    values = np.asarray(labels, dtype="<f4")
    return _HEADER.pack(len(values), 0.0, number, 0) + values.tobytes() + encoded


def unpack_image(payload: bytes, where: str) -> ImageRecord:
    """Unpack the payload of an image; `where` stands in the ValueError for a payload too short for what it says."""
    if len(payload) < HEADER_BYTES:
        raise ValueError(f"{where}: a header of {HEADER_BYTES} bytes was expected, found {len(payload)}.")
    flag, label, number, _ = _HEADER.unpack_from(payload)
    start = HEADER_BYTES + 4 * flag
    if start > len(payload):
        raise ValueError(f"{where}: {flag} labels were expected, found {len(payload)} bytes in all.")
    labels = np.frombuffer(payload, "<f4", flag, HEADER_BYTES) if flag else np.asarray([label], np.float32)
    return ImageRecord(labels, number, payload[start:])


def _parts(buffer: Buffer, offset: int, name: str) -> Iterator[tuple[int, int, int]]:
    """Yield (first byte, length, kind) of the parts of the record at `offset`."""
    size = len(buffer)
    place, inside = offset, False
    while True:
        if place + FRAME_BYTES > size:
            raise ValueError(f"{name}, offset {place}: a record was expected, found the end of the file at {size}.")
        magic, word = _FRAME.unpack_from(buffer, place)
        if magic != MAGIC:
            raise ValueError(
                f"{name}, offset {place}: a record's magic number 0x{MAGIC:08x} was expected, found 0x{magic:08x}."
            )
        kind, length = word >> LENGTH_BITS, word & LARGEST_RECORD
        if kind > LAST or (kind in (MIDDLE, LAST)) != inside:
            expected = "a middle or last part" if inside else "the first part of a record"
            raise ValueError(f"{name}, offset {place}: {expected} was expected, found a part of kind {kind}.")
        if kind in (FIRST, MIDDLE) and length % 4:
            raise ValueError(
                f"{name}, offset {place}: a part that goes on was expected to hold a multiple of 4 bytes, "
                f"found {length}."
            )
        start = place + FRAME_BYTES
        if start + length > size:
            raise ValueError(
                f"{name}, offset {place}: a record of {length} bytes was expected, found {size - start} of them "
                f"before the file ends."
            )
        yield start, length, kind
        if kind in (WHOLE, LAST):
            return
        inside = True
        place = start + length


def _aligned_magic(payload: bytes, start: int) -> int:
    found = payload.find(_MAGIC_BYTES, start)
    while found >= 0 and found % 4:
        found = payload.find(_MAGIC_BYTES, found + 1)
    return found
