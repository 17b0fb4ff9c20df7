"""A few made-up people for a small network: some easy, some alike, none separable by a straight line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

INPUTS = 16
_HIDDEN = 32
# How far a person's pictures wander along their own bent line, and how much of them is noise.
_BEND, _NOISE = 1.6, 0.6
# Noise added to every batch anew, as augmentation: otherwise a network this size learns the pictures by heart.
AUGMENTATION_NOISE = 0.6


@dataclass(frozen=True)
class ToyPeople:
    """Inputs (n, 16) float32 and labels (n,) of `classes` people."""

    inputs: Tensor
    labels: Tensor
    classes: int


def toy_people(classes: int = 6, each: int = 40, seed: int = 0) -> ToyPeople:
    """Make `each` pictures of `classes` people: a face, bent along one condition (pose, say), with noise.

    Faces of neighbouring numbers are alike, so that some samples lie nearer to another person than to their own.
    Raises ValueError for fewer than 2 classes or 1 picture.
    """
    if classes < 2 or each < 1:
        raise ValueError(f"toy people need 2 or more classes of 1 or more pictures, found {classes} and {each}")
    rng = np.random.default_rng(seed)
    faces = rng.standard_normal((classes, INPUTS))
    faces += 0.6 * np.roll(faces, 1, axis=0)
    along, across = rng.standard_normal((2, classes, 1, INPUTS)) / np.sqrt(INPUTS)
    pose = rng.uniform(-1, 1, (classes, each, 1))
    pictures = faces[:, None] + _BEND * INPUTS**0.5 * (pose * along + (pose**2 - 1 / 3) * across) / 2
    pictures += _NOISE * rng.standard_normal(pictures.shape)
    inputs = torch.from_numpy(pictures.reshape(-1, INPUTS).astype(np.float32))
    return ToyPeople(inputs, torch.arange(classes).repeat_interleave(each), classes)


def toy_network(dimension: int) -> nn.Sequential:
    """Return a network from inputs to features (n, dimension), with the batch normalisation recognisers end in."""
    return nn.Sequential(
        nn.Linear(INPUTS, _HIDDEN),
        nn.PReLU(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.PReLU(),
        nn.Linear(_HIDDEN, dimension, bias=False),
        nn.BatchNorm1d(dimension, affine=False),
    )
