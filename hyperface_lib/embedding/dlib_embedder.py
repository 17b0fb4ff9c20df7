"""dlib's face descriptor (128-d, trained on photographs) behind the embedder protocol."""

from __future__ import annotations

import functools
import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.embedding.detection import DESCRIPTOR_MODEL, DLIB_CHIP_SIZE, import_dlib, model_file
from hyperface_lib.embedding.images import Images, check_images
from hyperface_lib.embedding.protocol import unit_vectors
from hyperface_lib.embedding.workers import map_ordered, worker_count

_BATCH = 16
# Below this many chips the start of worker processes costs more than they save.
_WORTH_WORKERS = 96


class DlibEmbedder:
    """Embed dlib's 150-pixel chips as 128-d vectors.

    The net is a ResNet with 29 convolutions, trained with a Euclidean hinge loss (same person: closer than 0.6) on
    descriptors that are not normalised. Their length varies little, so that the unit rows of `embed` rank pairs nearly
    as the distances of `embed_raw` do; but 0.6 is no threshold for cosines. It runs on the CPU, in `workers` processes
    for large batches (None: one for each core). Raises ModuleNotFoundError without the extra `photos`.
    Source: King, dlib-models, dlib_face_recognition_resnet_model_v1 (public domain).
    """

    name = "dlib"
    dimension = 128
    image_size = DLIB_CHIP_SIZE

    def __init__(self, workers: int | None = None) -> None:
        worker_count(workers, 1)
        import_dlib()
        self.workers = workers
        self.fingerprint = _fingerprint()

    def embed(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return unit rows (n, 128) float32 for uint8 RGB chips (n, 150, 150, 3).

        Raises ValueError for another shape and TypeError for another type.
        """
        return unit_vectors(self.embed_raw(images, progress=progress))

    def embed_raw(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return the descriptors (n, 128) float32 as the net gives them, for Euclidean distances; input as `embed`."""
        chips = check_images(images, self.image_size)
        if not len(chips):
            return np.zeros((0, self.dimension), np.float32)
        batches = (chips[start : start + _BATCH] for start in range(0, len(chips), _BATCH))
        jobs = math.ceil(len(chips) / _BATCH) if len(chips) >= _WORTH_WORKERS else 1
        parts = []
        with tqdm(total=len(chips), disable=not progress, desc="dlib descriptors", unit="face") as bar:
            for part in map_ordered(_describe, batches, worker_count(self.workers, jobs)):
                parts.append(part)
                bar.update(len(part))
        return np.concatenate(parts)


def _describe(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.array(_net().compute_face_descriptor([np.ascontiguousarray(chip) for chip in chips]), np.float32)


@functools.cache
def _net() -> Any:
    return import_dlib().face_recognition_model_v1(str(model_file(DESCRIPTOR_MODEL)))


@functools.cache
def _fingerprint() -> str:
    with model_file(DESCRIPTOR_MODEL).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
