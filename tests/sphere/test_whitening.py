"""Whitened coordinates: there and back, the spread they give, and the number of directions a gallery supports."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from hyperface_lib.sphere import participation_ratio, principal_subspace, random_points
from hyperface_lib.sphere.whitening import Whitening, supported_directions, uniform_excess


def gallery_of(variances: list[float], count: int = 4000, seed: int = 0) -> np.ndarray:
    """Normalised Gaussian rows with these variances along randomly turned axes."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, len(variances))) * np.sqrt(variances)
    rows = rows @ ortho_group.rvs(len(variances), random_state=seed)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


FALLING = [2.0**-number for number in range(8)]


@settings(deadline=None, max_examples=30)
@given(k=st.integers(2, 8), seed=st.integers(0, 2**16))
def test_there_and_back_again(k: int, seed: int) -> None:
    whitening = Whitening.fit(gallery_of(FALLING, count=200), k)
    coordinates = random_points(20, k, seed, torch.float64)
    vectors = whitening.unwhiten(coordinates)
    assert torch.allclose(torch.linalg.vector_norm(vectors, dim=1), torch.ones(20, dtype=torch.float64))
    assert torch.allclose(whitening.whiten(vectors), coordinates, atol=1e-10)


def test_back_and_forth_is_the_projection_onto_the_directions() -> None:
    gallery = gallery_of(FALLING, count=300)
    whitening = Whitening.fit(gallery, 3)
    basis = principal_subspace(gallery, 3).astype(np.float64)
    inside = gallery @ basis @ basis.T
    expected = inside / np.linalg.norm(inside, axis=1, keepdims=True)
    np.testing.assert_allclose(whitening.unwhiten(whitening.whiten(gallery)), expected, atol=1e-5)


def test_a_whitened_gallery_is_spread_evenly() -> None:
    gallery = gallery_of(FALLING)
    assert participation_ratio(gallery) < 4
    assert participation_ratio(Whitening.fit(gallery, 8).whiten(gallery)) > 7.5


def test_uniform_coordinates_come_back_as_normalised_gaussians_of_those_variances() -> None:
    identity = torch.eye(8, dtype=torch.float64)
    whitening = Whitening(identity, torch.tensor(FALLING, dtype=torch.float64).sqrt())
    found = whitening.unwhiten(random_points(40_000, 8, 1, torch.float64)).square().mean(dim=0)
    rows = np.random.default_rng(2).normal(size=(40_000, 8)) * np.sqrt(FALLING)
    expected = (rows**2 / (rows**2).sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.04)


def test_equal_variances_leave_the_subspace_as_it_is() -> None:
    whitening = Whitening(torch.eye(6, dtype=torch.float64)[:, :4], torch.full((4,), 0.3, dtype=torch.float64))
    coordinates = random_points(5, 4, 0, torch.float64)
    assert torch.allclose(whitening.unwhiten(coordinates), coordinates @ whitening.basis.T)


def test_arrays_keep_their_kind_and_precision() -> None:
    gallery = gallery_of(FALLING, count=100)
    whitening = Whitening.fit(gallery, 0.9)
    assert 2 <= whitening.dimension < 8
    for rows in (gallery, gallery.astype(np.float32), torch.from_numpy(gallery), torch.from_numpy(gallery).float()):
        out = whitening.whiten(rows)
        assert type(out) is type(rows) and out.dtype == rows.dtype and out.shape == (100, whitening.dimension)


def test_what_cannot_be_whitened_is_named() -> None:
    gallery = gallery_of(FALLING, count=100)
    whitening = Whitening.fit(gallery, 2)
    outside = np.linalg.svd(whitening.basis.numpy().T)[2][2:3]
    with pytest.raises(ValueError, match="found 1 of 1 orthogonal"):
        whitening.whiten(outside)
    with pytest.raises(ValueError, match="coordinates must have 2 columns, found 8"):
        whitening.unwhiten(gallery)
    with pytest.raises(ValueError, match="unit vectors"):
        whitening.whiten(2 * gallery)
    with pytest.raises(ValueError, match="rank of the gallery"):
        Whitening.fit(gallery, 9)


def test_excess_of_an_even_spectrum_is_one_and_then_nothing_is_left() -> None:
    rows = np.concatenate([np.eye(10), -np.eye(10)])[:, :7]
    rows = rows[np.linalg.norm(rows, axis=1) > 0]
    padded = np.pad(rows, ((0, 0), (0, 5)))
    # Seven axes with variance 1/7 each: uniform points in k < 7 of them are wider, by sqrt(7 / k).
    np.testing.assert_allclose(uniform_excess(padded), np.sqrt(7 / np.arange(1, 8)))
    assert supported_directions(padded) == 7


def test_directions_end_where_the_spectrum_falls_off() -> None:
    gallery = gallery_of([1.0] * 12 + [0.01] * 20, count=20_000)
    assert supported_directions(gallery) == 12
    assert supported_directions(gallery, largest_excess=20.0) == 32


def test_a_gallery_without_directions_is_named() -> None:
    with pytest.raises(ValueError, match="all rows equal"):
        uniform_excess(np.ones((5, 4)))
    with pytest.raises(ValueError, match=r"at most 1\.01 times"):
        supported_directions(gallery_of([1.0, 1e-3, 1e-3]), largest_excess=1.01)
