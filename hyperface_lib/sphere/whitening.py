"""Coordinates in which a gallery is spread evenly, and how many of its directions packed points should use.

Points packed inside k principal directions use all k alike. A gallery does not: its standard deviations fall from the
first direction to the last. Packed in whitened coordinates z and carried back as x = normalise(B diag(sqrt lambda) z),
points are spread as the gallery is: uniform z become a centred Gaussian of the gallery's variances, normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_float_tensor, as_unit_tensor, like, normalise
from hyperface_lib.sphere.subspace import as_basis

# Vectors with less than this share of their length in the subspace have no direction there but rounding.
_LEAST_LENGTH = 1e-6
# Variances below this share of the largest are rounding.
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Whitening:
    """The map between unit vectors (n, d) near a gallery and its whitened unit coordinates (n, k).

    `basis` (d, k) holds orthonormal directions, `deviations` (k,) the gallery's standard deviations along them, both
    float64.
    """

    basis: Tensor
    deviations: Tensor

    @classmethod
    def fit(cls, gallery: Array, k: int | float) -> Whitening:
        """Return the whitening of the `k` leading principal directions of `gallery` (m, d).

        A float `k` in (0, 1] is a share of the variance. Directions and deviations are those of the centred
        covariance. Raises ValueError for non-unit rows and for k < 2 or above the gallery's rank.
        """
        vectors = as_unit_tensor(gallery, "gallery")
        basis = as_basis(k, vectors, vectors.shape[1])
        return cls(basis, (vectors.cpu().double() @ basis).std(dim=0, correction=0))

    @property
    def dimension(self) -> int:
        """The number of whitened coordinates, k."""
        return self.basis.shape[1]

    def whiten(self, vectors: Array) -> Array:
        """Return normalise(diag(1 / deviations) B^T x) (n, k) for unit rows x (n, d).

        What lies outside the directions is dropped. Raises ValueError for non-unit rows and for a vector that lies
        outside altogether.
        """
        inside = as_unit_tensor(vectors, "vectors", self.basis.shape[0]).cpu().double() @ self.basis
        outside = torch.linalg.vector_norm(inside, dim=1) < _LEAST_LENGTH
        if bool(outside.any()):
            raise ValueError(
                f"vectors must reach into the {self.dimension} directions, found {int(outside.sum())} of "
                f"{len(inside)} orthogonal to all of them."
            )
        return _returned(inside / self.deviations, vectors)

    def unwhiten(self, coordinates: Array) -> Array:
        """Return normalise(B diag(deviations) z) (n, d) for unit rows z (n, k); raises ValueError for other rows."""
        rows = as_unit_tensor(coordinates, "coordinates", self.dimension).cpu().double()
        return _returned((rows * self.deviations) @ self.basis.T, coordinates)


def _returned(rows: Tensor, example: Array) -> Array:
    """Return unit rows in the kind and precision of array `example` is."""
    dtype = torch.float64 if str(example.dtype).endswith("float64") else torch.float32
    return like(normalise(rows).to(dtype), example)


def uniform_excess(gallery: Array) -> NDArray[np.float64]:
    """Return, for k = 1 ... rank, how much wider uniform points spread along direction k than the gallery does.

    Uniform points in the span of k principal directions have the standard deviation 1 / sqrt(k) along each; the gallery
    (m, d) has sqrt(lambda_k) along the last. Their ratio is about 1 while the gallery fills its directions evenly and
    grows without limit where it ends. Raises ValueError for rows that are all equal.
    """
    rows = as_float_tensor(gallery, "gallery").cpu().double()
    variances = torch.linalg.svdvals(rows - rows.mean(dim=0)).square().numpy() / len(rows)
    if not variances[0] > 0:
        raise ValueError("gallery must differ from row to row, found all rows equal.")
    kept = variances[variances > _LEAST_VARIANCE * variances[0]]
    return 1 / np.sqrt(np.arange(1, len(kept) + 1) * kept)


def supported_directions(gallery: Array, largest_excess: float = 2.0) -> int:
    """Return the largest k whose last direction uniform points overfill at most `largest_excess` times.

    The more directions, the more room; but beyond this k a packed point lies typically more than that many standard
    deviations out along a direction, where the gallery has next to nobody. Raises ValueError when no k >= 2 does.
    """
    within = np.flatnonzero(uniform_excess(gallery) <= largest_excess) + 1
    if not len(within) or within[-1] < 2:
        raise ValueError(f"no 2 directions of the gallery are overfilled at most {largest_excess:g} times.")
    return int(within[-1])
