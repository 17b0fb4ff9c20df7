"""What inspection says of good and of damaged files, and that it runs nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import Inspection, RecordWriter, convert, inspect, open_image_set


def picture(value: int, size: tuple[int, int] = (112, 112), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, 10, 20)).save(stream, format="JPEG")
    return stream.getvalue()


def folder(root: Path, names: dict[str, bytes]) -> Path:
    for name, content in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


FACES = {"Ann/1.jpg": picture(1), "Ann/2.jpg": picture(2), "Bo/1.jpg": picture(3), "Bo/2.jpg": picture(4)}


def facts(found: Inspection, *names: str) -> tuple[Any, ...]:
    json.dumps(found.to_record(), allow_nan=False)
    assert all("\n" not in problem for problem in found.problems)
    return tuple(found.facts[name] for name in names)


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


class TestVerificationSets:
    def test_a_good_one(self, tmp_path: Path) -> None:
        content = ([picture(value) for value in range(24)], [True, False] * 6)
        (tmp_path / "lfw.bin").write_bytes(pickle.dumps(content))
        found = inspect(tmp_path / "lfw.bin")
        assert "verification set" in found.kind and found.problems == ()
        assert facts(found, "pairs", "same", "images", "sizes", "encodings") == (
            12,
            6,
            24,
            "112 x 112 (24)",
            "JPEG (24)",
        )
        assert [image.shape for image in found.pictures] == [(112, 112, 3)] * 8

    def test_one_with_troubles(self, tmp_path: Path) -> None:
        images = [picture(1), picture(2, size=(96, 112)), picture(3, mode="L"), b"broken"]
        (tmp_path / "a.bin").write_bytes(pickle.dumps((images, [True, True])))
        problems = inspect(tmp_path / "a.bin").problems
        assert "1 of 4 images looked at cannot be read, the first: image 3" in problems[0]
        assert problems[1] == "1 of 4 images looked at are greyscale, the first: image 2."
        assert problems[2] == "2 sizes of 4 images looked at: 112 x 112 (2), 96 x 112 (1)."
        assert "same label" in problems[3] and "needs ten pairs, there are 2" in problems[4]

    def test_an_attack_is_reported_and_does_not_run(self, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(pickle.dumps(([Attack(tmp_path / "owned")], [True])))
        assert "asks for" in inspect(tmp_path / "a.bin").problems[0]
        np.save(tmp_path / "a.npy", np.array([Attack(tmp_path / "owned")], dtype=object), allow_pickle=True)
        assert "an array of plain numbers was expected" in inspect(tmp_path / "a.npy").problems[0]
        assert not (tmp_path / "owned").exists()


class TestRecords:
    def test_an_insightface_folder(self, tmp_path: Path) -> None:
        convert(folder(tmp_path / "faces", FACES), tmp_path / "set" / "train.rec")
        (tmp_path / "set" / "cfp_fp.bin").write_bytes(b"")
        for place in ("set", "set/train.rec", "set/train.idx"):
            found = inspect(tmp_path / place)
            assert found.problems == () and "record file" in found.kind
            assert facts(found, "layout", "images", "identities", "property", "names", "verification_sets") == (
                "insightface",
                4,
                2,
                "2,112,112",
                ["Ann", "Bo"],
                ["cfp_fp"],
            )
            assert found.facts["first_images"][0].startswith("key 1 at offset 40: 112 x 112, JPEG")
        (tmp_path / "set" / "property").write_text("85742,112,112\n")
        assert "speaks of 85742 identities, there are 2" in inspect(tmp_path / "set").problems[0]

    def test_labels_with_gaps_and_lone_images(self, tmp_path: Path) -> None:
        with RecordWriter(tmp_path / "a.rec", "flat") as writer:
            for label in (3, 9, 9):
                writer.append(picture(label), label)
        (tmp_path / "a.idx").unlink()
        found = inspect(tmp_path / "a.rec")
        assert facts(found, "layout", "index", "images_per_identity") == (
            "flat",
            "none, the file was scanned",
            "1 to 2, median 1.5",
        )
        assert "run from 3 to 9 for 2 identities" in found.problems[0] and "1 of 2 identities" in found.problems[1]

    def test_a_cut_file_tells_how_much_is_whole(self, tmp_path: Path) -> None:
        with RecordWriter(tmp_path / "a.rec", "flat") as writer:
            for label in range(5):
                writer.append(picture(label), label)
        content = (tmp_path / "a.rec").read_bytes()
        (tmp_path / "a.rec").write_bytes(content[: len(content) * 7 // 10])
        found = inspect(tmp_path / "a.rec")
        assert facts(found, "whole_records") == (3,) and "a.idx" in found.problems[0]
        (tmp_path / "a.idx").unlink()
        assert f"a.rec, offset {len(content) // 5 * 3}: " in inspect(tmp_path / "a.rec").problems[0]


def test_shards(tmp_path: Path) -> None:
    convert(folder(tmp_path / "faces", FACES), tmp_path / "s", to="shards")
    found = inspect(tmp_path / "s")
    assert "shards" in found.kind and found.problems == ()
    assert facts(found, "shards", "images", "identities") == (1, 4, 2)
    shard = tmp_path / "s" / "shard-000000.tar"
    assert inspect(shard).facts["images"] == 4
    shard.write_bytes(shard.read_bytes()[:600])
    assert "offset 512" in inspect(shard).problems[0]


def test_an_image_folder(tmp_path: Path) -> None:
    root = folder(tmp_path / "faces", {**FACES, "Cy/1.jpg": b"", "loose.png": picture(0), "Dee/notes.txt": b"x"})
    found = inspect(root)
    assert "image folder" in found.kind
    assert facts(found, "images", "identities", "names", "bytes_per_image") == (
        5,
        3,
        ["Ann", "Bo", "Cy"],
        round(sum(map(len, FACES.values())) / 5),
    )
    assert [problem.partition(",")[0].partition(":")[0] for problem in found.problems] == [
        "1 of 3 identities have one image only.",
        "1 of 5 images looked at cannot be read",
        "1 folders hold no image",
        "1 images lie in no identity's folder",
    ]


def test_a_large_set_is_looked_at_evenly(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rec", "flat") as writer:
        for number in range(1000):
            writer.append(picture(1) if number != 999 else b"broken", number // 2)
    found = inspect(tmp_path / "a.rec")
    assert found.facts["images_looked_at"] == 200 and "key 999" in found.problems[0]


class TestPairLists:
    def test_with_images(self, tmp_path: Path) -> None:
        folder(tmp_path / "images", FACES)
        (tmp_path / "pairs.txt").write_text("Ann/1.jpg Ann/2.jpg 1\nAnn/1.jpg Bo/1.jpg 0\n")
        found = inspect(tmp_path)
        assert found.problems == () and len(found.pictures) == 3
        assert facts(found, "dialect", "pairs", "same", "images", "first_pairs") == (
            "insightface labels",
            2,
            1,
            3,
            ["Ann/1.jpg - Ann/2.jpg", "Ann/1.jpg - Bo/1.jpg"],
        )

    def test_with_troubles(self, tmp_path: Path) -> None:
        lines = ["2\t1", "Ann\t1\t2", "Ann\t1\tBo\t1", "Ann\t2\t1", "Cy\t1\tDee\t1"]
        (tmp_path / "pairs.txt").write_text("\n".join(lines))
        problems = inspect(tmp_path / "pairs.txt").problems
        assert problems[0] == "1 pairs are listed more than once."
        assert problems[1] == "1 of 4 people are in more than one fold, the first: Ann."
        assert "5 images" in problems[2] and "not there" in problems[2]
        (tmp_path / "pairs.txt").write_text("a b 1\na a 1\na b c d\n")
        assert "line 3" in inspect(tmp_path / "pairs.txt").problems[0]
        (tmp_path / "pairs.txt").write_text("a.jpg a.jpg 1\n")
        assert "an image with itself" in inspect(tmp_path / "pairs.txt").problems[0]


class TestVec2Face:
    """What Vec2Face's scripts write: <name>/<id:04d>/<k:03d>.jpg, vectors of any length, masks of image numbers."""

    def test_a_tree_of_generated_images_is_an_image_folder(self, tmp_path: Path) -> None:
        names = {f"{identity:04d}/{k:03d}.jpg": picture(identity + k) for identity in (0, 7, 9999) for k in range(3)}
        tree = folder(tmp_path / "generated_images" / "sampled", names)
        found = inspect(tree)
        assert found.problems == () and facts(found, "images", "identities", "names", "sizes") == (
            9,
            3,
            ["0000", "0007", "9999"],
            "112 x 112 (9)",
        )
        images = open_image_set(tree)
        assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and images.paths == tuple(sorted(names))
        assert [images.encoded(k) for k in range(9)] == [names[name] for name in sorted(names)]

    def test_features_of_any_length_and_masks(self, tmp_path: Path) -> None:
        rows = np.random.default_rng(0).normal(size=(6, 512)).astype(np.float32)
        np.save(tmp_path / "center_feature_examples.npy", rows)
        found = inspect(tmp_path / "center_feature_examples.npy")
        assert found.problems == () and facts(found, "vectors", "dimension", "norm") == (6, 512, "raw")
        np.save(tmp_path / "hsface10k_mask.npy", np.array([4, 0, 2]))
        found = inspect(tmp_path / "hsface10k_mask.npy")
        assert found.problems == () and facts(found, "numbers", "different", "range") == (3, 3, "0 to 4")
        np.save(tmp_path / "hsface10k_mask.npy", np.array([4, 4, -2]))
        assert inspect(tmp_path / "hsface10k_mask.npy").problems == (
            "1 numbers are negative, the least -2.",
            "1 numbers are there more than once, the first: 4.",
        )


class TestArrays:
    def test_raw_and_unit_vectors(self, tmp_path: Path) -> None:
        rows = np.random.default_rng(0).standard_normal((50, 512)).astype(np.float32)
        np.save(tmp_path / "raw.npy", rows)
        np.save(tmp_path / "unit.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
        assert facts(inspect(tmp_path / "raw.npy"), "vectors", "dimension", "norm") == (50, 512, "raw")
        assert facts(inspect(tmp_path / "unit.npy"), "norm", "lengths") == ("unit", "1 to 1, median 1")

    def test_troubles(self, tmp_path: Path) -> None:
        rows = np.ones((4, 3), np.float32)
        rows[1] = 0
        rows[3, 0] = np.nan
        np.save(tmp_path / "a.npy", rows)
        problems = inspect(tmp_path / "a.npy").problems
        assert "first in row 3" in problems[0] and "first in row 1" in problems[1]
        content = (tmp_path / "a.npy").read_bytes()
        (tmp_path / "a.npy").write_bytes(content[:-8])
        assert "a.npy: 48 bytes of numbers were expected, found 40." in inspect(tmp_path / "a.npy").problems[0]
        np.save(tmp_path / "labels.npy", np.arange(5))
        assert facts(inspect(tmp_path / "labels.npy"), "shape", "dtype") == ([5], "int64")


def test_single_images_and_what_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1, size=(30, 20)))
    assert facts(inspect(tmp_path / "a.jpg"), "sizes", "encodings") == ("30 x 20 (1)", "JPEG (1)")
    (tmp_path / "a.jpg").write_bytes(b"no")
    assert "a.jpg" in inspect(tmp_path / "a.jpg").problems[0] and inspect(tmp_path / "a.jpg").pictures == ()
    (tmp_path / "a.xyz").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"a\.xyz .*begins with b'hello'"):
        inspect(tmp_path / "a.xyz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty .*a folder without any"):
        inspect(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        inspect(tmp_path / "nowhere")


def test_describers_of_other_rooms_are_asked_first(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"")
    mine = Inspection(tmp_path / "a.npy", "mine")
    assert inspect(tmp_path / "a.npy", [lambda path: None, lambda path: mine]) is mine
