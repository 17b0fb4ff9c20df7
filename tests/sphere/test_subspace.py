"""Principal directions and effective dimension on spectra known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from hyperface_lib.sphere import effective_dimension, participation_ratio, principal_subspace


def vectors_with(variances: list[float], count: int = 20_000, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, len(variances))) * np.sqrt(variances)
    rotation, _ = np.linalg.qr(generator.normal(size=(len(variances), len(variances))))
    return rows @ rotation


def test_participation_ratio_of_equal_and_unequal_variances() -> None:
    assert participation_ratio(vectors_with([1.0] * 6)) == pytest.approx(6, rel=0.01)
    variances = [4.0, 1.0, 1.0]
    assert participation_ratio(vectors_with(variances)) == pytest.approx(36 / 18, rel=0.03)


def test_dimensions_for_90_percent() -> None:
    assert effective_dimension(vectors_with([6.0, 2.0, 1.5, 0.5])).dimensions_for_90_percent == 3


def test_leading_directions_hold_the_variance() -> None:
    vectors = vectors_with([9.0, 4.0, 0.1, 0.1])
    basis = principal_subspace(vectors, 2)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-6)
    centred = vectors - vectors.mean(axis=0)
    assert (centred @ basis).var(axis=0) == pytest.approx([9.0, 4.0], rel=0.05)


def test_the_mean_direction_is_left_out_unless_asked_for() -> None:
    vectors = vectors_with([1.0, 1.0, 0.01, 0.01])
    mean = np.linalg.svd(vectors, full_matrices=False)[2][3]
    shifted = vectors + 10 * mean
    assert np.abs(principal_subspace(shifted, 2).T @ mean).max() < 0.1
    assert np.abs(principal_subspace(shifted, 2, centred=False).T @ mean).max() > 0.99


def test_equal_rows_have_no_directions() -> None:
    with pytest.raises(ValueError, match="rank of the gallery"):
        principal_subspace(np.ones((5, 4)), 2)
    with pytest.raises(ValueError, match="differ"):
        participation_ratio(np.ones((5, 4)))
