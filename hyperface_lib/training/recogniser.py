"""Train a recogniser from images and labels in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hyperface_lib.embedding.backbones import create_backbone
from hyperface_lib.embedding.networks import NetworkEmbedder, save_recogniser
from hyperface_lib.losses import create_head
from hyperface_lib.training.callbacks import Callback
from hyperface_lib.training.recipe import Recipe
from hyperface_lib.training.trainer import History, Trainer


@dataclass(frozen=True)
class TrainedRecogniser:
    """A trained backbone with its head, the curves of the run and its effective configuration."""

    backbone: nn.Module
    head: nn.Module
    history: History
    configuration: dict[str, Any]

    def embedder(self, name: str = "trained", flip: bool = True, device: str = "auto") -> NetworkEmbedder:
        """Return the backbone as an embedder of unit vectors."""
        return NetworkEmbedder(self.backbone, name, flip=flip, device=device)

    def save(self, path: str | Path, **metadata: Any) -> Path:
        """Write the backbone as a recogniser file, which `load_embedder("net:PATH")` reads."""
        return save_recogniser(path, self.backbone, metadata={"recipe": self.configuration["recipe"], **metadata})


def consecutive_labels(labels: ArrayLike) -> NDArray[np.int64]:
    """Renumber labels to 0 .. classes - 1 in the order of their values; negative ones become -1 (unknown)."""
    array = np.asarray(labels)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"labels must be one row of integers, found {array.dtype} {array.shape}")
    known = array >= 0
    result = np.full(len(array), -1, np.int64)
    result[known] = np.unique(array[known], return_inverse=True)[1]
    return result


def create_trainer(
    images: NDArray[np.uint8],
    labels: ArrayLike,
    recipe: Recipe,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
    may_change: Sequence[str] = (),
) -> Trainer:
    """Build backbone, head and trainer from a recipe; the same recipe gives the same first weights.

    Raises ValueError if no label is known or the backbone does not take images of their side.
    """
    numbers = consecutive_labels(labels)
    if not len(numbers) or numbers.max() < 0:
        raise ValueError(f"training needs labelled images, found {len(numbers)} images and no known label")
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3:
        raise ValueError(f"training needs square RGB images (n, size, size, 3), found {images.shape}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone = create_backbone(
            recipe.architecture, dimension=recipe.dimension, dropout=recipe.dropout, image_size=images.shape[1]
        )
        head = create_head(
            recipe.head, dimension=recipe.dimension, classes=int(numbers.max()) + 1, **recipe.head_options
        )
    return Trainer(
        backbone,
        head,
        images,
        numbers,
        recipe,
        callbacks,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
        may_change=may_change,
    )


def train_recogniser(
    images: NDArray[np.uint8],
    labels: ArrayLike,
    recipe: Recipe | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> TrainedRecogniser:
    """Train a recogniser on uint8 RGB images (n, size, size, 3) with integer labels (n,), -1 for unknown.

    With `checkpoint` an interrupted run continues where it was. Raises ValueError on bad input, NotFiniteError when
    the run diverges.
    """
    trainer = create_trainer(images, labels, recipe or Recipe(), callbacks, checkpoint, device, progress)
    trainer.fit()
    trainer.backbone.eval()
    return TrainedRecogniser(trainer.backbone, trainer.head, trainer.history, trainer.configuration())
