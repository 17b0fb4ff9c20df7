"""How much the searches of a data set's quality cost beside the matrix product they need: `make bench`. Prints."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hyperface_lib.evaluation import nearest_rows, nearest_stranger_cosines, score_dataset

IMAGES, REAL, DIMENSION = 20_000, 10_000, 512


def seconds_of(work: Callable[[], object], repeats: int = 2) -> float:
    """Return the shortest of several times."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def unit_rows(count: int) -> np.ndarray:
    rows = np.random.default_rng(count).standard_normal((count, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def product(rows: np.ndarray, others: np.ndarray) -> None:
    """Multiply by blocks and throw the blocks away."""
    for start in range(0, len(rows), 2048):
        rows[start : start + 2048] @ others.T


def test_searches_beside_the_bare_product() -> None:
    images, real = unit_rows(IMAGES), unit_rows(REAL)
    labels, people = np.arange(IMAGES) // 10, np.arange(REAL) // 2
    across, among = seconds_of(lambda: product(images, real)), seconds_of(lambda: product(real, real))
    pairs = seconds_of(lambda: product(images, images))
    print(f"\nnearest real image: {seconds_of(lambda: nearest_rows(images, real)) / across:.2f} x the product")
    print(f"real people among themselves: {seconds_of(lambda: nearest_stranger_cosines(real, people)) / among:.2f} x")
    print(f"score_dataset: {seconds_of(lambda: score_dataset(images, labels), 1) / pairs:.2f} x")
