"""A world of people simple enough to be learned in a second: each is a coarse pattern, each picture adds noise."""

from __future__ import annotations

import numpy as np
import pytest


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
