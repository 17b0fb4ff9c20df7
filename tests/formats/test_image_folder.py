from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import read_image_folder


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2), (value, 0, 0)).save(path)


def test_identities_and_images_stand_in_sorted_order_whatever_the_disk_says(tmp_path: Path) -> None:
    for value, name in enumerate(["b/2.png", "a/10.png", "b/1.png", "a/2.PNG", "c/deep/x.png"]):
        picture(tmp_path / name, value)
    folder = read_image_folder(tmp_path)
    assert folder.identities == ("a", "b", "c")
    found = [path.relative_to(tmp_path).as_posix() for path in folder.paths]
    assert found == ["a/10.png", "a/2.PNG", "b/1.png", "b/2.png", "c/deep/x.png"]
    assert folder.labels.tolist() == [0, 0, 1, 1, 2] and folder.names == ("a", "a", "b", "b", "c")
    assert [int(folder[index][0][0, 0, 0]) for index in range(5)] == [1, 3, 2, 0, 4]
    assert [int(image[0, 0, 0]) for image in folder.of("b")] == [2, 0]


def test_only_images_count(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "loose.png")
    picture(tmp_path / ".cache" / "1.png")
    picture(tmp_path / "a" / ".thumb.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    folder = read_image_folder(tmp_path)
    assert len(folder) == 1 and folder.identities == ("a",) and folder.labels.dtype == np.int64


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").write_bytes(b"broken")
    folder = read_image_folder(tmp_path)
    assert folder[0][0].shape == (2, 3, 3)
    with pytest.raises(ValueError, match=r"2\.png"):
        folder[1]


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="found none"):
        read_image_folder(tmp_path)
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match="'b'"):
        read_image_folder(tmp_path).of("b")
