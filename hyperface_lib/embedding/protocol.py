"""What an embedder is: images in, unit vectors out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.embedding.images import Images


@runtime_checkable
class Embedder(Protocol):
    """Turn aligned uint8 RGB crops (n, image_size, image_size, 3) into vectors (n, dimension)."""

    @property
    def name(self) -> str:
        """The name it was loaded by."""

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""

    @property
    def image_size(self) -> int:
        """The side of the crops it takes, in pixels."""

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its weights."""

    def embed(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return unit vectors (n, dimension)."""

    def embed_raw(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return features (n, dimension) with the length the network gives them."""


def unit_vectors(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Divide rows (n, d) by their lengths in float64. A row of zeros stays zero."""
    wide = features.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(norms > 0, norms, 1.0)).astype(np.float32)
