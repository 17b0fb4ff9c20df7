"""What a generator is: unit vectors in, face images out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperface_lib.runs import IdentityVectors

if TYPE_CHECKING:
    from hyperface_lib.faces.nuisance import Nuisance

UNIT_TOLERANCE = 2e-3


@runtime_checkable
class Generator(Protocol):
    """Draw uint8 RGB images (n, image_size, image_size, 3) of identity vectors (n, dimension)."""

    @property
    def name(self) -> str:
        """The name it was loaded by."""

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its weights."""

    @property
    def embedder_name(self) -> str:
        """The embedder whose vectors it was trained on."""

    @property
    def embedder_fingerprint(self) -> str:
        """The fingerprint of that embedder: vectors of any other mean nothing here."""

    @property
    def image_size(self) -> int:
        """The side of the images, in pixels."""

    @property
    def dimension(self) -> int:
        """The number of components of an identity vector."""

    def sample(
        self,
        vectors: ArrayLike | IdentityVectors,
        seeds: int | Sequence[int],
        nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None = None,
        steps: int = 10,
        guidance: float = 1.5,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw one image of each vector."""


def checked_vectors(vectors: ArrayLike | IdentityVectors, generator: Any) -> NDArray[np.float32]:
    """Return unit vectors (n, d) float32 that fit the generator.

    Raises ValueError in one sentence for another embedder, dimension, length, or for NaN.
    """
    if isinstance(vectors, IdentityVectors):
        vectors = vectors.require(generator).vectors
    array = np.asarray(vectors, np.float32)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != generator.dimension:
        raise ValueError(f"identity vectors: expected (n, {generator.dimension}), found {array.shape}")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"identity vectors: expected finite numbers, found NaN or infinity in row {row}")
    lengths = np.linalg.norm(array.astype(np.float64), axis=1)
    if len(array) and np.abs(lengths - 1).max() > UNIT_TOLERANCE:
        worst = int(np.abs(lengths - 1).argmax())
        raise ValueError(f"identity vectors: expected rows of length 1, found {lengths[worst]:.4g} in row {worst}")
    return array
