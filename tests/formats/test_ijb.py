"""An IJB folder written by hand: what is read, and the sentence for everything that can be wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import find_ijb, ijb, ijb_tables, inspect, read_ijb

MEDIA = ["1.jpg 30 7", "2.jpg 30 7", "3.jpg 10 7", "4.jpg 10 9", "5.jpg 20 3", "6.jpg 5 1"]
PAIRS = ["10 30 1", "30 20 0", "10 20 0", "20 30 1", "10 30 1"]
GALLERY_1 = ["TEMPLATE_ID,SUBJECT_ID,FILENAME", "30,900,img/a b.jpg", "30,900,img/é.jpg"]
GALLERY_2 = ["TEMPLATE_ID,SUBJECT_ID", "20,901"]
PROBES = ["TEMPLATE_ID,SUBJECT_ID,FILENAME,X", "10,900,a.jpg,1", "5,901,b.jpg,2", "10,900,c.jpg,3"]


def points_line(name: str, seed: int) -> str:
    values = np.random.default_rng(seed).uniform(0, 99, 11)
    return f"{name} " + " ".join(f"{value:.3f}" for value in values[:10]) + f" {values[10] / 99:.4f}"


POINTS = [points_line(f"{number}.jpg", number) for number in range(1, 7)]


def write(folder: Path, prefix: str = "ijbb", end: str = "\n", **changed: list[str] | None) -> Path:
    """Write the lists of a benchmark, some of them changed or (None) left out; return its folder."""
    names = ("S1", "S2") if prefix == "ijbb" else ("G1", "G2")
    lists: dict[str, list[str] | None] = {
        "face_tid_mid.txt": MEDIA,
        "name_5pts_score.txt": POINTS,
        "template_pair_label.txt": PAIRS,
        f"1N_gallery_{names[0]}.csv": GALLERY_1,
        f"1N_gallery_{names[1]}.csv": GALLERY_2,
        "1N_probe_mixed.csv": PROBES,
    }
    short = {"media": "face_tid_mid.txt", "points": "name_5pts_score.txt", "pairs": "template_pair_label.txt"}
    short |= {"first": f"1N_gallery_{names[0]}.csv", "probes": "1N_probe_mixed.csv"}
    lists |= {short[key]: value for key, value in changed.items()}
    (folder / "meta").mkdir(parents=True)
    for name, lines in lists.items():
        if lines is not None:
            (folder / "meta" / f"{prefix}_{name}").write_bytes((end.join(lines) + end).encode())
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("prefix", ["ijbb", "ijbc"])
def test_every_list_is_read_as_it_was_written(tmp_path: Path, prefix: str, end: str) -> None:
    meta = read_ijb(write(tmp_path / "x", prefix, end))
    assert meta.name == {"ijbb": "IJB-B", "ijbc": "IJB-C"}[prefix] and len(meta) == 6 and meta.notes == ()
    assert meta.image_names == tuple(f"{number}.jpg" for number in range(1, 7))
    assert meta.path(1) == tmp_path / "x" / "loose_crop" / "2.jpg"
    written = np.array([[float(field) for field in line.split()[1:]] for line in POINTS])
    assert np.array_equal(meta.five_points, written[:, :10].reshape(6, 5, 2))
    assert np.array_equal(meta.faceness, written[:, 10])
    assert meta.template_ids.tolist() == [30, 30, 10, 10, 20, 5] and meta.media_ids.tolist() == [7, 7, 7, 9, 3, 1]
    assert meta.templates.tolist() == [5, 10, 20, 30]
    assert meta.templates[meta.pairs].tolist() == [[10, 30], [30, 20], [10, 20], [20, 30], [10, 30]]
    assert meta.is_same.tolist() == [True, False, False, True, True] and meta.pairs.dtype == np.int32
    names = ["S1", "S2"] if prefix == "ijbb" else ["G1", "G2"]
    assert list(meta.galleries) == names and meta.probes is not None
    first, second = meta.galleries.values()
    assert meta.templates[first.rows].tolist() == [30] and first.subjects.tolist() == [900]
    assert meta.templates[second.rows].tolist() == [20] and second.subjects.tolist() == [901]
    assert dict(zip(meta.templates[meta.probes.rows].tolist(), meta.probes.subjects.tolist(), strict=True)) == {
        5: 901,
        10: 900,
    }


def test_blank_lines_blocks_and_ids_far_apart_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_ijb(write(tmp_path / "a"))
    spaced = [line for pair in PAIRS for line in ("", pair.replace(" ", "\t"), "  ")]
    monkeypatch.setattr(ijb_tables, "ROWS", 2)
    monkeypatch.setattr(ijb, "_MOST_IDS_IN_A_TABLE", 3)
    other = read_ijb(write(tmp_path / "b", pairs=spaced))
    for name in ("pairs", "is_same", "template_ids", "five_points"):
        assert np.array_equal(getattr(plain, name), getattr(other, name))
    with pytest.raises(ValueError, match=r"label\.txt line 8: .* template 31 has no image"):
        read_ijb(write(tmp_path / "c", pairs=[*spaced[:7], "31 20 1"]))


def test_points_are_matched_by_name_and_may_come_from_another_file(tmp_path: Path) -> None:
    plain = read_ijb(write(tmp_path / "a"))
    other = read_ijb(write(tmp_path / "b", points=[*POINTS[::-1], points_line("unused.jpg", 9)]))
    assert np.array_equal(plain.five_points, other.five_points) and np.array_equal(plain.faceness, other.faceness)
    (tmp_path / "retina.txt").write_text("\n".join(points_line(f"{k}.jpg", 50 + k) for k in range(1, 7)))
    assert not np.array_equal(read_ijb(tmp_path / "a", tmp_path / "retina.txt").five_points, plain.five_points)


def test_the_folder_is_found_from_its_root_and_two_are_not_guessed_between(tmp_path: Path) -> None:
    write(tmp_path / "root" / "IJBB")
    assert read_ijb(tmp_path / "root").name == "IJB-B"
    write(tmp_path / "root" / "IJBC", "ijbc")
    assert [folder.name for folder in find_ijb(tmp_path / "root")] == ["IJBB", "IJBC"]
    with pytest.raises(ValueError, match="IJBB and IJBC: name one"):
        read_ijb(tmp_path / "root")
    assert read_ijb(tmp_path / "root" / "IJBC").name == "IJB-C"
    for name in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FileNotFoundError, match=name):
            read_ijb(tmp_path / name)


def test_two_benchmarks_in_one_folder_are_refused_and_hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    (folder / "meta" / "._ijbb_face_tid_mid.txt").write_bytes(b"\0")
    assert read_ijb(folder).name == "IJB-B"
    (folder / "meta" / "ijbc_face_tid_mid.txt").write_text("1.jpg 1 1\n")
    with pytest.raises(ValueError, match=r"one benchmark, found ijbb_face_tid_mid\.txt and ijbc_face_tid_mid\.txt"):
        read_ijb(folder)


def test_without_its_lists_identification_is_left_out_and_said(tmp_path: Path) -> None:
    meta = read_ijb(write(tmp_path / "a", probes=None, first=None))
    assert meta.galleries == {} and meta.probes is None and len(meta.pairs) == 5
    assert len(meta.notes) == 1
    assert "no ijbb_1N_gallery_S1.csv, ijbb_1N_probe_mixed.csv" in meta.notes[0]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"media": [*MEDIA[:3], "4.jpg 10"]}, r"face_tid_mid\.txt line 4: `image template media` .* '4.jpg 10'"),
        ({"media": [*MEDIA[:3], "4.jpg 10 9 1"]}, r"face_tid_mid\.txt line 4: .* found '4.jpg 10 9 1'"),
        ({"media": [MEDIA[0], "", "2.jpg 1.5 7"]}, r"face_tid_mid\.txt line 3: .* found '2.jpg 1.5 7'"),
        ({"media": ["1.jpg 1 99999999999999999999"]}, r"face_tid_mid\.txt line 1: .* found '1.jpg 1 9"),
        ({"media": []}, r"face_tid_mid\.txt was expected to hold rows .* holds none"),
        ({"media": [*MEDIA, "7.jpg 5 1"]}, r"face_tid_mid\.txt line 7: the image '7.jpg' has no five points"),
        ({"media": ["../1.jpg 1 1"]}, r"face_tid_mid\.txt line 1: an image name inside .* found '../1.jpg'"),
        ({"media": [*MEDIA, "/etc/passwd 1 1"]}, r"face_tid_mid\.txt line 7: an image name inside"),
        ({"points": None}, r"no file .*name_5pts_score\.txt"),
        ({"points": [POINTS[0], POINTS[1] + " 3"]}, r"score\.txt line 2: `image x1 y1 ... x5 y5 faceness` was"),
        ({"points": [POINTS[0], "2.jpg " + "x " * 11]}, r"score\.txt line 2: .* found '2.jpg x x"),
        ({"points": [*POINTS[:5], "6.jpg " + "1 " * 9 + "nan 1"]}, r"score\.txt line 6: finite points .* nan 1"),
        ({"points": ["1.jpg " + "1 " * 10 + "inf"]}, r"score\.txt line 1: finite points .* inf"),
        ({"points": ["", "1.jpg " + "1 " * 10 + "-0.5"]}, r"score\.txt line 2: .* faceness of at least 0 .* -0.5"),
        ({"points": [*POINTS[1:], POINTS[1]]}, r"score\.txt line 6: '2.jpg' stands there a second time"),
        ({"pairs": None}, r"no file .*template_pair_label\.txt"),
        ({"pairs": [*PAIRS, "10 20"]}, r"label\.txt line 6: `template template 0\|1` was expected, found '10 20'"),
        ({"pairs": ["10 20 1", "10 20 same"]}, r"label\.txt line 2: .* found '10 20 same'"),
        ({"pairs": ["10 20 1", "10 20 2"]}, r"label\.txt line 2: a label 0 or 1 was expected, found 2"),
        ({"pairs": ["10 20 -1"]}, r"label\.txt line 1: a label 0 or 1 was expected, found -1"),
        ({"pairs": ["10 20 1", "10 77 1"]}, r"label\.txt line 2: the template 77 has no image in ijbb_face_tid_mid"),
        ({"pairs": ["-8 10 1"]}, r"label\.txt line 1: the template -8 has no image"),
        ({"first": ["a,b", "30"]}, r"S1\.csv line 2: `template,subject,...` was expected, found '30'"),
        ({"first": ["a,b", "30,9", "30,x"]}, r"S1\.csv line 3: .* found '30,x'"),
        ({"first": ["30,900", "20,901"]}, r"S1\.csv line 1: a header was expected .* found '30,900'"),
        ({"first": ["a,b"]}, r"S1\.csv was expected to hold rows"),
        ({"first": ["a,b", "30,900", "20,901", "30,902"]}, r"S1\.csv line 4: .* 30 is of subject 902 .* of 900 above"),
        ({"probes": ["a,b", "10,900", "44,900"]}, r"mixed\.csv line 3: the template 44 has no image"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, changed: dict[str, list[str] | None], sentence: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as error:
        read_ijb(write(tmp_path / "a", **changed))
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    (folder / "meta" / "ijbb_template_pair_label.txt").write_bytes(b"10 20 1\n\xff\xfe 3 1\n")
    with pytest.raises(ValueError, match=r"label\.txt .*UTF-8"):
        read_ijb(folder)


def test_missing_images_are_named_and_inspection_says_all(tmp_path: Path) -> None:
    folder = write(tmp_path / "root" / "IJBB")
    assert read_ijb(folder).missing_images() == tuple(f"{number}.jpg" for number in range(1, 7))
    (folder / "loose_crop").mkdir()
    for number in (1, 2, 3, 5):
        Image.new("RGB", (40 + number, 50), (number, 2, 3)).save(folder / "loose_crop" / f"{number}.jpg")
    assert read_ijb(folder).missing_images() == ("4.jpg", "6.jpg")
    found = inspect(tmp_path / "root")
    assert found.kind == "template benchmark (IJB)" and len(found.pictures) == 4
    facts = {"benchmark": "IJB-B", "images": 6, "templates": 4, "template_pairs": 5, "same": 3, "media": 4}
    assert facts.items() <= found.facts.items()
    assert (found.facts["gallery_S1"], found.facts["gallery_S2"], found.facts["probes"]) == (1, 1, 2)
    assert found.facts["images_per_template"] == "1 to 2, median 1.5"
    assert len(found.problems) == 1 and re.search(r"2 of 6 images .* the first: 4\.jpg", found.problems[0])
    write(tmp_path / "broken", pairs=["1 2"])
    assert "label.txt line 1" in inspect(tmp_path / "broken").problems[0]
    write(tmp_path / "root" / "IJBC", "ijbc")
    assert [Path(one).name for one in inspect(tmp_path / "root").facts["holds"]] == ["IJBB", "IJBC"]
