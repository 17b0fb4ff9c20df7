"""A data set of a run folder goes on while nothing has changed and is drawn anew when something has."""

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis import read_dataset
from hyperface_lib.synthesis.renewal import renew_dataset

DIMENSION = 4


class PlainColours:
    """Draw one colour a seed, and count the pictures."""

    name = "colours"
    fingerprint = "f"
    embedder_name = "plain"
    embedder_fingerprint = "p"
    image_size = 8
    dimension = DIMENSION

    def __init__(self) -> None:
        self.drawn = 0

    def sample(self, vectors, seeds, nuisance=None, steps=10, guidance=1.5, progress=False):  # type: ignore[no-untyped-def]
        self.drawn += len(vectors)
        return np.stack([np.full((8, 8, 3), (seed + steps) % 251, np.uint8) for seed in seeds])


def points(fingerprint: str = "p") -> IdentityVectors:
    return IdentityVectors(np.eye(DIMENSION, dtype=np.float32)[:2], ["a", "b"], "plain", fingerprint)


def test_the_same_parameters_draw_nothing_again(tmp_path: Path) -> None:
    colours, out = PlainColours(), tmp_path / "set"
    first = renew_dataset(points(), colours, out, images_per_identity=3)
    again = renew_dataset(points(), colours, out, images_per_identity=3)
    assert colours.drawn == 6
    assert first is not None and again is not None and first["files"] == again["files"]


def test_what_is_missing_is_drawn_and_what_is_there_stays(tmp_path: Path) -> None:
    colours, out = PlainColours(), tmp_path / "set"
    renew_dataset(points(), colours, out, images_per_identity=3, identities=range(1))
    assert renew_dataset(points(), colours, out, images_per_identity=3) is not None
    assert colours.drawn == 6


def test_other_parameters_replace_the_data_set(tmp_path: Path) -> None:
    colours, out = PlainColours(), tmp_path / "set"
    renew_dataset(points(), colours, out, images_per_identity=3)
    before = read_dataset(out)[0]
    renew_dataset(points(), colours, out, images_per_identity=2, steps=20)
    images, labels, manifest = read_dataset(out)
    assert labels.tolist() == [0, 0, 1, 1] and manifest["parameters"]["steps"] == 20
    assert not np.array_equal(before[0], images[0])


def test_foreign_files_and_foreign_vectors_are_left_alone(tmp_path: Path) -> None:
    colours, out = PlainColours(), tmp_path / "set"
    out.mkdir()
    (out / "letter.txt").write_text("dear reader")
    with pytest.raises(ValueError, match=r"letter\.txt"):
        renew_dataset(points(), colours, out)
    assert (out / "letter.txt").read_text() == "dear reader"
    renew_dataset(points(), colours, tmp_path / "own", images_per_identity=1)
    with pytest.raises(ValueError, match="is needed"):
        renew_dataset(points("other"), colours, tmp_path / "own", images_per_identity=1)
    with pytest.raises(ValueError, match="images_per_identity"):
        renew_dataset(points(), colours, tmp_path / "fresh", images_per_identity=0)
    assert len(read_dataset(tmp_path / "own")[0]) == 2
