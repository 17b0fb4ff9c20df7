"""One training run with what a notebook shows of it: angles before and after, and a measure taken along the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hyperface_lib.assets import cache_folder
from hyperface_lib.training.angles import ClassAngles, class_angles
from hyperface_lib.training.callbacks import Every
from hyperface_lib.training.recipe import Recipe
from hyperface_lib.training.recogniser import TrainedRecogniser, create_trainer, trained_recogniser
from hyperface_lib.training.trainer import Trainer

Measure = Callable[[nn.Module], float]


@dataclass(frozen=True)
class WatchedTraining:
    """A trained recogniser, the angles to the class centres before and after, and (step, measure) pairs.

    A run that was interrupted and went on has measures from where it went on.
    """

    recogniser: TrainedRecogniser
    before: ClassAngles
    after: ClassAngles
    measures: list[tuple[int, float]] = field(default_factory=list)


def train_watched(
    images: NDArray[np.uint8],
    labels: ArrayLike,
    recipe: Recipe,
    measure: Measure | None = None,
    times: int = 5,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> WatchedTraining:
    """Train a recogniser on uint8 images (n, size, size, 3) with labels 0 .. classes - 1 and keep what it looked like.

    measure: called with the backbone before the first step and about `times` times from there to the end. Raises what
    `train_recogniser` raises.
    """
    # The same recipe gives the same first weights, so the beginning can be shown of a run that goes on, too.
    first = create_trainer(images, labels, recipe, device=device)
    before = class_angles(first.backbone, first.head, images, labels, device=device)
    measures: list[tuple[int, float]] = []
    trainer = create_trainer(images, labels, recipe, (), checkpoint, device, progress)
    if measure is not None:
        if trainer.step == 0:
            measures.append((0, float(measure(first.backbone))))

        def note(run: Trainer) -> None:
            measures.append((run.step, float(measure(run.network))))

        trainer.callbacks.append(Every(max(1, trainer.total_steps // times), note))
    trainer.fit()
    trained = trained_recogniser(trainer)
    after = class_angles(trained.backbone, trained.head, images, labels, device=device)
    return WatchedTraining(trained, before, after, measures)


def checkpoint_for(images: NDArray[np.uint8], labels: ArrayLike, recipe: Recipe) -> Path:
    """Return a place in the cache for the state of this very run: other images or another recipe, another place."""
    digest = hashlib.sha256(json.dumps(recipe.to_dict(), sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(np.asarray(labels, np.int64)).data)
    return cache_folder() / "training" / f"{digest.hexdigest()[:24]}.pt"
