"""Every image is a function of its seed: noise is drawn on the CPU, one stream an image, whatever batch it lands in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LATENT_STREAM = 0  # stream 1 draws the nuisance (conditioning.py)
_IDENTITY_STREAM = 2
_PERSONAL_MATRIX = 20250807  # the seed of the matrix that turns identities into noise


def image_seed(seed: int, identity: int, sample: int) -> int:
    """Return the seed of one image of a dataset, from the dataset's seed, the identity's number and the sample's."""
    return int(np.random.SeedSequence((seed, identity, sample)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def expand_seeds(seeds: int | Sequence[int] | NDArray[np.integer], count: int) -> list[int]:
    """Return one seed an image: a single number s stands for s, s + 1, ...

    Raises ValueError for a wrong number of seeds or a negative one.
    """
    if isinstance(seeds, int | np.integer):
        chosen = [int(seeds) + number for number in range(count)]
    else:
        chosen = [int(seed) for seed in seeds]
    if len(chosen) != count:
        raise ValueError(f"seeds: expected one for each of {count} vectors, found {len(chosen)}")
    if chosen and min(chosen) < 0:
        raise ValueError(f"seeds: expected numbers from 0, found {min(chosen)}")
    return chosen


def draw_latents(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Draw standard normal latents (n, *shape) float32 on the CPU, each from its own generator."""
    latents = torch.empty((len(seeds), *shape))
    for row, seed in enumerate(seeds):
        state = int(np.random.SeedSequence((int(seed), _LATENT_STREAM)).generate_state(1, np.uint64)[0])
        generator = torch.Generator("cpu").manual_seed(state)
        latents[row] = torch.randn(shape, generator=generator)
    return latents


def personal_latents(identities: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the part of the noise that belongs to a person: latents (n, *shape) that are one fixed function of x.

    A fixed Gaussian matrix times the unit vectors (n, d): standard normal over its draw, the same for all pictures of a
    person, nearly the same for neighbours. An identity vector leaves details open; noise decides them, and shared noise
    decides them alike.
    """
    size = int(np.prod(shape))
    generator = torch.Generator("cpu").manual_seed(_PERSONAL_MATRIX)
    matrix = torch.randn(size, identities.shape[1], generator=generator)
    return (identities @ matrix.T).reshape(len(identities), *shape)


def scattered(vectors: NDArray[np.float32], seeds: Sequence[int], beta: float) -> NDArray[np.float32]:
    """Return normalise(x + beta * noise) for unit rows x (n, d), noise ~ N(0, I) a function of the seed.

    HyperFace (Otroshi Shahreza & Marcel 2025), section 3: the variation of an identity; the expected angle to x is
    about atan(beta * sqrt(d)).
    """
    if not np.isfinite(beta) or beta < 0:
        raise ValueError(f"beta: expected a number from 0, found {beta}")
    if beta == 0:
        return np.asarray(vectors, np.float32)
    noise = np.stack(
        [np.random.default_rng((int(seed), _IDENTITY_STREAM)).standard_normal(vectors.shape[1]) for seed in seeds]
    )
    moved = vectors.astype(np.float64) + beta * noise
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
