"""Sets of labelled images, whatever they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.formats import open_image_set


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person, count in (("ann", 2), ("bob", 1), ("cem", 3)):
        (tmp_path / person).mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8), (number, len(person), 9)).save(tmp_path / person / f"{number}.png")
    return tmp_path


def test_the_first_identities_keep_their_images_names_and_labels(folder: Path) -> None:
    images = open_image_set(folder)
    first = images.first_identities(2)
    assert len(first) == 3 and first.labels.tolist() == [0, 0, 1]
    assert list(first.identities.values()) == ["ann", "bob"]
    assert [first.encoded(row) for row in range(3)] == [images.encoded(row) for row in range(3)]
    assert first.paths == ("ann/0.png", "ann/1.png", "bob/0.png")
    assert first.fingerprint != images.fingerprint
    assert first.fingerprint == open_image_set(folder).first_identities(2).fingerprint


def test_fewer_identities_than_asked_for_are_all_of_them(folder: Path) -> None:
    images = open_image_set(folder)
    assert images.first_identities(3) is images and images.first_identities(50) is images
    assert np.array_equal(images.first_identities(1).labels, [0, 0])
