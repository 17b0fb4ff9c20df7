"""The percentile of the right identity: by counting, at chance, and with equals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.training.inversion_scores import identity_percentiles


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 6))
def test_it_is_the_share_of_the_others_that_are_farther(seed: int, count: int, asked: int) -> None:
    generator = np.random.default_rng(seed)
    templates, vectors = unit(generator.normal(size=(count, 5))), unit(generator.normal(size=(asked, 5)))
    own = generator.integers(0, count, asked)
    expected = [
        100 * np.mean([vector @ templates[other] < vector @ templates[mine] for other in range(count) if other != mine])
        for vector, mine in zip(vectors, own, strict=True)
    ]
    np.testing.assert_allclose(identity_percentiles(vectors, templates, own), expected)


def test_the_template_itself_is_first_its_opposite_last_and_random_vectors_are_at_chance() -> None:
    generator = np.random.default_rng(0)
    templates = unit(generator.normal(size=(200, 16)))
    who = np.arange(200)
    assert identity_percentiles(templates, templates, who).tolist() == [100.0] * 200
    assert identity_percentiles(-templates, templates, who).tolist() == [0.0] * 200
    random = unit(generator.normal(size=(2000, 16)))
    assert identity_percentiles(random, templates, np.arange(2000) % 200).mean() == pytest.approx(50, abs=3)


def test_equals_count_half() -> None:
    templates = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert identity_percentiles(np.array([[1.0, 0.0]]), templates, [0]).tolist() == [75.0]


@pytest.mark.parametrize(
    ("vectors", "templates", "own", "message"),
    [
        (np.eye(3), np.eye(2), [0, 0, 0], "must be"),
        (np.eye(2), np.eye(2)[:1], [0, 0], "at least two templates, found 1"),
        (np.eye(2), np.eye(2), [0], r"own must be \(2,\)"),
        (np.eye(2), np.eye(2), [0, 2], r"0 \.\. 1, found 0 \.\. 2"),
    ],
)
def test_what_does_not_fit_is_named(vectors: np.ndarray, templates: np.ndarray, own: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identity_percentiles(vectors, templates, own)
