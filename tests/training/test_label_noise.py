"""Label noise: the counts are exact, the truth is the truth, and nobody swaps with themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.training.label_noise import CLEAN, OUTSIDER, SWAPPED, add_label_noise

LABELS = np.repeat(np.arange(50), 12)


def test_counts_are_exact_half_and_half() -> None:
    noise = add_label_noise(LABELS, 200, share=0.38, seed=3)
    assert np.bincount(noise.kinds).tolist() == [372, 114, 114]
    assert noise.noise_share == pytest.approx(0.38)
    assert np.array_equal(noise.labels, LABELS) and np.array_equal(noise.is_clean, noise.kinds == CLEAN)


def test_clean_samples_keep_their_picture_and_no_picture_appears_twice() -> None:
    noise = add_label_noise(LABELS, 114, seed=1)
    clean = noise.kinds == CLEAN
    assert np.array_equal(noise.images[clean], np.flatnonzero(clean))
    assert len(np.unique(noise.images)) == len(LABELS)
    foreign = noise.kinds == OUTSIDER
    assert (noise.images[foreign] >= len(LABELS)).all() and (noise.images[~foreign] < len(LABELS)).all()
    assert sorted(noise.images[foreign]) == list(range(600, 714))
    assert (noise.people[foreign] == -1).all()


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=4, max_size=12),
    share=st.floats(0, 1),
    swapped=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_the_truth_says_who_is_shown(sizes: list[int], share: float, swapped: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    try:
        noise = add_label_noise(labels, len(labels), share=share, swapped_share=swapped, seed=seed)
    except ValueError as problem:
        assert "nobody to swap with" in str(problem)
        return
    inside = noise.kinds != OUTSIDER
    assert np.array_equal(noise.people[inside], labels[noise.images[inside]])
    assert np.array_equal(noise.people == labels, noise.kinds == CLEAN)
    assert (noise.people[noise.kinds == SWAPPED] >= 0).all()


def test_two_classes_can_only_change_places() -> None:
    noise = add_label_noise(np.repeat([0, 1], 200), 0, share=1.0, swapped_share=1.0)
    assert np.array_equal(noise.people, 1 - noise.labels)


def test_a_seed_gives_the_same_noise_and_another_seed_other_noise() -> None:
    first, again, other = (add_label_noise(LABELS, 200, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.images, again.images)
    assert (first.kinds != other.kinds).mean() > 0.3


def test_noise_is_spread_over_people_unevenly() -> None:
    per_person = np.bincount(LABELS[~add_label_noise(LABELS, 200).is_clean], minlength=50)
    assert per_person.min() < 4 and per_person.max() > 5


def test_no_noise_changes_nothing() -> None:
    noise = add_label_noise(LABELS, 0, share=0.0)
    assert np.array_equal(noise.images, np.arange(600)) and noise.noise_share == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.2}, r"share must lie in 0 .. 1, found 1.2"),
        ({"swapped_share": -0.1}, r"swapped_share must lie in 0 .. 1, found -0.1"),
        ({"outsiders": 5}, "needs 114 pictures of outsiders, found 5"),
        ({"labels": np.array([0, -1])}, "one row of integers from 0 on"),
        ({"labels": np.zeros(40, int), "outsiders": 40}, "8 of 8 swapped samples are of one class"),
    ],
)
def test_what_cannot_be_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_label_noise(**{"labels": LABELS, "outsiders": 200, **changes})
