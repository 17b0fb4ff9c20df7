"""Damaged and hostile files in every format: one sentence that names the file, little memory, nothing left behind."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import (
    ImageReadError,
    RecordReader,
    convert,
    decode_image,
    inspect,
    open_image_set,
    read_image,
    read_image_folder,
    read_numpy_vectors,
    read_pairs,
    read_verification_bin,
)
from hyperface_lib.formats.image_list import read_image_list

MAGIC = 0xCED7230A


def picture(value: int, form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode) if mode != "I;16" else Image.fromarray(pixels[..., 0].astype("<u2"))
    stream = io.BytesIO()
    image.save(stream, format=form)
    return stream.getvalue()


def record(label: float, encoded: bytes, length: int | None = None, flag: int = 0) -> bytes:
    """One record by hand; `length` and `flag` may lie."""
    payload = struct.pack("<IfQQ", flag, label, 0, 0) + encoded
    words = struct.pack("<II", MAGIC, len(payload) if length is None else length)
    return words + payload + bytes(-len(payload) % 4)


def write_records(path: Path, records: list[bytes], index: bool = True) -> Path:
    starts = np.cumsum([0, *(len(one) for one in records)])[:-1]
    path.write_bytes(b"".join(records))
    if index:
        path.with_suffix(".idx").write_text("".join(f"{key}\t{start}\n" for key, start in enumerate(starts)))
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def write_folder(root: Path, names: dict[str, bytes]) -> Path:
    for name, content in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@dataclass
class Case:
    """A file to damage, how to read all of it, and whether a shorter text may be a good file of less."""

    file: Path
    read: Callable[[], object]
    text: bool = False


def every_image(path: Path) -> object:
    images = open_image_set(path)
    return [decode_image(images.encoded(number), images.where(number)) for number in range(len(images))]


def bin_case(folder: Path) -> Case:
    path = folder / "lfw.bin"
    path.write_bytes(pickle.dumps(([picture(i) for i in range(4)], [True, False])))
    return Case(path, lambda: [image.shape for image in read_verification_bin(path).images])


def old_bin_case(folder: Path) -> Case:
    path = folder / "lfw.bin"
    arrays = [np.frombuffer(picture(i), np.uint8) for i in range(4)]
    path.write_bytes(pickle.dumps((arrays, [np.bool_(True), np.bool_(False)]), protocol=2))
    return Case(path, lambda: [image.shape for image in read_verification_bin(path).images])


def rec_case(folder: Path) -> Case:
    path = write_records(folder / "train.rec", [record(i // 2, picture(i)) for i in range(4)])
    return Case(path, lambda: every_image(path))


def scanned_rec_case(folder: Path) -> Case:
    path = write_records(folder / "train.rec", [record(i // 2, picture(i)) for i in range(4)], index=False)
    # A cut between two records leaves a good file of fewer.
    return Case(path, lambda: every_image(path), text=True)


def idx_case(folder: Path) -> Case:
    path = write_records(folder / "train.rec", [record(i // 2, picture(i)) for i in range(4)])
    return Case(path.with_suffix(".idx"), lambda: every_image(path), text=True)


def tsv_case(folder: Path) -> Case:
    path = folder / "train.tsv"
    path.write_text("0\tAnn/1.jpg\t0\n1\tÉva/1.jpg\t1\n", encoding="utf-8")
    return Case(path, lambda: read_image_list(path), text=True)


def lfw_case(folder: Path) -> Case:
    names = [f"{name}/{name}_{k:04d}.jpg" for name in ("Ann", "Bo") for k in (1, 2)]
    write_folder(folder, {name: picture(1, "JPEG") for name in names})
    path = folder / "pairs.txt"
    path.write_text("2\t1\nAnn\t1\t2\nAnn\t1\tBo\t1\nBo\t1\t2\nAnn\t2\tBo\t2\n")
    return Case(path, lambda: read_pairs(path), text=True)


def labelled_case(folder: Path) -> Case:
    write_folder(folder, {f"{name}.jpg": picture(1, "JPEG") for name in ("a", "b", "c")})
    path = folder / "pairs_label.txt"
    path.write_text("a.jpg b.jpg 1\nb.jpg c.jpg 0\n")
    return Case(path, lambda: read_pairs(path), text=True)


def tar_case(folder: Path) -> Case:
    path = write_tar(folder / "s.tar", {"1.png": picture(1), "1.cls": b"0", "2.png": picture(2), "2.cls": b"1"})
    # What lies behind the last member is padding, and a cut between samples leaves a good shard of fewer.
    return Case(path, lambda: every_image(path), text=True)


def npy_case(folder: Path) -> Case:
    path = folder / "v.npy"
    np.save(path, np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32))
    return Case(path, lambda: read_numpy_vectors(path))


def image_case(form: str) -> Callable[[Path], Case]:
    def make(folder: Path) -> Case:
        path = folder / f"face.{form.lower()}"
        path.write_bytes(picture(3, form))
        # Some decoders do without the last bytes of the file.
        return Case(path, lambda: read_image(path), text=True)

    return make


CASES: dict[str, Callable[[Path], Case]] = {
    "bin": bin_case,
    "bin of arrays": old_bin_case,
    "rec": rec_case,
    "rec without idx": scanned_rec_case,
    "idx": idx_case,
    "tsv": tsv_case,
    "pairs.txt": lfw_case,
    "pairs_label.txt": labelled_case,
    "tar": tar_case,
    "npy": npy_case,
    **{form: image_case(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")},
}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    made = CASES[request.param](tmp_path)
    made.read()
    return made


def complaint(read: Callable[[], object], file: Path) -> str:
    """Return the one sentence that reading ends with, or an empty text where it does not complain."""
    try:
        read()
    except (ValueError, FileNotFoundError) as problem:
        text = str(problem)
    else:
        return ""
    check_sentence(text, file)
    return text


def check_sentence(text: str, file: Path) -> None:
    assert "\n" not in text and len(text) < 600, text
    # A cut index is noticed by the record file beside it, and a cut record file by the index.
    assert file.name in text or file.with_suffix(".idx").name in text or file.with_suffix(".rec").name in text, text
    assert "expected" in text and "found" in text, text


def check_inspection(file: Path) -> None:
    """Whatever is wrong with a file, to inspect it is no error but of being unknown."""
    try:
        found = inspect(file)
    except ValueError as problem:
        check_sentence(str(problem), file)
        return
    assert all("\n" not in problem for problem in found.problems)


def cuts(length: int) -> list[int]:
    return sorted({*range(1, min(length, 40)), *np.linspace(1, length - 1, 60).astype(int).tolist()})


def test_an_empty_file(case: Case) -> None:
    case.file.write_bytes(b"")
    assert complaint(case.read, case.file)
    check_inspection(case.file)


def test_a_folder_where_a_file_is_expected(case: Case) -> None:
    case.file.unlink()
    (case.file / "inside").mkdir(parents=True)
    if case.file.suffix != ".idx":  # without an index the records are scanned
        assert complaint(case.read, case.file)
    check_inspection(case.file)


def test_nothing_where_a_file_is_expected(case: Case) -> None:
    case.file.unlink()
    if case.file.suffix != ".idx":
        assert complaint(case.read, case.file)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x9f" * 9, b"hello\n", b"\0" * 600, b"\n\n", b"9" * 5000])
def test_bytes_of_something_else(case: Case, content: bytes) -> None:
    case.file.write_bytes(content)
    assert complaint(case.read, case.file)
    check_inspection(case.file)


def test_a_file_cut_anywhere(case: Case) -> None:
    whole = case.file.read_bytes()
    quiet = []
    for end in cuts(len(whole)):
        case.file.write_bytes(whole[:end])
        if not complaint(case.read, case.file):
            quiet.append(end)
        if not end % 7:
            check_inspection(case.file)
    assert case.text or not quiet
    # At least what lacks its first third cannot pass for a whole file.
    assert all(
        end > len(whole) // 3 or case.file.suffix in (".txt", ".tsv", ".rec", ".tar", ".idx") for end in quiet
    ), quiet


def test_bytes_changed_anywhere(case: Case) -> None:
    whole = case.file.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(150):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + number % 3):
            changed[place] = int(rng.choice([0, 255, 128, int(rng.integers(256))]))
        case.file.write_bytes(changed)
        complaint(case.read, case.file)  # any other error than the two expected ones ends the test
        if not number % 10:
            check_inspection(case.file)


@contextmanager
def little_memory(megabytes: int = 30) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


LENGTHS = {
    "memo": b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.",
    "byte array": b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"abc.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",
    "number": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**50) + b"N.",
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_pickle_reserves_nothing_for_what_it_does_not_hold(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.bin").write_bytes(LENGTHS[name])
    with little_memory():
        assert complaint(lambda: read_verification_bin(tmp_path / "a.bin"), tmp_path / "a.bin")


def test_arrays_in_a_pickle_are_only_those_it_holds(tmp_path: Path) -> None:
    class Large:
        def __reduce__(self) -> tuple[object, ...]:
            return np.ndarray, ((2**40,), "u1")

    class Zeros:
        def __reduce__(self) -> tuple[object, ...]:
            return np._core.multiarray._reconstruct, (np.ndarray, (2**33,), b"b")  # type: ignore[attr-defined]

    for value in (Large(), Zeros(), np.array([[]], dtype=object), np.zeros(2, "V1000")):
        (tmp_path / "a.bin").write_bytes(pickle.dumps(([value, b"x"], [True])))
        with little_memory():
            assert complaint(lambda: read_verification_bin(tmp_path / "a.bin"), tmp_path / "a.bin")


@pytest.mark.parametrize(
    "records",
    [
        [record(0, picture(1), length=2**29 - 1)],
        [record(0, picture(1), flag=2**32 - 1)],
        [record(0, b"", flag=2)[:28] + struct.pack("<ff", 1e9, 2e9), record(0, picture(1))],
        [record(0, picture(1)), struct.pack("<II", MAGIC, 3 << 29 | 40) + bytes(40)],
    ],
)
@pytest.mark.parametrize("index", [True, False])
def test_a_record_file_reserves_nothing_for_what_it_does_not_hold(
    tmp_path: Path, records: list[bytes], index: bool
) -> None:
    path = write_records(tmp_path / "a.rec", records, index)
    with little_memory():
        assert complaint(lambda: every_image(path), path)


@pytest.mark.parametrize("line", ["1\t1000000000000000000", "1\t" + "9" * 25, "1\t" + "9" * 4999, "9" * 25 + "\t0"])
def test_an_index_of_absurd_numbers(tmp_path: Path, line: str) -> None:
    path = write_records(tmp_path / "a.rec", [record(0, picture(1)), record(1, picture(2))])
    path.with_suffix(".idx").write_text(f"0\t0\n{line}\n")
    assert complaint(lambda: every_image(path), path) or len(RecordReader(path)) == 2


def test_other_headers_reserve_nothing_for_what_is_not_there(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 9), np.float32))
    content = (tmp_path / "a.npy").read_bytes()
    for shape in (b"(999999999999, 99), }", b"(-9, 9), }", b"(" + b"9" * 60 + b",), }"):
        start = content.index(b"(9, 9), }")
        changed = (content[:start] + shape).ljust(127) + b"\n" + content[128:]
        (tmp_path / "a.npy").write_bytes(changed)
        with little_memory():
            assert complaint(lambda: read_numpy_vectors(tmp_path / "a.npy"), tmp_path / "a.npy")
    for size in (10**9, 10**15):
        entry = tarfile.TarInfo("1.png")
        entry.size = size
        (tmp_path / "a.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(512))
        with little_memory():
            assert complaint(lambda: every_image(tmp_path / "a.tar"), tmp_path / "a.tar")
    (tmp_path / "pairs.txt").write_text("999999999 999999999\nAnn 1 2\n")
    with little_memory():
        assert complaint(lambda: read_pairs(tmp_path / "pairs.txt"), tmp_path / "pairs.txt")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *others: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + pixels + chunk(b"IEND", b"")


BOMBS = {
    "huge": png_of(60_000, 60_000),
    "large": png_of(9_000, 9_000),
    "text": png_of(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27), 9))),
    "profile": png_of(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**27), 9))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_unpacks_to_more_than_anyone_asked_for(tmp_path: Path, name: str) -> None:
    bomb = BOMBS[name]
    assert len(bomb) < 200_000
    path = write_records(tmp_path / "a.rec", [record(0, bomb)])
    (tmp_path / "a.png").write_bytes(bomb)
    (tmp_path / "a.bin").write_bytes(pickle.dumps(([bomb, bomb], [True])))
    with little_memory(150):
        assert complaint(lambda: read_image(tmp_path / "a.png"), tmp_path / "a.png")
        assert complaint(lambda: every_image(path), path)
        assert complaint(lambda: list(read_verification_bin(tmp_path / "a.bin").images), tmp_path / "a.bin")
        assert any("cannot be read" in problem for problem in inspect(path).problems)


KINDS = [
    ("JPEG", "L"),
    ("JPEG", "CMYK"),
    ("PNG", "I;16"),
    ("PNG", "P"),
    ("PNG", "RGBA"),
    ("PNG", "1"),
    ("TIFF", "CMYK"),
]


@pytest.mark.parametrize(("form", "mode"), KINDS)
def test_pictures_of_other_modes_are_three_channels_everywhere(tmp_path: Path, form: str, mode: str) -> None:
    encoded = picture(1, form, mode, (10, 12))
    expected = decode_image(encoded)
    assert expected.shape == (12, 10, 3) and expected.dtype == np.uint8
    places = [
        write_records(tmp_path / "a.rec", [record(0, encoded), record(1, encoded)]),
        write_tar(tmp_path / "a.tar", {f"1.{form.lower()}": encoded, "1.cls": b"0"}),
        write_folder(tmp_path / "faces", {f"Ann/1.{form.lower()}": encoded}),
    ]
    for place in places:
        assert all(np.array_equal(image, expected) for image in every_image(place))  # type: ignore[attr-defined]
        grey = any("greyscale" in problem for problem in inspect(place).problems)
        assert grey == (mode in ("L", "1", "I;16"))
    (tmp_path / "a.bin").write_bytes(pickle.dumps(([encoded, encoded], [True])))
    assert np.array_equal(read_verification_bin(tmp_path / "a.bin", size=None).images[0], expected)


@pytest.mark.parametrize("label", [float("nan"), float("inf"), 0.5, -1e30])
def test_labels_that_are_no_whole_number(tmp_path: Path, label: float) -> None:
    path = write_records(tmp_path / "a.rec", [record(0, picture(1)), record(label, picture(2))])
    assert "whole number was expected, found" in complaint(lambda: every_image(path), path)
    assert any("whole number was expected" in problem for problem in inspect(path).problems)


def test_an_index_that_was_cut_is_a_problem(tmp_path: Path) -> None:
    case = idx_case(tmp_path)
    case.file.write_text("".join(case.file.read_text().splitlines(keepends=True)[:3]))
    found = inspect(case.file)
    size = len(record(1, picture(3)))
    assert found.facts["images"] == 3 and f"{size} bytes lie behind the last record" in " ".join(found.problems)


def test_labels_that_trip_trainers_are_problems(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.rec", [record(label, picture(1)) for label in (-3, 2**24, 2**24 + 2)])
    problems = " ".join(inspect(path).problems)
    assert "1 of 3 images have a negative label, the least -3" in problems
    assert "reach 16777218, and float32 is exact to 16777216" in problems


def test_a_pair_list_of_missing_images(tmp_path: Path) -> None:
    case = lfw_case(tmp_path)
    (tmp_path / "Bo" / "Bo_0002.jpg").unlink()
    text = complaint(case.read, case.file)
    assert "4 images were expected" in text and "found 3: 1 are not there, the first Bo/Bo_0002.jpg" in text
    assert any("Bo_0002" in problem for problem in inspect(case.file).problems)


@pytest.mark.parametrize("source", ["rec", "rec without idx", "tar"])
def test_a_source_that_cannot_be_opened_leaves_no_trace_of_a_conversion(tmp_path: Path, source: str) -> None:
    case = CASES[source](tmp_path)
    case.file.write_bytes(case.file.read_bytes()[:303])
    before = sorted(tmp_path.rglob("*"))
    for destination in ("out.rec", "out"):
        target = tmp_path / "there" / destination
        assert complaint(lambda target=target: convert(case.file, target), case.file)  # type: ignore[misc]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("to", ["records", "folder", "shards"])
def test_a_conversion_that_stops_shows_no_half_file_and_goes_on(tmp_path: Path, to: str) -> None:
    source = write_records(tmp_path / "a.rec", [record(i, picture(i)) for i in range(4)])
    good = source.read_bytes()
    place = good.index(picture(2))
    source.write_bytes(good[:place] + bytes(30) + good[place + 30 :])
    target = tmp_path / ("b.rec" if to == "records" else "b")
    assert "key 2" in complaint(lambda: convert(source, target, to=to), source)  # type: ignore[arg-type]
    shown = [path for path in tmp_path.rglob("b/*") if path.suffix in (".tar", ".tsv")]
    assert not shown and (to != "records" or not target.exists())
    assert all(decode_image(path.read_bytes()).shape == (8, 8, 3) for path in tmp_path.rglob("b/*/*.png"))
    source.write_bytes(good)
    assert convert(source, target, to=to).complete  # type: ignore[arg-type]
    assert len(open_image_set(target)) == 4


def test_folders_that_hold_no_image(tmp_path: Path) -> None:
    (tmp_path / "faces" / "Ann").mkdir(parents=True)
    assert complaint(lambda: read_image_folder(tmp_path / "faces"), tmp_path / "faces")
    (tmp_path / "faces" / "Ann" / "1.jpg").mkdir()
    assert complaint(lambda: read_image_folder(tmp_path / "faces"), tmp_path / "faces")
    (tmp_path / "file").write_bytes(b"x")
    assert complaint(lambda: read_image_folder(tmp_path / "file"), tmp_path / "file")
    with pytest.raises(ImageReadError):
        read_image(tmp_path / "faces")
