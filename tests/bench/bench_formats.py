"""How fast the field's files are read on this machine: `make bench`. Prints; asserts nothing about time."""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.formats import LmdbSet, LmdbWriter, RecordReader, RecordWriter, read_verification_bin

IMAGES, BYTES = 20_000, 8_000


def seconds_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of several times; the first call is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def naive_read(path: Path, offsets: dict[int, int], keys: list[int]) -> int:
    """Seek, read and unpack in plain steps, one record after another: what a reader without a map does."""
    total = 0
    with path.open("rb") as file:
        for key in keys:
            file.seek(offsets[key])
            magic, word = struct.unpack("<II", file.read(8))
            assert magic == 0xCED7230A
            payload = file.read(word & (1 << 29) - 1)
            flag, label, _, _ = struct.unpack("<IfQQ", payload[:24])
            labels = np.frombuffer(payload[24 : 24 + 4 * flag], np.float32) if flag else [label]
            total += len(payload[24 + 4 * flag :]) + int(labels[0])
    return total


def test_random_access_to_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "train.rec"
    with RecordWriter(path) as writer:
        for number in range(IMAGES):
            writer.append(rng.bytes(BYTES), number // 20)
    records = RecordReader(path)
    order = rng.permutation(IMAGES).tolist()
    offsets = dict(zip(records.keys.tolist(), records.offsets.tolist(), strict=True))
    keys = [number + 1 for number in order]

    def mapped() -> int:
        return sum(len(encoded) + label for encoded, label in (records[number] for number in order))

    assert mapped() == naive_read(path, offsets, keys)
    naive = IMAGES / seconds_of(lambda: naive_read(path, offsets, keys))
    fast = IMAGES / seconds_of(mapped)
    print(
        f"\nrecords of {BYTES} bytes in random order, undecoded, one core, file cached: "
        f"{fast:,.0f} a second, seek and read {naive:,.0f}"
    )


def test_opening_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "train.rec"
    count = 300_000
    with RecordWriter(path) as writer:
        for number in range(count):
            writer.append(b"x" * 64, number // 20)
    print(f"\nrecords opened with an index: {count / seconds_of(lambda: RecordReader(path)):,.0f} a second")

    def by_headers() -> None:
        records = RecordReader(path)
        assert records._labels_of_headers()[-1] == (count - 1) // 20

    print(f"labels from the images' headers: {count / seconds_of(by_headers):,.0f} a second")
    print(f"labels from the identities' ranges: {count / seconds_of(lambda: RecordReader(path).labels):,.0f} a second")
    path.with_suffix(".idx").unlink()
    print(f"records found without an index: {count / seconds_of(lambda: RecordReader(path)):,.0f} a second")


def test_lmdb_beside_records(tmp_path: Path) -> None:
    pytest.importorskip("lmdb", reason="install it with `pip install -e '.[formats]'`")
    rng = np.random.default_rng(0)
    order = rng.permutation(IMAGES).tolist()
    with RecordWriter(tmp_path / "a.rec") as records, LmdbWriter(tmp_path / "a.lmdb") as samples:
        for number in range(IMAGES):
            encoded = rng.bytes(BYTES)
            records.append(encoded, number // 20)
            samples.append(encoded, number // 20)
    readers = RecordReader(tmp_path / "a.rec"), LmdbSet(tmp_path / "a.lmdb")
    rates = [IMAGES / seconds_of(lambda one=one: [one[number][1] for number in order]) for one in readers]
    print(f"\nrandom access: {rates[0]:,.0f} records a second, {rates[1]:,.0f} samples of an LMDB")


def test_opening_a_verification_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = pickle.dumps(([rng.bytes(BYTES) for _ in range(12_000)], [True, False] * 3000), protocol=4)
    (tmp_path / "lfw.bin").write_bytes(content)
    ours = seconds_of(lambda: read_verification_bin(tmp_path / "lfw.bin"))
    free = seconds_of(lambda: pickle.loads((tmp_path / "lfw.bin").read_bytes()))
    print(
        f"\na verification set of 6000 pairs opened in {ours:.3f} s, by a pickle that may do anything in {free:.3f} s"
    )
