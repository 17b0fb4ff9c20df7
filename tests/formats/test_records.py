"""Record files, against files put together by hand from the written format."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperface_lib.formats import RecordReader
from hyperface_lib.formats.record_io import frame, read_frame, record_starts

MAGIC = b"\x0a\x23\xd7\xce"


def part(kind: int, content: bytes) -> bytes:
    """One part by hand: the magic number, kind and length in one word, the bytes, zeros to a multiple of four."""
    return MAGIC + (kind * 2**29 + len(content)).to_bytes(4, "little") + content + b"\0" * (-len(content) % 4)


def image(label: float, number: int, encoded: bytes) -> bytes:
    return struct.pack("<I", 0) + struct.pack("<f", label) + struct.pack("<QQ", number, 0) + encoded


def several(labels: list[float], number: int, encoded: bytes = b"") -> bytes:
    header = struct.pack("<I", len(labels)) + struct.pack("<f", 0) + struct.pack("<QQ", number, 0)
    return header + struct.pack(f"<{len(labels)}f", *labels) + encoded


def write(path: Path, records: list[bytes], index: bool = True, shuffled: bool = False) -> Path:
    """Put records (each already in parts) one behind another; the index names them 0, 1, 2, ..."""
    offset, lines = 0, []
    for key, record in enumerate(records):
        lines.append(f"{key}\t{offset}\n")
        offset += len(record)
    path.write_bytes(b"".join(records))
    if index:
        path.with_suffix(".idx").write_text("".join(reversed(lines) if shuffled else lines))
    return path


def jpeg(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (value, 0, 255 - value)).save(stream, format="PNG")
    return stream.getvalue()


def insightface(path: Path, people: list[list[bytes]], labels: list[int] | None = None, index: bool = True) -> Path:
    """An InsightFace file: header, images by identity, a record with its range for every identity."""
    labels = list(range(len(people))) if labels is None else labels
    images = [(label, one) for label, own in zip(labels, people, strict=True) for one in own]
    end = len(images) + 1
    records = [part(0, several([end, end + len(people)], 0))]
    records += [part(0, image(label, key, one)) for key, (label, one) in enumerate(images, 1)]
    first = 1
    for key, own in enumerate(people, end):
        records.append(part(0, several([first, first + len(own)], key)))
        first += len(own)
    return write(path, records, index)


PEOPLE = [[b"a", b"bc"], [b"def"], [b"ghij", b"klmno", b"p" * 50]]


@pytest.mark.parametrize("index", [True, False])
def test_an_insightface_file_gives_its_images_and_not_its_other_records(tmp_path: Path, index: bool) -> None:
    records = RecordReader(insightface(tmp_path / "train.rec", PEOPLE, index=index))
    assert (records.layout, len(records)) == ("insightface", 6)
    assert list(records) == [(b"a", 0), (b"bc", 0), (b"def", 1), (b"ghij", 2), (b"klmno", 2), (b"p" * 50, 2)]
    assert records.keys.tolist() == [1, 2, 3, 4, 5, 6]
    assert records.labels.tolist() == [0, 0, 1, 2, 2, 2] and records.labels.dtype == np.int64
    assert records.ranges.tolist() == [[1, 3], [3, 4], [4, 7]]
    assert records.identities == {0: "0", 1: "1", 2: "2"}
    assert records[-1] == (b"p" * 50, 2)
    with pytest.raises(IndexError, match="6 images, asked for image 6"):
        records[6]


@pytest.mark.parametrize("index", [True, False])
def test_a_flat_file_is_images_from_the_first_record(tmp_path: Path, index: bool) -> None:
    content = [b"x", b"yy", b"zzz"]
    parts = [part(0, image(label, key, one)) for key, (label, one) in enumerate(zip([7, 3, 7], content, strict=True))]
    records = RecordReader(write(tmp_path / "a.rec", parts, index, shuffled=True))
    assert (records.layout, list(records)) == ("flat", [(b"x", 7), (b"yy", 3), (b"zzz", 7)])
    assert records.labels.tolist() == [7, 3, 7] and records.identities == {3: "3", 7: "7"}
    assert records.keys.tolist() == [0, 1, 2] and not len(records.ranges)


def test_a_record_cut_at_the_magic_number_is_joined_with_it(tmp_path: Path) -> None:
    # The image begins at byte 24 of the payload, so the number at byte 28 stands at a multiple of four.
    encoded = b"abcd" + MAGIC + MAGIC + b"efgh" + b"x" + MAGIC + b"y"
    payload = image(5, 0, encoded)
    pieces = [payload[:28], payload[32:32], payload[36:]]
    assert MAGIC.join(pieces) == payload
    record = part(1, pieces[0]) + part(2, pieces[1]) + part(3, pieces[2])
    records = RecordReader(write(tmp_path / "a.rec", [part(0, image(1, 0, b"q")), record], index=False))
    assert list(records) == [(b"q", 1), (encoded, 5)]
    assert records.labels.tolist() == [1, 5]


def test_of_several_labels_the_first_counts_and_all_are_kept(tmp_path: Path) -> None:
    parts = [part(0, several([4, 0.25, -1], 9, b"img")), part(0, image(2, 1, b"o"))]
    records = RecordReader(write(tmp_path / "a.rec", parts))
    assert list(records) == [(b"img", 4), (b"o", 2)] and records.labels.tolist() == [4, 2]
    record = records.record(0)
    assert (record.labels.tolist(), record.number, record.encoded) == ([4, 0.25, -1], 9, b"img")


def test_a_header_without_identity_records_is_read_as_trainers_read_it(tmp_path: Path) -> None:
    # Some tools write the number of classes as the second number, and no ranges.
    parts = [part(0, several([3, 2], 0)), part(0, several([0, 0], 1, b"a")), part(0, several([1, 0], 2, b"b"))]
    records = RecordReader(write(tmp_path / "a.rec", parts))
    assert list(records) == [(b"a", 0), (b"b", 1)] and records.labels.tolist() == [0, 1]


def test_ranges_that_do_not_cover_the_images_are_not_believed(tmp_path: Path) -> None:
    parts = [part(0, several([4, 6], 0))] + [part(0, image(label, 1, b"i")) for label in (5, 5, 8)]
    for second in ([3.0, 3.0], [2.0, 4.0], [float("nan"), 4.0]):
        ranges = [part(0, several([1, 3], 4)), part(0, several(second, 5))]
        assert RecordReader(write(tmp_path / "a.rec", parts + ranges)).labels.tolist() == [5, 5, 8]
    mixed = [part(0, several([1, 2], 4)), part(0, several([2, 4], 5))]
    with pytest.raises(ValueError, match=r"images 2 to 3 .* labels 5 and 8"):
        _ = RecordReader(write(tmp_path / "a.rec", parts + mixed)).labels


def test_a_range_that_float32_has_rounded_is_found_from_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same with the border of exact numbers moved down: 16.7 million images do not fit a test.
    monkeypatch.setattr("hyperface_lib.formats.records.EXACT_LABELS", 4)
    monkeypatch.setattr(np, "spacing", lambda value: np.float32(2))
    people = [[b"a", b"b", b"c"], [b"d", b"e", b"f"]]
    for claimed in (6, 7, 8):
        path = insightface(tmp_path / "a.rec", people)
        content = path.read_bytes().replace(struct.pack("<2f", 7, 9), struct.pack("<2f", claimed, 9), 1)
        path.write_bytes(content)
        records = RecordReader(path)
        assert [one for one, _ in records] == [b"a", b"b", b"c", b"d", b"e", b"f"]
        assert records.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_images_are_decoded_and_broken_ones_named(tmp_path: Path) -> None:
    records = RecordReader(insightface(tmp_path / "a.rec", [[jpeg(9), b"broken"]]))
    assert records.image(0).shape == (6, 8, 3) and records.image(0)[0, 0].tolist() == [9, 0, 246]
    with pytest.raises(ValueError, match=r"a\.rec, key 2"):
        records.image(1)


def test_readers_are_sent_to_worker_processes(tmp_path: Path) -> None:
    records = RecordReader(insightface(tmp_path / "a.rec", PEOPLE))
    again = pickle.loads(pickle.dumps(records))
    assert list(again) == list(records) and again.labels.tolist() == records.labels.tolist()
    with again as opened:
        assert opened[0] == (b"a", 0)
    with pytest.raises(ValueError):
        again[0]


def test_names_come_from_the_list_beside_the_file(tmp_path: Path) -> None:
    path = insightface(tmp_path / "train.rec", PEOPLE)
    rows = [
        "3\tBo/1.jpg\t1",
        "1\tAnn/1.jpg\t0",
        "2\tAnn/2.jpg\t0",
        "4\tCy/1.jpg\t2",
        "5\tCy/2.jpg\t2",
        "6\tCy/3.jpg\t2",
    ]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    records = RecordReader(path)
    assert records.identities == {0: "Ann", 1: "Bo", 2: "Cy"}
    assert records.listed is not None and records.listed.paths[2] == "Bo/1.jpg"
    (tmp_path / "train.tsv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"train\.tsv.*6 images.*list of 5"):
        _ = RecordReader(path).identities
    (tmp_path / "train.tsv").write_text("1\t../evil/1.jpg\t0\n")
    with pytest.raises(ValueError, match=r"train\.tsv line 1"):
        _ = RecordReader(path).identities


def damaged(content: bytes, offset: int, new: bytes) -> bytes:
    return content[:offset] + new + content[offset + len(new) :]


def flat(path: Path, index: bool) -> Path:
    return write(path, [part(0, image(key, key, bytes([65 + key]) * (8 * key + 8))) for key in range(3)], index)


class TestDamage:
    """Records of flat() start at 0, 40 and 88, the file ends at 144."""

    @pytest.mark.parametrize("index", [True, False])
    @pytest.mark.parametrize("end", [143, 100, 95, 90, 89])
    def test_a_cut_file_is_named_with_the_offset(self, tmp_path: Path, index: bool, end: int) -> None:
        path = flat(tmp_path / "cut.rec", index)
        assert path.stat().st_size == 144
        path.write_bytes(path.read_bytes()[:end])
        with pytest.raises(ValueError, match=r"cut\.rec, offset 88: .*\bend") as error:
            RecordReader(path)
        assert "\n" not in str(error.value)

    def test_an_index_that_points_behind_the_end_is_named(self, tmp_path: Path) -> None:
        path = flat(tmp_path / "cut.rec", True)
        path.write_bytes(path.read_bytes()[:80])
        with pytest.raises(ValueError, match=r"cut\.idx: .*80 bytes.*offset 88"):
            RecordReader(path)
        path.with_suffix(".idx").write_text("0\t0\n1\t42\n")
        with pytest.raises(ValueError, match="offset 42"):
            RecordReader(path)

    def test_a_damaged_record_is_named_when_it_is_read_or_scanned(self, tmp_path: Path) -> None:
        path = flat(tmp_path / "bad.rec", True)
        path.write_bytes(damaged(path.read_bytes(), 40, b"\xff"))
        records = RecordReader(path)
        assert records[0][1] == 0 and records[2][1] == 2
        for read in (lambda: records[1], lambda: records.labels):
            with pytest.raises(ValueError, match=r"bad\.rec, offset 40: .*0xced7230a was expected, found 0xced723ff"):
                read()
        path.with_suffix(".idx").unlink()
        with pytest.raises(ValueError, match=r"bad\.rec, offset 40"):
            RecordReader(path)

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (part(2, image(1, 0, b"abcd")), "first part of a record was expected, found a part of kind 2"),
            (part(5, image(1, 0, b"abcd")), "found a part of kind 5"),
            (part(1, image(1, 0, b"abcd")) + part(0, b"abcd"), "middle or last part was expected"),
            (part(1, image(1, 0, b"abc")) + part(3, b"abcd"), "multiple of 4"),
            (part(1, image(1, 0, b"abcd")), "the end of the file"),
            (part(0, b"short"), "header of 24 bytes was expected, found 5"),
            (part(0, struct.pack("<IfQQ", 999, 0, 0, 0) + b"abcd"), "999 labels were expected"),
            (part(0, image(float("nan"), 0, b"abcd")), "whole number was expected, found nan"),
            (part(0, image(2.5, 0, b"abcd")), "whole number was expected, found 2.5"),
            (part(0, image(1e30, 0, b"abcd")), "whole number was expected"),
            (part(0, image(2, 0, b"")), "an image was expected at key 1"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_no_writer_writes_is_refused(self, tmp_path: Path, record: bytes, words: str) -> None:
        path = write(tmp_path / "a.rec", [part(0, image(1, 0, b"abcd")), record])
        with pytest.raises(ValueError, match=rf"a\.rec, offset (36|72): .*{words}"):
            _ = RecordReader(path).labels
        with pytest.raises(ValueError, match=rf"a\.rec, offset (36|72): .*{words}"):
            RecordReader(path)[1]

    def test_a_header_that_promises_too_much_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.rec", [part(0, several([5, 7], 0)), part(0, image(0, 1, b"a"))])
        with pytest.raises(ValueError, match=r"images 1 to 4 were expected by its header, found 1 of them"):
            RecordReader(path)
        with pytest.raises(ValueError, match=r"where the images end, found 0\.5"):
            RecordReader(write(tmp_path / "b.rec", [part(0, several([0.5, 7], 0))]))
        with pytest.raises(ValueError, match="1 records without one"):
            RecordReader(write(tmp_path / "c.rec", [part(0, several([1, 1], 0))]))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "an empty file"),
            ("0\t0\n1 40\n", r"line 2: .*'1 40'"),
            ("0\t0\n1\t\n", r"line 2"),
            ("0\t0\n\n", r"line 2"),
            ("a\t0\n", r"line 1"),
            ("0\t-4\n", r"line 1"),
            ("0\t0\n5\t40\n5\t88\n", r"line 3: a key of its own was expected, found 5"),
        ],
    )
    def test_a_malformed_index_is_named_with_the_line(self, tmp_path: Path, text: str, words: str) -> None:
        path = flat(tmp_path / "a.rec", False)
        path.with_suffix(".idx").write_text(text)
        with pytest.raises(ValueError, match=rf"a\.idx.*{words}"):
            RecordReader(path)

    def test_windows_line_ends_and_a_missing_last_one_are_read(self, tmp_path: Path) -> None:
        path = flat(tmp_path / "a.rec", False)
        path.with_suffix(".idx").write_bytes(b"10\t0\r\n11\t40\r\n12\t88")
        assert RecordReader(path).keys.tolist() == [10, 11, 12]

    def test_missing_and_empty_files_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            RecordReader(tmp_path / "nowhere.rec")
        (tmp_path / "a.rec").write_bytes(b"")
        with pytest.raises(ValueError, match=r"a\.rec: .*empty"):
            RecordReader(tmp_path / "a.rec")


# Bytes in which the magic number is as likely as not.
pieces = st.lists(st.one_of(st.binary(max_size=9), st.just(MAGIC), st.just(MAGIC + MAGIC)), max_size=12).map(b"".join)


@given(st.lists(pieces, min_size=1, max_size=6))
def test_any_bytes_come_back_from_their_frames(payloads: list[bytes]) -> None:
    content = b"".join(frame(payload) for payload in payloads)
    starts = list(record_starts(content, "x"))
    assert len(starts) == len(payloads)
    ends = [*starts[1:], len(content)]
    assert [read_frame(content, start, "x") for start in starts] == list(zip(payloads, ends, strict=True))
    # The number stands at a multiple of four only where a part begins.
    words = struct.unpack(f"<{len(content) // 4}I", content)
    place, begins = 0, []
    while place < len(words):
        begins.append(place)
        place += 2 + -(-(words[place + 1] % 2**29) // 4)
    assert [number for number, word in enumerate(words) if word == 0xCED7230A] == begins
