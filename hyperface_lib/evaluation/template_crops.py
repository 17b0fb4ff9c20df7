"""Aligned crops to vectors for any embedder: as they are, or as dlib's chip cut out of them by the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm.auto import tqdm

from hyperface_lib.evaluation.evaluator import CHUNK, Images, embed_crops
from hyperface_lib.formats import ImageSet, decode_image

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

Vectors = npt.NDArray[np.float32]

DLIB_CHIP_SIZE = 150
# Eye middles and nose base in a 112-pixel ArcFace crop (medians over aligned photographs) ...
_IN_CROP = np.array([[38.3, 53.0], [73.5, 52.8], [56.0, 79.7]])
# ... and in dlib's chip: its mean face (outer and inner eye corners averaged) with a quarter of padding around.
_IN_CHIP = (np.array([[0.22733, 0.22140], [0.75281, 0.22123], [0.49011, 0.62780]]) + 0.25) / 1.5 * DLIB_CHIP_SIZE
_MARGIN = 0.25  # of the crop's side, filled with its edge: the chip reaches a little below the crop


@dataclass(frozen=True)
class DecodedImages(Sequence[npt.NDArray[np.uint8]]):
    """The images of a set as uint8 RGB (h, w, 3), each decoded when it is asked for."""

    images: ImageSet

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:  # type: ignore[override]
        return decode_image(self.images.encoded(int(index)), self.images.where(int(index)))


def embed_image_set(embedder: Embedder, images: ImageSet, progress: bool = False, flip: bool = False) -> Vectors:
    """Embed the aligned crops of an image set in its order: (n, d) unit rows, some hundred images in memory at a time.

    Raises ValueError naming an image that cannot be read or is not square.
    """
    return embed_aligned(embedder, DecodedImages(images), images.source.name, progress, flip)


def embed_aligned(
    embedder: Embedder, images: Images, name: str = "crops", progress: bool = False, flip: bool = False
) -> Vectors:
    """Embed crops aligned to the ArcFace template, of any size: (n, d) unit rows.

    An embedder that takes the template gets the crops in its size (`embed_crops`), with their mirror images if `flip`;
    dlib's descriptor gets its chip cut out of them (`dlib_chips`). Raises ValueError for an embedder that takes
    neither, and for crops that are not square.
    """
    if embedder.name != "dlib":
        return embed_crops(embedder, images, name, progress, flip)
    parts = []
    with tqdm(total=len(images), desc=name, unit="image", leave=False, disable=not progress) as bar:
        for start in range(0, len(images), CHUNK):
            rows = range(start, min(start + CHUNK, len(images)))
            parts.append(embedder.embed(dlib_chips([images[row] for row in rows])))
            bar.update(len(rows))
    return np.concatenate(parts)


def dlib_chips(crops: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Cut dlib's 150-pixel chip out of each crop aligned to the ArcFace template (s, s, 3): (n, 150, 150, 3).

    No face is searched: eyes and nose base are taken to be where the alignment puts them, with whatever error it made,
    as every other embedder takes them. Below the crop, where the chip ends some 8 of 112 pixels later, its last rows
    are continued. Raises ValueError for crops that are not square.
    """
    chips = [_chip(np.asarray(crop)) for crop in crops]
    return np.stack(chips) if chips else np.zeros((0, DLIB_CHIP_SIZE, DLIB_CHIP_SIZE, 3), np.uint8)


def _chip(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if crop.ndim != 3 or crop.shape[0] != crop.shape[1]:
        raise ValueError(f"An aligned crop is square, found shape {crop.shape}.")
    size = crop.shape[0]
    margin = round(_MARGIN * size)
    padded = Image.fromarray(np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    matrix, shift = _chip_to_crop()
    matrix, shift = matrix * (size / 112), (shift + 0.5) * (size / 112) - 0.5 + margin
    # Pillow counts from pixel corners: position p has its centre at p + 0.5 on both sides
    offset = shift + 0.5 - matrix @ [0.5, 0.5]
    coefficients = (matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1])
    chip = padded.transform(
        (DLIB_CHIP_SIZE, DLIB_CHIP_SIZE), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(chip)


def _chip_to_crop() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the matrix (2, 2) and shift (2,) of the similarity from chip to 112-pixel crop coordinates.

    In complex numbers a similarity is z -> a z + b, and the least squares are two sums.
    """
    source, target = _IN_CHIP @ [1, 1j], _IN_CROP @ [1, 1j]
    away = source - source.mean()
    factor = (away.conj() @ (target - target.mean())) / (away.conj() @ away)
    shift = target.mean() - factor * source.mean()
    matrix = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return matrix, np.array([shift.real, shift.imag])
