import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import PairSet, read_verification_bin, write_verification_bin


def encoded(value: int, kind: str = "PNG", size: tuple[int, int] = (112, 112)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(stream, format=kind)
    return stream.getvalue()


def pair_set(pairs: int = 12, size: int = 112) -> PairSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2 * pairs, size, size, 3), dtype=np.uint8)
    numbers = np.arange(2 * pairs).reshape(-1, 2)
    return PairSet("x", images, numbers[:, 0], numbers[:, 1], np.arange(pairs) % 3 == 0)


def write(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def test_a_lossless_set_round_trips(tmp_path: Path) -> None:
    pairs = pair_set()
    write_verification_bin(tmp_path / "lfw.bin", pairs, quality=0)
    read = read_verification_bin(tmp_path / "lfw.bin")
    assert (read.name, len(read), len(read.images), read.aligned) == ("lfw", 12, 24, True)
    assert np.array_equal(read.is_same, pairs.is_same) and np.array_equal(read.folds, pairs.folds)
    for (a, b, same), (c, d, other) in zip(read, pairs, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, d) and same == other
    write_verification_bin(tmp_path / "again.bin", read)
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "lfw.bin").read_bytes()


def test_what_we_write_is_plain_bytes_and_truth_values_in_rgb(tmp_path: Path) -> None:
    red = np.zeros((2, 112, 112, 3), np.uint8)
    red[..., 0] = 200
    write_verification_bin(tmp_path / "a.bin", PairSet("x", red, [0], [1], [True]))
    bins, labels = pickle.loads((tmp_path / "a.bin").read_bytes())
    assert [type(item) for item in bins] == [bytes, bytes] and labels == [True]
    pixels = np.asarray(Image.open(io.BytesIO(bins[0])))
    assert np.abs(pixels.astype(int) - (200, 0, 0)).max() < 4
    assert b"numpy" not in (tmp_path / "a.bin").read_bytes()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_of_bytes_and_numpy_labels_are_read(tmp_path: Path, protocol: int) -> None:
    bins = [np.frombuffer(encoded(value), np.uint8).copy() for value in (0, 50, 100, 150)]
    for labels in ([np.True_, np.False_], np.array([True, False]), [1, 0]):
        read = read_verification_bin(write(tmp_path / "a.bin", (bins, labels), protocol))
        assert read.is_same.tolist() == [True, False]
        assert [int(image[0, 0, 0]) for image in read.images] == [0, 50, 100, 150]


def test_names_of_numpy_1_are_read(tmp_path: Path) -> None:
    content = pickle.dumps(([np.frombuffer(encoded(7), np.uint8).copy()] * 2, [True]), protocol=2)
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != content
    (tmp_path / "a.bin").write_bytes(old)
    assert int(read_verification_bin(tmp_path / "a.bin").images[0][0, 0, 0]) == 7


def test_files_of_python_2_are_read(tmp_path: Path) -> None:
    def string(content: bytes) -> bytes:  # the opcode of Python 2's str, which holds bytes
        return b"T" + len(content).to_bytes(4, "little") + content

    bins = b"](" + string(encoded(3)) + string(encoded(9, "JPEG")) + b"e"
    (tmp_path / "a.bin").write_bytes(b"\x80\x02" + bins + b"]\x88a" + b"\x86.")
    read = read_verification_bin(tmp_path / "a.bin")
    assert int(read.images[0][0, 0, 0]) == 3 and read.is_same.tolist() == [True]


def test_images_of_another_size_are_resized_or_left(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", ([encoded(1, size=(160, 160))] * 2, [True]))
    assert read_verification_bin(path).images[0].shape == (112, 112, 3)
    assert read_verification_bin(path, size=None).images[0].shape == (160, 160, 3)


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_a_pickle_that_would_run_something_is_refused_before_it_runs(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    with pytest.raises(ValueError, match=r"a\.bin.*system"):
        read_verification_bin(write(tmp_path / "a.bin", ([Attack(target)], [True])))
    assert not target.exists()
    with pytest.raises(ValueError, match="eval"):
        read_verification_bin(write(tmp_path / "b.bin", ([eval], [True])))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (([], [], []), "tuple of 3"),
        ({"a": 1}, "dict of 1"),
        (([b"x"], [True]), "1 images and 1 labels"),
        (("ab", [True]), "two lists"),
        (([b"x", 3], [True]), "image 1"),
        (([b"x", b"y"], [2]), "true or false"),
        (([b"x", b"y"], ["yes"]), "true or false"),
        (([np.zeros(3), b"y"], [True]), "image 0"),
    ],
)
def test_other_contents_are_refused_naming_the_file(tmp_path: Path, value: object, named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        read_verification_bin(write(tmp_path / "a.bin", value))
    assert "a.bin" in str(error.value) and "\n" not in str(error.value)


def test_a_cut_file_is_refused_and_a_broken_image_named_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", ([encoded(1), b"broken"], [True]))
    with pytest.raises(ValueError, match=r"a\.bin, image 1"):
        read_verification_bin(path).images[1]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"a\.bin"):
        read_verification_bin(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_verification_bin(tmp_path / "nowhere.bin")
