"""A world of people simple enough to be learned in a second: each is a coarse pattern, each picture adds noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def people(count: int, samples: int, seed: int = 0, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return images (count * samples, size, size, 3) and labels."""
    generator = np.random.default_rng(seed)
    patterns = generator.integers(40, 216, (count, 4, 4, 3)).repeat(size // 4, axis=1).repeat(size // 4, axis=2)
    noise = generator.normal(0, 25, (count, samples, size, size, 3))
    images = np.clip(patterns[:, None] + noise, 0, 255).astype(np.uint8)
    return images.reshape(-1, size, size, 3), np.repeat(np.arange(count), samples)


@pytest.fixture(scope="session")
def small_world() -> tuple[np.ndarray, np.ndarray]:
    return people(12, 8)


def plain_backbone(dimension: int = 6) -> torch.nn.Module:
    """Return a network without batch normalisation, so that a batch may be divided without changing anything."""
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=4),
        torch.nn.GroupNorm(2, 8),
        torch.nn.GELU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(128, dimension),
    )
