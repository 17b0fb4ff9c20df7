from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperface_lib.formats import parse_pairs, read_pairs

VIEW_2 = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nCy\t3\t12\nCy\t3\tBob\t1\n"


def write(folder: Path, text: str, name: str = "pairs.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def faces(folder: Path, *names: str) -> None:
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (value, 0, 0)).save(folder / name, format="PNG")


def test_view_2_brings_names_labels_and_folds(tmp_path: Path) -> None:
    listed = parse_pairs(write(tmp_path, VIEW_2))
    assert listed.pairs[0] == ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg")
    assert listed.pairs[2:] == (("Cy/Cy_0003.jpg", "Cy/Cy_0012.jpg"), ("Cy/Cy_0003.jpg", "Bob/Bob_0001.jpg"))
    assert listed.is_same == (True, False, True, False)
    assert listed.folds is not None and listed.folds.tolist() == [0, 0, 1, 1]


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xef\xbb\xbf" + VIEW_2.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    plain = parse_pairs(write(tmp_path, VIEW_2, "plain.txt"))
    assert parse_pairs(path).pairs == plain.pairs and parse_pairs(path).is_same == plain.is_same


@settings(max_examples=40)
@given(folds=st.integers(1, 12), per_fold=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_view_2_list_round_trips(
    tmp_path_factory: pytest.TempPathFactory, folds: int, per_fold: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    lines, wanted = [f"{folds}\t{per_fold}"], []
    for _ in range(folds):
        for fields in (3, 4):
            for _ in range(per_fold):
                i, j = rng.integers(1, 10000, 2)
                lines.append(f"A_B\t{i}\t{j}" if fields == 3 else f"A_B\t{i}\tC-D\t{j}")
                other = "A_B" if fields == 3 else "C-D"
                wanted.append((f"A_B/A_B_{i:04d}.jpg", f"{other}/{other}_{j:04d}.jpg"))
    listed = parse_pairs(write(tmp_path_factory.mktemp("list"), "\n".join(lines)))
    assert listed.pairs == tuple(wanted)
    assert np.array_equal(listed.folds, np.repeat(np.arange(folds), 2 * per_fold))  # type: ignore[arg-type]


def test_view_1_holds_both_kinds_in_every_fold(tmp_path: Path) -> None:
    lines = ["20"] + [f"Ann\t{k}\t{k + 1}" for k in range(1, 21)] + [f"Ann\t{k}\tBob\t{k}" for k in range(1, 21)]
    listed = parse_pairs(write(tmp_path, "\n".join(lines)))
    same = np.asarray(listed.is_same)
    assert listed.folds is not None and listed.folds.max() == 9
    for fold in range(10):
        assert same[listed.folds == fold].tolist() == [True, True, False, False]


@pytest.mark.parametrize("line", ["{first} {second} {label}", "{label} {first} {second}", "{first}\t{second}\t{label}"])
def test_both_label_dialects_are_told_apart(tmp_path: Path, line: str) -> None:
    rows = [("x/1.png", "y/2.png", 0), ("x/1.png", "x/3.png", 1)]
    text = "\n".join(line.format(first=a, second=b, label=label) for a, b, label in rows)
    listed = parse_pairs(write(tmp_path, text))
    assert (
        listed.pairs == tuple((a, b) for a, b, _ in rows) and listed.is_same == (False, True) and listed.folds is None
    )


def test_a_name_that_could_be_a_label_is_settled_by_the_other_lines(tmp_path: Path) -> None:
    assert parse_pairs(write(tmp_path, "1 a 0\nb c 1")).pairs == (("1", "a"), ("b", "c"))
    with pytest.raises(ValueError, match="ambiguous"):
        parse_pairs(write(tmp_path, "1 a 0\n0 c 1"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1\t1\nAnn\t1\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\nAnn\t1\t2\nAnn\t1\t2", "line 3"),
        ("1\t1\nAnn\t1\tx\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\nAnn\t1\t-2\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\nAnn\t0\t2\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\nAnn\t1\t²\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\nAnn\t1\t99999999999999999999\nAnn\t1\tBob\t1", "line 2"),
        ("1\t1\n../../etc\t1\t2\nAnn\t1\tBob\t1", "line 2"),
        ("2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1", "4 pairs were expected by line 1, found 2"),
        ("0\t300\n", "positive"),
        ("a b 1\nc d 0\ne f 2", "line 3"),
        ("a b 1\nc d", "line 2"),
        ("a b 1\n/etc/passwd d 0", "line 2"),
        ("", "found no line"),
        ("hello world", "line 1"),
    ],
)
def test_malformed_lists_are_refused_naming_file_and_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        parse_pairs(write(tmp_path, text))
    assert "pairs.txt" in str(error.value) and "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"10\t300\n\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        parse_pairs(tmp_path / "pairs.txt")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        parse_pairs(tmp_path / "nowhere.txt")


def test_a_folder_gives_a_pair_set_of_photographs_read_when_asked_for(tmp_path: Path) -> None:
    write(tmp_path, VIEW_2)
    names = ["Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.png", "Cy/Cy_0003.jpeg", "Cy/Cy_0012.jpg"]
    faces(tmp_path / "images", *names)
    pairs = read_pairs(tmp_path)
    assert (len(pairs), len(pairs.images), pairs.aligned, pairs.name) == (4, 5, False, tmp_path.name)
    assert [(int(a[0, 0, 0]), int(b[0, 0, 0]), same) for a, b, same in pairs] == [
        (0, 1, True),
        (0, 2, False),
        (3, 4, True),
        (3, 2, False),
    ]
    assert read_pairs(tmp_path / "pairs.txt", aligned=True).aligned


def test_missing_images_are_counted_and_the_first_named(tmp_path: Path) -> None:
    write(tmp_path, VIEW_2)
    faces(tmp_path / "images", "Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Cy/Cy_0012.jpg")
    with pytest.raises(FileNotFoundError, match=r"2 are not there.*Bob_0001"):
        read_pairs(tmp_path)


def test_images_may_lie_beside_the_list_or_where_they_are_said_to(tmp_path: Path) -> None:
    path = write(tmp_path, "a.png b.png 1", "label.txt")
    faces(tmp_path, "a.png", "b.png")
    assert len(read_pairs(path)) == 1
    faces(tmp_path / "elsewhere", "a.png", "b.png")
    assert read_pairs(path, images=tmp_path / "elsewhere").images.paths[0].parent.name == "elsewhere"  # type: ignore[union-attr]
