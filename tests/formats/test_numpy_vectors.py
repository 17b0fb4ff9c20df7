from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.formats import read_numpy_vectors, write_numpy_vectors


def by_hand(path: Path, rows: list[list[float]]) -> Path:
    """Write the `.npy` format from its description: magic, version 1.0, header length, header, numbers."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    path.write_bytes(content + b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows))
    return path


def test_raw_lengths_are_kept_and_said(tmp_path: Path) -> None:
    read = read_numpy_vectors(by_hand(tmp_path / "a.npy", [[3, 4], [0, 20]]))
    assert (read.norm, len(read), read.vectors.tolist()) == ("raw", 2, [[3, 4], [0, 20]])
    assert read.vectors.dtype == np.float32
    assert read_numpy_vectors(by_hand(tmp_path / "b.npy", [[0.6, 0.8], [0, -1]])).norm == "unit"
    assert read_numpy_vectors(by_hand(tmp_path / "c.npy", [[0.6, 0.8], [0, -1.01]])).norm == "raw"


def test_what_is_written_is_the_same_file(tmp_path: Path) -> None:
    rows = [[3.0, 4.0, 1.5], [0.25, -20.0, 7.0]]
    write_numpy_vectors(tmp_path / "a.npy", np.array(rows))
    assert np.load(tmp_path / "a.npy").tolist() == rows
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]
    assert read_numpy_vectors(tmp_path / "a.npy").vectors.tolist() == rows


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1.0, 2], [np.nan, 1]]), "row 1: .*NaN"),
        (np.array([[1.0, 2], [3, 1], [0, 0]]), "row 2: .*zeros"),
        (np.arange(6.0), r"found float64 \(6,\)"),
        (np.zeros((0, 3)), r"found float64 \(0, 3\)"),
        (np.ones((2, 3), int), r"found int64 \(2, 3\)"),
        (np.array([{}], dtype=object), "array of plain numbers was expected"),
    ],
)
def test_other_arrays_are_refused_by_name(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy.*{words}") as error:
        read_numpy_vectors(tmp_path / "a.npy")
    assert "\n" not in str(error.value)


def test_cut_files_archives_and_missing_ones_are_named(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.npy", [[3, 4], [0, 20]])
    path.write_bytes(path.read_bytes()[:-3])
    np.savez(tmp_path / "b.npz", np.ones((2, 2)))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name in ("a.npy", "b.npy"):
        with pytest.raises(ValueError, match=rf"{name}: .* numbers (was|were) expected, found"):
            read_numpy_vectors(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_numpy_vectors(tmp_path / "nowhere.npy")
