"""What the writer writes, read by an independent reader that follows the written format word by word."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.formats import RecordReader, RecordWriter
from hyperface_lib.formats.record_writer import RecordLayout

MAGIC = 0xCED7230A


def read_by_hand(path: Path) -> list[tuple[list[float], int, bytes]]:
    """Read (labels, number, image) of every key of the index, as mxnet's own reader does."""
    content = path.read_bytes()
    found = []
    for line in path.with_suffix(".idx").read_text().splitlines():
        place = int(line.split("\t")[1])
        payload = b""
        while True:
            magic, word = struct.unpack_from("<2I", content, place)
            assert magic == MAGIC and place % 4 == 0
            kind, length = word // 2**29, word % 2**29
            payload += (struct.pack("<I", MAGIC) if kind in (2, 3) else b"") + content[place + 8 : place + 8 + length]
            place += 8 + (length + 3) // 4 * 4
            if kind in (0, 3):
                break
        flag, label, number, second = struct.unpack_from("<IfQQ", payload)
        assert second == 0
        labels = list(struct.unpack_from(f"<{flag}f", payload, 24)) if flag else [label]
        found.append((labels, number, payload[24 + 4 * flag :]))
    return found


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_an_insightface_file_is_written_word_for_word(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        assert [writer.append(b"a", 4), writer.append(b"bb", 4), writer.append(b"ccc", 2)] == [1, 2, 3]
        assert len(writer) == 3 and names(tmp_path) == [writer.unfinished_path.name]
    assert names(tmp_path) == ["train.idx", "train.rec"]
    assert read_by_hand(tmp_path / "train.rec") == [
        ([4.0, 6.0], 0, b""),  # identities are keys 4 and 5
        ([4.0], 1, b"a"),
        ([4.0], 2, b"bb"),
        ([2.0], 3, b"ccc"),
        ([1.0, 3.0], 4, b""),
        ([3.0, 4.0], 5, b""),
    ]
    records = RecordReader(tmp_path / "train.rec")
    assert records.labels.tolist() == [4, 4, 2] and records.ranges.tolist() == [[1, 3], [3, 4]]


def test_a_flat_file_takes_labels_in_any_order(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec", layout="flat") as writer:
        assert [writer.append(b"a", 4), writer.append(b"bb", 2), writer.append(b"ccc", 4)] == [0, 1, 2]
    assert read_by_hand(tmp_path / "a.rec") == [([4.0], 0, b"a"), ([2.0], 1, b"bb"), ([4.0], 2, b"ccc")]
    assert list(RecordReader(tmp_path / "a.rec")) == [(b"a", 4), (b"bb", 2), (b"ccc", 4)]


encoded = st.lists(st.one_of(st.binary(max_size=7), st.just(struct.pack("<I", MAGIC))), min_size=1, max_size=8).map(
    lambda pieces: b"".join(pieces) or b"x"
)


@settings(max_examples=60)
@given(st.lists(st.lists(encoded, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_any_images_come_back(tmp_path_factory: pytest.TempPathFactory, people: list[list[bytes]], flat: bool) -> None:
    path = tmp_path_factory.mktemp("round") / "a.rec"
    wanted = [(one, label) for label, own in enumerate(people) for one in own]
    with RecordWriter(path, layout="flat" if flat else "insightface") as writer:
        for one, label in wanted:
            writer.append(one, label)
    by_hand = [(image, int(labels[0])) for labels, _, image in read_by_hand(path) if image]
    assert list(RecordReader(path)) == by_hand == wanted
    path.with_suffix(".idx").unlink()
    records = RecordReader(path)
    assert list(records) == wanted and records.labels.tolist() == [label for _, label in wanted]


def test_what_cannot_be_kept_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    def write(*images: tuple[bytes, int]) -> None:
        with RecordWriter(tmp_path / "a.rec") as writer:
            for one, label in images:
                writer.append(one, label)

    for images, words in (
        ([(b"", 0)], "image 0 .* is empty"),
        ([(b"a", 0), (b"b", 2**24 + 1)], "label 16777217 of image 1"),
        ([(b"a", 0), (b"b", 1), (b"c", 0)], "label 0 returns at image 3"),
        ([], "none was written"),
    ):
        with pytest.raises(ValueError, match=rf"a\.rec: .*{words}"):
            write(*images)
        assert names(tmp_path) == []
    with pytest.raises(ValueError, match=r"a\.lmdb.*ends in \.rec"):
        RecordWriter(tmp_path / "a.lmdb")
    with pytest.raises(ValueError, match="insightface, flat, found 'x'"):
        RecordWriter(tmp_path / "a.rec", layout="x")  # type: ignore[arg-type]


def test_a_finished_file_stays_until_the_next_is_whole(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.append(b"old", 1)
    with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path / "a.rec") as writer:
        writer.append(b"new", 1)
        raise KeyboardInterrupt
    assert list(RecordReader(tmp_path / "a.rec")) == [(b"old", 1)] and names(tmp_path) == ["a.idx", "a.rec"]


IMAGES = [(bytes([65 + number]) * (5 + number % 3), number // 3) for number in range(7)]


@pytest.mark.parametrize("layout", ["insightface", "flat"])
def test_an_interrupted_file_is_gone_on_with_wherever_it_was_cut(tmp_path: Path, layout: RecordLayout) -> None:
    with RecordWriter(tmp_path / "whole.rec", layout) as writer:
        for one, label in IMAGES:
            writer.append(one, label)
    whole = (tmp_path / "whole.rec").read_bytes()
    with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path / "a.rec", layout, resumable=True) as writer:
        raise KeyboardInterrupt
    held = set()
    for cut in (*range(0, len(whole), 3), len(whole)):
        writer.unfinished_path.write_bytes(whole[:cut])
        with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path / "a.rec", layout, resumable=True) as writer:
            held.add(len(writer))
            raise KeyboardInterrupt
        with RecordWriter(tmp_path / "a.rec", layout, resumable=True) as writer:
            for one, label in IMAGES[len(writer) :]:
                writer.append(one, label)
        assert (tmp_path / "a.rec").read_bytes() == whole
        assert (tmp_path / "a.idx").read_bytes() == (tmp_path / "whole.idx").read_bytes()
        assert names(tmp_path) == ["a.idx", "a.rec", "whole.idx", "whole.rec"]
    assert held == set(range(8))


def test_an_unfinished_file_of_another_layout_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path / "a.rec", "flat", resumable=True) as writer:
        writer.append(b"a", 0)
        raise KeyboardInterrupt
    before = writer.unfinished_path.read_bytes()
    with pytest.raises(ValueError, match="layout insightface, it was begun as flat"):
        RecordWriter(tmp_path / "a.rec", resumable=True)
    assert writer.unfinished_path.read_bytes() == before
