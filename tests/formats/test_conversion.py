"""Images from layout to layout: nothing is lost, nothing is decoded again, an interrupt costs nothing."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import RecordReader, RecordWriter, conversion, convert, open_image_set, read_image_folder


def picture(value: int, kind: str = "JPEG", size: tuple[int, int] = (16, 12)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 255 - value, 90)).save(stream, format=kind)
    return stream.getvalue()


NAMES = {
    "Zoe/b.jpg": picture(1),
    "Zoe/a.png": picture(2, "PNG"),
    "Ann/10.jpg": picture(3),
    "Ann/9.jpg": picture(4),
    "Bo/deep/x.jpg": picture(5),
}
# Folders are numbered by name.
ORDERED = [("Ann/10.jpg", 0), ("Ann/9.jpg", 0), ("Bo/deep/x.jpg", 1), ("Zoe/a.png", 2), ("Zoe/b.jpg", 2)]


def folder(root: Path, names: dict[str, bytes] = NAMES) -> Path:
    for name, content in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """All that lies in a folder but the note of the conversion, which holds the source's place."""
    files = [file for file in root.rglob("*") if file.is_file() and not file.name.endswith("conversion.json")]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def test_a_folder_becomes_a_record_file_that_trainers_read(tmp_path: Path) -> None:
    done = convert(folder(tmp_path / "faces"), tmp_path / "out" / "train.rec")
    assert (done.kind, done.images, done.identities, done.skipped, done.complete) == ("records", 5, 3, {}, True)
    records = RecordReader(tmp_path / "out" / "train.rec")
    assert list(records) == [(NAMES[name], label) for name, label in ORDERED]
    assert records.layout == "insightface" and records.identities == {0: "Ann", 1: "Bo", 2: "Zoe"}
    rows = [line.split("\t") for line in (tmp_path / "out" / "train.tsv").read_text().splitlines()]
    assert rows == [[str(key), name, str(label)] for key, (name, label) in enumerate(ORDERED, 1)]
    assert (tmp_path / "out" / "property").read_text() == "3,12,16\n"
    assert set(tree(tmp_path / "out")) == {"train.rec", "train.idx", "train.tsv", "property"}


def test_a_folder_becomes_shards_in_the_layout_of_webdataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "IDENTITIES_PER_SHARD", 2)
    convert(folder(tmp_path / "faces"), tmp_path / "out", to="shards")
    assert set(tree(tmp_path / "out")) == {"shard-000000.tar", "shard-000001.tar", "images.tsv"}
    assert members(tmp_path / "out" / "shard-000000.tar") == [
        ("000000_000.jpg", picture(3)),
        ("000000_000.cls", b"0"),
        ("000000_001.jpg", picture(4)),
        ("000000_001.cls", b"0"),
        ("000001_000.jpg", picture(5)),
        ("000001_000.cls", b"1"),
    ]


@pytest.mark.parametrize("first", ["records", "shards"])
@pytest.mark.parametrize("second", ["records", "shards", "folder"])
def test_names_labels_and_bytes_survive_any_two_conversions(tmp_path: Path, first: Any, second: Any) -> None:
    place = {kind: tmp_path / ("x.rec" if kind == "records" else kind) for kind in ("records", "shards", "folder")}
    convert(folder(tmp_path / "faces"), place[first], to=first)
    source = place[first]
    if second == first:
        place[second] = tmp_path / "second" / source.name
    convert(source, place[second], to=second)
    convert(place[second], tmp_path / "again", to="folder")
    found = tree(tmp_path / "again")
    assert found.pop("images.tsv").decode().splitlines() == [
        f"{row}\t{name}\t{label}" for row, (name, label) in enumerate(ORDERED)
    ]
    assert found == NAMES
    images = open_image_set(place[second])
    assert [images.encoded(row) for row in range(5)] == [NAMES[name] for name, _ in ORDERED]
    assert images.identities == {0: "Ann", 1: "Bo", 2: "Zoe"} and images.samples.tolist() == [0, 1, 0, 0, 1]


def records_of(path: Path, labels: list[int], layout: Any = "flat") -> list[tuple[bytes, int]]:
    items = [(picture(10 + number), label) for number, label in enumerate(labels)]
    with RecordWriter(path, layout) as writer:
        for one, label in items:
            writer.append(one, label)
    return items


def test_labels_that_no_folder_order_gives_are_kept(tmp_path: Path) -> None:
    items = records_of(tmp_path / "a.rec", [7, 3, 7, 1000000])
    convert(tmp_path / "a.rec", tmp_path / "faces")
    paths = ["000003/000.jpg", "000007/000.jpg", "000007/001.jpg", "1000000/000.jpg"]
    assert {name for name in tree(tmp_path / "faces") if name != "images.tsv"} == set(paths)
    convert(tmp_path / "faces", tmp_path / "b.rec")
    assert list(RecordReader(tmp_path / "b.rec")) == [items[1], items[0], items[2], items[3]]
    # A folder for training stays a plain one: identities by name.
    assert read_image_folder(tmp_path / "faces").labels.tolist() == [0, 1, 1, 2]
    (tmp_path / "faces" / "000003" / "new.jpg").write_bytes(picture(0))
    with pytest.raises(ValueError, match=r"images\.tsv: the 5 images .* were expected, found a list of 4"):
        open_image_set(tmp_path / "faces")


def test_a_list_of_others_gives_names_even_where_suffixes_lie(tmp_path: Path) -> None:
    items = records_of(tmp_path / "train.rec", [1, 0])
    (tmp_path / "train.tsv").write_text("0\tEve/front\t1\n1\tDan/side.PNG\t0\n")
    convert(tmp_path, tmp_path / "faces")
    assert tree(tmp_path / "faces")["Eve/front.jpg"] == items[0][0]
    assert tree(tmp_path / "faces")["Dan/side.PNG"] == items[1][0]
    assert open_image_set(tmp_path / "faces").labels.tolist() == [0, 1]
    (tmp_path / "train.tsv").write_text("0\tEve/front\t1\n1\tDan/side.PNG\t5\n")
    with pytest.raises(ValueError, match=r"train\.tsv: label 0 was expected for key 1 as in train\.rec, found 5"):
        convert(tmp_path, tmp_path / "other")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("0\tEve/1.jpg\t1\n1\tEve/1.jpg\t0\n", "own name, found two called 'Eve"),
        ("0\tEve/1.jpg\t1\n1\tEve/2.jpg\t0\n", "own name, found two called 'Eve'"),
        ("0\tEve/.1.jpg\t1\n1\tDan/2.jpg\t0\n", "'Eve/.1.jpg'"),
        ("0\t../x/1.jpg\t1\n1\tDan/2.jpg\t0\n", "line 1"),
        ("0\t/etc/1.jpg\t1\n1\tDan/2.jpg\t0\n", "line 1"),
    ],
)
def test_names_that_no_folder_can_hold_are_refused(tmp_path: Path, rows: str, words: str) -> None:
    records_of(tmp_path / "train.rec", [1, 0])
    (tmp_path / "train.tsv").write_text(rows)
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        convert(tmp_path / "train.rec", tmp_path / "faces")
    assert not list(tmp_path.rglob("*.jpg"))


def test_a_record_file_gets_png_of_what_trainers_do_not_decode(tmp_path: Path) -> None:
    webp = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(webp, format="WEBP", lossless=True)
    convert(folder(tmp_path / "faces", {"a/1.webp": webp.getvalue()}), tmp_path / "a.rec")
    records = RecordReader(tmp_path / "a.rec")
    assert records[0][0].startswith(b"\x89PNG") and np.array_equal(records.image(0), pixels)
    convert(tmp_path / "faces", tmp_path / "shards", to="shards")
    assert members(tmp_path / "shards" / "shard-000000.tar")[0] == ("000000_000.webp", webp.getvalue())


class Interrupted(BaseException):
    pass


def interrupting(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the read of image `at` be where the person presses Ctrl-C."""
    original = conversion._Reader.read

    def read(self: Any, number: int) -> Any:
        if number == at:
            raise Interrupted
        return original(self, number)

    monkeypatch.setattr(conversion._Reader, "read", read)


@pytest.mark.parametrize("kind", ["records", "shards", "folder"])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_an_interrupted_conversion_goes_on_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, at: int
) -> None:
    monkeypatch.setattr(conversion, "IDENTITIES_PER_SHARD", 1)
    broken = {**NAMES, "Ann/11.jpg": b"no image"}
    source = folder(tmp_path / "faces", broken)
    if kind == "folder":  # a folder comes from elsewhere
        convert(source, tmp_path / "source.rec", skip_unreadable=True)
        source = tmp_path / "source.rec"
    name = "x.rec" if kind == "records" else "x"
    whole = convert(source, tmp_path / "whole" / name, to=kind, skip_unreadable=True)
    with monkeypatch.context() as patch:
        interrupting(patch, at)
        with pytest.raises(Interrupted):
            convert(source, tmp_path / "cut" / name, to=kind, skip_unreadable=True)
    assert not (tmp_path / "cut" / "x.rec").exists()
    if kind != "records":  # what a killed process leaves, which cannot tidy up
        (tmp_path / "cut" / "x" / ".shard-000000.partial-01234567.tar").write_bytes(b"half")
    reads: list[int] = []
    with monkeypatch.context() as patch:
        read = conversion._Reader.read
        patch.setattr(conversion._Reader, "read", lambda self, number: reads.append(number) or read(self, number))
        again = convert(source, tmp_path / "cut" / name, to=kind, skip_unreadable=True)
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert again == whole and (kind == "folder" or list(again.skipped) == [1])
    # Ann's images are 0 to 2 and one shard, Bo's is 3, Zoe's begin at 4.
    assert reads[0] == (0 if kind == "shards" and at == 2 else at)
    # A finished one is not done again.
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cut").rglob("*")}
    assert convert(source, tmp_path / "cut" / name, to=kind) == whole
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "cut").rglob("*")}


def test_an_unreadable_image_stops_or_is_noted(tmp_path: Path) -> None:
    cut = picture(3)[:-200]
    source = folder(tmp_path / "faces", {**NAMES, "Bo/cut.jpg": cut, "Bo/none.jpg": b""})
    with pytest.raises(ValueError, match=r"faces/Bo/cut\.jpg: a whole image was expected") as error:
        convert(source, tmp_path / "a.rec")
    assert "\n" not in str(error.value) and not (tmp_path / "a.rec").exists()
    done = convert(source, tmp_path / "a.rec", skip_unreadable=True)
    assert len(done.skipped) == 2 and "cut.jpg" in done.skipped[2] and "none.jpg" in done.skipped[4]
    assert len(RecordReader(tmp_path / "a.rec")) == 5
    assert json.loads((tmp_path / "a.conversion.json").read_text())["skipped"]["2"] == done.skipped[2]
    assert RecordReader(tmp_path / "a.rec").identities == {0: "Ann", 1: "Bo", 2: "Zoe"}
    with pytest.raises(ValueError, match=r"none\.jpg: an image .*was expected"):
        convert(source, tmp_path / "b.rec", verify=False)


def test_a_destination_of_something_else_is_left_alone(tmp_path: Path) -> None:
    source = folder(tmp_path / "faces")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").write_text("mine")
    (tmp_path / "taken.rec").write_bytes(b"mine")
    for target, kind in ((tmp_path / "taken", "shards"), (tmp_path / "taken.rec", "records")):
        with pytest.raises(ValueError, match="a new name or an unfinished conversion was expected"):
            convert(source, target, to=kind)  # type: ignore[arg-type]
    convert(source, tmp_path / "a.rec")
    (source / "Ann" / "9.jpg").write_bytes(picture(99, size=(40, 40)))
    with pytest.raises(ValueError, match=r"a\.rec: images of .*faces with fingerprint"):
        convert(source, tmp_path / "a.rec")
    (tmp_path / "a.conversion.json").write_text("[]")
    with pytest.raises(ValueError, match=r"a\.conversion\.json was expected to describe a conversion"):
        convert(source, tmp_path / "a.rec")


def test_what_is_asked_for_must_make_sense(tmp_path: Path) -> None:
    source = folder(tmp_path / "faces")
    for target, kind, words in (
        (tmp_path / "x", None, "or else the layout, found neither: say shards"),
        (tmp_path / "x", "records", r"ends in \.rec"),
        (tmp_path / "x.rec", "shards", r"ends in \.rec"),
        (tmp_path / "x", "tables", "found 'tables'"),
        (tmp_path / "x", "lmdb", "found lmdb"),
        (source / "shards", "shards", "outside the image folder"),
    ):
        with pytest.raises(ValueError, match=words):
            convert(source, target, to=kind)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        convert(tmp_path / "nowhere", tmp_path / "x.rec")
    for name in ("a.rec", "b.rec"):
        records_of(tmp_path / "two" / name, [0])
    with pytest.raises(ValueError, match=r"one record file, found a\.rec, b\.rec"):
        open_image_set(tmp_path / "two")


class TestShards:
    def test_a_cut_shard_is_named(self, tmp_path: Path) -> None:
        convert(folder(tmp_path / "faces"), tmp_path / "s", to="shards")
        shard = tmp_path / "s" / "shard-000000.tar"
        shard.write_bytes(shard.read_bytes()[:700])
        with pytest.raises(ValueError, match=r"shard-000000\.tar, offset 512: .* were expected, found 188"):
            open_image_set(tmp_path / "s")

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ([("a.jpg", b"x")], "a label <key>.cls for every image"),
            ([("a.jpg", b"x"), ("a.png", b"x"), ("a.cls", b"1")], "two of 'a'"),
            ([("a.jpg", b"x"), ("a.cls", b"one")], "found 'one'"),
            ([("a.txt", b"x")], "hold images, found none"),
        ],
    )
    def test_what_is_no_set_of_images_is_refused(
        self, tmp_path: Path, files: list[tuple[str, bytes]], words: str
    ) -> None:
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            for name, content in files:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        with pytest.raises(ValueError, match=words.replace(".", r"\.")):
            open_image_set(tmp_path / "a.tar")

    def test_links_are_refused(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            entry = tarfile.TarInfo("a.jpg")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
        with pytest.raises(ValueError, match=r"found member 'a\.jpg'"):
            open_image_set(tmp_path / "a.tar")
