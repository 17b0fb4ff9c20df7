"""Rendered benchmarks: balanced, people disjoint across folds, reproducible."""

import numpy as np
import pytest

from hyperface_lib.faces import BENCHMARKS, FACTOR_SETS, Identity, identity_seeds, rendered_benchmark
from hyperface_lib.faces.benchmarks import RECIPES, _impostor_partners


@pytest.fixture(scope="module")
def small_set():  # type: ignore[no-untyped-def]
    return rendered_benchmark("rendered-cfp-fp", pairs=60, workers=1)


def test_balance_and_folds(small_set) -> None:  # type: ignore[no-untyped-def]
    assert len(small_set) == 60
    for fold in range(10):
        inside = small_set.folds == fold
        assert inside.sum() == 6 and small_set.is_same[inside].sum() == 3
    # images of a fold are used in that fold only: people are disjoint across folds
    used = [set(small_set.first[small_set.folds == f]) | set(small_set.second[small_set.folds == f]) for f in range(10)]
    assert sum(map(len, used)) == len(set().union(*used)) == len(small_set.images)


def test_each_picture_is_in_one_genuine_and_one_impostor_pair(small_set) -> None:  # type: ignore[no-untyped-def]
    for same in (True, False):
        pairs = small_set.is_same == same
        images = np.concatenate([small_set.first[pairs], small_set.second[pairs]])
        assert np.array_equal(np.sort(images), np.arange(len(small_set.images)))


def test_reproducible(small_set) -> None:  # type: ignore[no-untyped-def]
    again = rendered_benchmark("rendered-cfp-fp", pairs=60, workers=1)
    assert np.array_equal(small_set.images, again.images)


def test_matched_impostors_share_sex_and_are_near_in_ancestry() -> None:
    people = [Identity.random(seed) for seed in identity_seeds("rendered-calfw", 40)]
    matched, free = _impostor_partners(people, True), _impostor_partners(people, False)
    sex = np.array([round(p.sex) for p in people])
    ancestry = np.array([p.ancestry for p in people])
    assert all(sex[matched[k, 0]] == sex[k] for k in range(40))

    def distance(partners: np.ndarray) -> float:
        return float(np.abs(ancestry - ancestry[partners[:, 0]]).sum(1).mean())

    assert distance(matched) < 0.5 * distance(free)
    assert all(k not in row for k, row in enumerate(matched)) and all(k not in row for k, row in enumerate(free))


def test_names() -> None:
    assert len(BENCHMARKS) == 5 and len(FACTOR_SETS) == 4
    assert RECIPES["rendered-cfp-fp"].full_size == 7000
    with pytest.raises(ValueError, match="the rendered benchmarks are"):
        rendered_benchmark("lfw")
    with pytest.raises(ValueError, match="multiple of 20"):
        rendered_benchmark("rendered-lfw", pairs=601)
