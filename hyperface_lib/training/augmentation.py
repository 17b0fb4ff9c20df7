"""Cheap changes to a batch of crops, drawn from one generator so that a step can be made again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hyperface_lib.training.recipe import Augmentation


def augment(images: NDArray[np.uint8], settings: Augmentation, generator: np.random.Generator) -> torch.Tensor:
    """Turn uint8 RGB (n, h, w, 3) into changed float32 (n, 3, h, w) in about [-1, 1], channels last in memory."""
    moved = _flip_and_shift(images, settings, generator)
    count = len(moved)
    batch = torch.from_numpy(moved).float().div_(127.5).sub_(1.0)
    gain = 1 + settings.contrast * generator.uniform(-1, 1, count)
    offset = settings.brightness * generator.uniform(-1, 1, count)
    if settings.contrast or settings.brightness:
        batch.mul_(_column(gain)).add_(_column(offset))
    for index in np.flatnonzero(generator.random(count) < settings.grey):
        batch[index] = batch[index].mean(dim=-1, keepdim=True)
    for index in np.flatnonzero(generator.random(count) < settings.noise):
        sigma = settings.noise_sigma * generator.random()
        noise = generator.standard_normal(batch.shape[1:], dtype=np.float32)
        batch[index] += torch.from_numpy(noise) * sigma
    _erase(batch, settings, generator)
    return batch.permute(0, 3, 1, 2)


def _column(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[:, None, None, None]


def _flip_and_shift(
    images: NDArray[np.uint8], settings: Augmentation, generator: np.random.Generator
) -> NDArray[np.uint8]:
    count, height, width, _ = images.shape
    flips: NDArray[np.bool_] = np.less(generator.random(count), settings.flip)
    reach = settings.shift_pixels
    shifts = generator.integers(0, 2 * reach + 1, (count, 2))
    if reach == 0 and not flips.any():
        return np.array(images)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge") if reach else images
    moved = np.empty_like(images)
    for index in range(count):
        top, left = shifts[index]
        crop = padded[index, top : top + height, left : left + width]
        moved[index] = crop[:, ::-1] if flips[index] else crop
    return moved


def _erase(batch: torch.Tensor, settings: Augmentation, generator: np.random.Generator) -> None:
    """Replace a rectangle of some images by one colour (Zhong et al., arXiv 1708.04896)."""
    count, height, width, _ = batch.shape
    largest = settings.erase_largest
    for index in np.flatnonzero(generator.random(count) < settings.erase):
        tall = max(1, int(height * generator.uniform(0.1, max(0.1, largest))))
        wide = max(1, int(width * generator.uniform(0.1, max(0.1, largest))))
        top = int(generator.integers(0, height - tall + 1))
        left = int(generator.integers(0, width - wide + 1))
        colour = torch.from_numpy(generator.uniform(-1, 1, 3).astype(np.float32))
        batch[index, top : top + tall, left : left + wide] = colour
