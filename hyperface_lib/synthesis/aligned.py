"""Drawn photographs as recognisers take them: the face found, cut out and aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperface_lib.embedding.alignment import align_face
from hyperface_lib.embedding.detection import ArcFaceCropper, choose_face, detect_faces, require_photo_models
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.protocol import Generator

if TYPE_CHECKING:
    from hyperface_lib.faces.nuisance import Nuisance

# Eyes, nose tip and mouth corners of the mean face of pictures aligned as FFHQ's are (Karras et al. 2019), as shares
# of the side. What large generators draw is aligned like that.
_FFHQ_POINTS = np.array([[0.377, 0.469], [0.623, 0.469], [0.501, 0.613], [0.393, 0.725], [0.611, 0.725]])


class AlignedGenerator:
    """Draw with another generator and cut the aligned ArcFace crop out of each picture.

    Where no face is found (dlib's detector knows no profiles), the crop is taken where FFHQ's alignment puts the face;
    `missed` counts these. Raises ModuleNotFoundError without the extra `photos`.
    """

    def __init__(self, generator: Generator, crop_size: int = 112) -> None:
        require_photo_models()
        self.generator = generator
        self.image_size = crop_size
        self.name = generator.name
        self.fingerprint = generator.fingerprint
        self.embedder_name = generator.embedder_name
        self.embedder_fingerprint = generator.embedder_fingerprint
        self.dimension = generator.dimension
        self.missed = 0
        self._cropper = ArcFaceCropper(crop_size)

    def sample(
        self,
        vectors: ArrayLike | IdentityVectors,
        seeds: int | Sequence[int],
        nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None = None,
        steps: int = 10,
        guidance: float = 1.5,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw aligned crops (n, crop_size, crop_size, 3) uint8 RGB, one of each unit vector (n, d)."""
        photographs = self.generator.sample(vectors, seeds, nuisance, steps, guidance, progress)
        crops = np.empty((len(photographs), self.image_size, self.image_size, 3), np.uint8)
        for crop, photograph in zip(crops, photographs, strict=True):
            crop[:] = self._crop(photograph)
        return crops

    def _crop(self, photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = photograph.shape[:2]
        box = choose_face(detect_faces(photograph), height, width)
        if box is not None:
            return self._cropper.crop(photograph, box)
        self.missed += 1
        return align_face(photograph, _FFHQ_POINTS * [width, height] - 0.5, self.image_size)
