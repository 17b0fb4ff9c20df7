"""Who is on the pictures: by folders, by the order of rendered benchmarks, and only where every pair agrees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.evaluation import people_of
from hyperface_lib.evaluation.people import fold_remarks
from hyperface_lib.faces import benchmarks
from hyperface_lib.formats import ImageFiles, PairSet


def listed(pairs: list[tuple[str, str]], folds: list[int] | None = None) -> PairSet:
    """Make a set of a list of pairs of image paths; the images are never opened."""
    paths = sorted({path for pair in pairs for path in pair})
    number = {path: index for index, path in enumerate(paths)}
    same = [Path(one).parent == Path(other).parent for one, other in pairs]
    return PairSet(
        "list",
        ImageFiles(paths),
        np.array([number[one] for one, _ in pairs]),
        np.array([number[other] for _, other in pairs]),
        np.array(same),
        None if folds is None else np.array(folds),
        aligned=False,
        provenance={"pairs": "somewhere/pairs.txt"},
    )


TWO_FOLDS = [("a/1", "a/2"), ("a/1", "b/1"), ("c/1", "c/2"), ("c/2", "d/1"), ("e/1", "e/3"), ("f/1", "e/3")]


def test_the_folder_of_an_image_is_its_person() -> None:
    pair_set = listed(TWO_FOLDS)
    people = people_of(pair_set)
    assert people is not None and people.dtype == np.int64
    assert isinstance(pair_set.images, ImageFiles)
    by_person: dict[int, set[str]] = {}
    for path, person in zip(pair_set.images.paths, people.tolist(), strict=True):
        by_person.setdefault(person, set()).add(path.parent.name)
    assert sorted(map(sorted, by_person.values())) == [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]


def test_folders_are_not_believed_when_a_pair_says_otherwise() -> None:
    pair_set = listed(TWO_FOLDS)
    for wrong in range(len(pair_set)):
        is_same = pair_set.is_same.copy()
        is_same[wrong] = not is_same[wrong]
        assert people_of(replace(pair_set, is_same=is_same)) is None
    # all images in one folder, and pairs of one kind that nothing contradicts
    assert people_of(replace(listed([("a/1", "a/2"), ("a/1", "a/3")]), is_same=np.array([True, False]))) is None
    assert people_of(listed([("a/1", "a/2"), ("a/3", "a/4")])) is None
    # arrays have no names
    images = np.zeros((4, 2, 2, 3), np.uint8)
    assert people_of(PairSet("bin", images, np.array([0, 0]), np.array([1, 2]), np.array([True, False]))) is None


@pytest.mark.parametrize("name", ["rendered-lfw", "rendered-calfw"])
@pytest.mark.parametrize("pairs", [60, 100, 1780, 1800, 2000])
def test_rendered_people_are_those_that_were_rendered(name: str, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []

    class World:
        def __init__(self, size: int) -> None:
            self.size = size

        def render_batch(self, identities: list[int], *_: object, **__: object) -> np.ndarray:
            rendered.extend(identities)
            return np.zeros((len(identities), 1, 1, 3), np.uint8)

    monkeypatch.setattr(benchmarks, "FaceWorld", World)
    pair_set = benchmarks.rendered_benchmark(name, pairs=pairs)
    people = people_of(pair_set)
    assert people is not None
    assert np.array_equal(people, np.unique(rendered, return_inverse=True)[1])
    assert fold_remarks(pair_set, people) == []
    # other benchmarks may order their images otherwise, and fewer images are another set
    assert people_of(replace(pair_set, provenance={**pair_set.provenance, "benchmark_version": 2})) is None
    more = np.concatenate([pair_set.images, pair_set.images[:1]])
    assert people_of(replace(pair_set, images=more)) is None


def test_people_in_two_folds_are_one_remark_that_names_the_first() -> None:
    apart = listed(TWO_FOLDS, [0, 0, 1, 1, 2, 2])
    people = people_of(apart)
    assert people is not None and fold_remarks(apart, people) == []
    mixed = listed([*TWO_FOLDS, ("c/1", "a/2"), ("f/1", "d/1")], [0, 0, 1, 1, 2, 2, 3, 0])
    people = people_of(mixed)
    assert people is not None
    (remark,) = fold_remarks(mixed, people)
    assert (remark.index, remark.name, remark.skipped) == (0, "somewhere/pairs.txt", False)
    assert remark.reason == (
        "4 of 6 people are in more than one fold, the first, a, in pairs 1 and 7, so the folds are not independent"
    )
    assert str(remark).startswith("somewhere/pairs.txt: 4 of 6") and "\n" not in str(remark)


def test_people_without_names_are_numbered_in_the_remark() -> None:
    images = np.zeros((6, 1, 1, 3), np.uint8)
    pair_set = PairSet("arrays", images, np.array([0, 2, 0]), np.array([1, 3, 3]), np.array([1, 1, 0]), np.arange(3))
    (remark,) = fold_remarks(pair_set, np.array([5, 5, 8, 8, 9, 9]))
    assert remark.name == "arrays" and "2 of 2 people" in remark.reason
    assert "the first, number 5, in pairs 1 and 3" in remark.reason
