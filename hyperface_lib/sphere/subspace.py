"""The directions a gallery occupies.

A trained recogniser spreads faces over few of its dimensions. Packing inside the leading ones keeps the points where
faces are without pulling them onto the people of the gallery.

Directions are those of the *centred* covariance by default: they are the directions in which people differ. The mean
direction, which everybody shares and no identity lives on, is left out. Gallery vectors then lose the part of their
length that lies along the mean; embedding galleries have a short mean, so little. `centred=False` takes the directions
of the second moment instead, the subspace closest to the gallery vectors themselves, mean included.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_float_tensor, like

# Eigenvalues below this share of the largest are rounding.
_RANK_TOLERANCE = 1e-6


class EffectiveDimension(NamedTuple):
    """How many dimensions vectors fill: the participation ratio, and the directions holding 90 % of the variance."""

    participation_ratio: float
    dimensions_for_90_percent: int


def _spectrum(vectors: Tensor, centred: bool) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, largest first, and eigenvectors (d, d) of the covariance or the second moment, in float64."""
    wide = vectors.cpu().double()
    if centred:
        wide = wide - wide.mean(dim=0)
    values, directions = torch.linalg.eigh(wide.T @ wide / len(wide))
    return values.flip(0).clamp(min=0), directions.flip(1)


def principal_subspace(gallery: Array, k: int | float, centred: bool = True) -> Array:
    """Return an orthonormal basis (d, k) of the `k` leading principal directions of `gallery` (n, d).

    A float `k` in (0, 1] is a share of the variance: as many directions as reach it. Signs are fixed (the largest
    entry of a direction is positive). Raises ValueError for k < 2 or above the gallery's rank.
    """
    values, directions = _spectrum(as_float_tensor(gallery, "gallery"), centred)
    rank = int((values > _RANK_TOLERANCE * values[0]).sum()) if float(values[0]) > 0 else 0
    if isinstance(k, float):
        if not 0 < k <= 1:
            raise ValueError(f"subspace as a share of the variance must be in (0, 1], found {k}.")
        reached = torch.cumsum(values, dim=0) / values.sum()
        count = max(2, min(rank, int((reached < k - 1e-9).sum()) + 1))
    else:
        count = int(k)
    if count < 2:
        raise ValueError(f"subspace must have at least 2 directions, found {count}.")
    if count > rank:
        raise ValueError(f"subspace must have at most {rank} directions, the rank of the gallery, found {count}.")
    basis = directions[:, :count]
    largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
    return like((basis * largest.sign()).float(), gallery)


def as_basis(subspace: int | float | Array, gallery: Array | None, dimension: int) -> Tensor:
    """Return the orthonormal basis (d, k), float64, meant by `subspace`: a count, a share of variance or a basis.

    Raises ValueError for a count or share without a gallery, and for a basis that is not (d, k) of full rank.
    """
    if isinstance(subspace, (int, float)):
        if gallery is None:
            raise ValueError("subspace as a number of directions or a share of variance needs a gallery, found none.")
        basis = torch.as_tensor(principal_subspace(gallery, subspace)).cpu().double()
    else:
        basis = as_float_tensor(subspace, "subspace").cpu().double()
    if basis.shape[0] != dimension or not 2 <= basis.shape[1] <= dimension:
        raise ValueError(
            f"subspace must have shape ({dimension}, k) with 2 <= k <= {dimension}, found {tuple(basis.shape)}."
        )
    if int(torch.linalg.matrix_rank(basis)) < basis.shape[1]:
        raise ValueError(f"subspace must have independent columns, found {basis.shape[1]} columns of lower rank.")
    # Directions that are orthonormal already stay as they are.
    if torch.allclose(basis.T @ basis, torch.eye(basis.shape[1], dtype=basis.dtype), atol=1e-5):
        left, _, right = torch.linalg.svd(basis, full_matrices=False)
        return left @ right
    return torch.linalg.qr(basis).Q


def participation_ratio(vectors: Array) -> float:
    """Return (sum of eigenvalues)^2 / sum of squares for the covariance of `vectors` (n, d): between 1 and d."""
    values, _ = _spectrum(as_float_tensor(vectors, "vectors"), centred=True)
    squares = float((values * values).sum())
    if squares == 0:
        raise ValueError("vectors must differ from one another, found all rows equal.")
    return float(values.sum()) ** 2 / squares


def effective_dimension(vectors: Array) -> EffectiveDimension:
    """Return how many of their d dimensions `vectors` (n, d) fill, in two measures of the centred covariance."""
    ratio = participation_ratio(vectors)
    values, _ = _spectrum(as_float_tensor(vectors, "vectors"), centred=True)
    reached = torch.cumsum(values, dim=0) / values.sum()
    return EffectiveDimension(ratio, int((reached < 0.9).sum()) + 1)
