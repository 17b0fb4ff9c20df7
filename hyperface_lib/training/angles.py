"""Angles between features and class centres: what a margin acts on, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hyperface_lib.embedding.networks import NetworkEmbedder


@dataclass(frozen=True, eq=False)
class ClassAngles:
    """Angles in degrees of n images to their own class's centre (n,) and to all the others ((classes - 1) n,)."""

    target_degrees: NDArray[np.float64]
    other_degrees: NDArray[np.float64]

    @property
    def separated(self) -> float:
        """The share of images nearer to their own centre than to any other (of one class: 1)."""
        if not len(self.other_degrees):
            return 1.0
        nearest_other = self.other_degrees.reshape(len(self.target_degrees), -1).min(axis=1)
        return float((self.target_degrees < nearest_other).mean())


@torch.inference_mode()
def class_angles(
    backbone: nn.Module,
    head: Any,
    images: NDArray[np.uint8],
    labels: ArrayLike,
    limit: int = 512,
    device: str | torch.device = "auto",
) -> ClassAngles:
    """Measure the angles of uint8 images (n, size, size, 3) with labels (n,) to the centres of a cosine head.

    At most `limit` images, spread evenly, are looked at. The backbone is left in evaluation mode. Raises ValueError for
    another number of labels than images, for labels without a centre, and for a head that has no class centres.
    """
    if not hasattr(head, "cosines"):
        raise ValueError(f"angles need a head with class centres, {type(head).__name__} has none")
    numbers = np.asarray(labels)
    if numbers.shape != (len(images),):
        raise ValueError(f"labels must be ({len(images)},) to match the images, found {numbers.shape}")
    rows = np.unique(np.linspace(0, len(images) - 1, min(limit, len(images))).round().astype(np.int64))
    embedder = NetworkEmbedder(backbone, "angles", flip=False, device=device)
    features = torch.from_numpy(embedder.embed_raw(images[rows]))
    home = next(head.parameters(), features).device
    cosines = head.cosines(features.to(home)).clamp(-1, 1).double().cpu().numpy()
    own = numbers[rows]
    if own.min() < 0 or own.max() >= cosines.shape[1]:
        raise ValueError(f"labels must lie in 0 .. {cosines.shape[1] - 1}, found {own.min()} .. {own.max()}")
    degrees = np.degrees(np.arccos(cosines))
    target = np.zeros(degrees.shape, bool)
    target[np.arange(len(own)), own] = True
    return ClassAngles(degrees[target], degrees[~target])
