import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.formats import PairSet, contiguous_folds


def images(count: int = 4, size: int = 3) -> np.ndarray:
    return np.arange(count * size * size * 3, dtype=np.uint8).reshape(count, size, size, 3)


def pair_set(**changes: object) -> PairSet:
    fields = {"name": "tiny", "images": images(), "first": [0, 2], "second": [1, 3], "is_same": [True, False]}
    return PairSet(**{**fields, **changes})  # type: ignore[arg-type]


@given(pairs=st.integers(1, 300), folds=st.integers(1, 20))
def test_folds_are_contiguous_whole_and_as_even_as_they_can_be(pairs: int, folds: int) -> None:
    if pairs < folds:
        with pytest.raises(ValueError, match="at least one pair"):
            contiguous_folds(pairs, folds)
        return
    numbers = contiguous_folds(pairs, folds)
    sizes = np.bincount(numbers, minlength=folds)
    assert (np.diff(numbers) >= 0).all() and sizes.sum() == pairs and len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1 and (np.diff(sizes) <= 0).all()


def test_folds_are_those_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="`make install` installs scikit-learn")
    for fold, (_, held_out) in enumerate(selection.KFold(10, shuffle=False).split(np.zeros(607))):
        assert np.array_equal(np.flatnonzero(contiguous_folds(607, 10) == fold), held_out)


def test_a_pair_is_its_two_images_and_its_label() -> None:
    pairs = pair_set()
    first, second, same = pairs[1]
    assert np.array_equal(first, images()[2]) and np.array_equal(second, images()[3]) and same is False
    assert len(pairs) == len(list(pairs)) == 2 and pairs[-2][2] is True
    with pytest.raises(IndexError, match="2 pairs"):
        pairs[2]


def test_lazy_images_are_read_only_when_asked_for() -> None:
    asked: list[int] = []

    class Lazy:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> np.ndarray:
            asked.append(index)
            return images()[index]

    pairs = pair_set(images=Lazy())
    assert asked == []
    pairs[1]
    assert asked == [2, 3]


def test_folds_default_to_ten_in_order_and_are_kept_when_given() -> None:
    many = pair_set(first=[0] * 30, second=[1] * 30, is_same=[1] * 30)
    assert np.array_equal(many.folds, np.repeat(np.arange(10), 3))
    assert np.array_equal(pair_set(folds=[4, 1]).folds, [4, 1])
    assert np.array_equal(pair_set().folds, [0, 1])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"second": [1]}, "second"),
        ({"is_same": [True]}, "is_same"),
        ({"folds": [0]}, "folds"),
        ({"first": [0, 4]}, "image 4"),
        ({"second": [-1, 0]}, "image -1"),
        ({"first": [0.0, 1.0]}, "whole numbers"),
        ({"is_same": [0, 2]}, "true or false"),
        ({"images": images().astype(np.float32)}, "uint8"),
        ({"images": images()[..., :2]}, "uint8 RGB"),
    ],
)
def test_what_does_not_fit_together_is_refused_naming_it(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        pair_set(**changes)
    assert "tiny" in str(error.value) and "\n" not in str(error.value)
