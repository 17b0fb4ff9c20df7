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
from hyperface_lib.losses.partial_fc import PartialHead
from hyperface_lib.training.callbacks import Callback
from hyperface_lib.training.data import ImageRows, as_image_rows
from hyperface_lib.training.distributed import join_processes
from hyperface_lib.training.recipe import Recipe
from hyperface_lib.training.trainer import History, Trainer


@dataclass(frozen=True)
class TrainedRecogniser:
    """A trained backbone (its average, if one was kept) with its head, the curves and the effective configuration."""

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
    images: NDArray[np.uint8] | ImageRows | Sequence[Any],
    labels: ArrayLike,
    recipe: Recipe,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
    may_change: Sequence[str] = (),
    checkpoint_steps: int | None = None,
) -> Trainer:
    """Build backbone, head and trainer from a recipe; the same recipe gives the same first weights.

    Under `torchrun` the processes are joined. Raises ValueError if no label is known or the backbone does not take
    images of their side.
    """
    numbers = consecutive_labels(labels)
    if not len(numbers) or numbers.max() < 0:
        raise ValueError(f"training needs labelled images, found {len(numbers)} images and no known label")
    if isinstance(images, np.ndarray) and (images.ndim != 4 or images.shape[1] != images.shape[2]):
        raise ValueError(f"training needs square RGB images (n, size, size, 3), found {images.shape}")
    rows = as_image_rows(images)
    if rows.image_shape[0] != rows.image_shape[1]:
        raise ValueError(f"training needs square RGB images (size, size, 3), found {rows.image_shape}")
    join_processes(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone = create_backbone(
            recipe.architecture, dimension=recipe.dimension, dropout=recipe.dropout, image_size=rows.image_shape[0]
        )
        head = create_head(
            recipe.head, dimension=recipe.dimension, classes=int(numbers.max()) + 1, **recipe.head_options
        )
    if recipe.sample_rate < 1:
        head = PartialHead(head, recipe.sample_rate, recipe.seed)  # type: ignore[arg-type]  # it says what it takes
    return Trainer(
        backbone,
        head,
        images if isinstance(images, np.ndarray) else rows,
        numbers,
        recipe,
        callbacks,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
        may_change=may_change,
        checkpoint_steps=checkpoint_steps,
    )


def train_recogniser(
    images: NDArray[np.uint8] | ImageRows | Sequence[Any],
    labels: ArrayLike,
    recipe: Recipe | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> TrainedRecogniser:
    """Train a recogniser on uint8 RGB images (n, size, size, 3) with integer labels (n,), -1 for unknown.

    Images may lie on disk, see `as_image_rows` and `open_training_data`.
    With `checkpoint` an interrupted run continues where it was. Raises ValueError on bad input, NotFiniteError when
    the run diverges.
    """
    trainer = create_trainer(images, labels, recipe or Recipe(), callbacks, checkpoint, device, progress)
    trainer.fit()
    return trained_recogniser(trainer)


def trained_recogniser(trainer: Trainer) -> TrainedRecogniser:
    """Return what a trainer has trained so far, in evaluation mode."""
    return TrainedRecogniser(trainer.network.eval(), trainer.head, trainer.history, trainer.configuration())
