"""The plain alternative to packing: draw, and keep what is far enough from everything kept before."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor, like, normalise

_BATCH = 1024


class ThresholdNotMetError(ValueError):
    """Fewer points than asked for could be drawn; those found are in `points`."""

    def __init__(self, message: str, points: Array) -> None:
        super().__init__(message)
        self.points = points


def random_below_threshold(
    n: int,
    dimension: int | None = None,
    *,
    pool: Array | None = None,
    max_cosine: float = 0.3,
    seed: int = 0,
    max_draws: int | None = None,
) -> Array:
    """Draw `n` points whose pairwise cosines are all at most `max_cosine`, by rejection: (n, d), float32.

    From the uniform distribution on the sphere in `dimension`, or without replacement from the rows of `pool` (m, d).
    At most `max_draws` candidates are looked at (default: 100 n + 10,000, and never more than the pool holds).
    Raises ThresholdNotMetError, which carries the points found, when that is not enough; ValueError for bad arguments.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, found {n}.")
    if (dimension is None) == (pool is None):
        raise ValueError("exactly one of dimension and pool must be given.")
    if not -1 <= max_cosine <= 1:
        raise ValueError(f"max_cosine must be in [-1, 1], found {max_cosine}.")
    if dimension is not None and dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    generator = torch.Generator().manual_seed(seed)
    source = None if pool is None else as_unit_tensor(pool, "pool").float()
    order = None if source is None else torch.randperm(len(source), generator=generator)
    limit = 100 * n + 10_000 if max_draws is None else max_draws
    if source is not None:
        limit = min(limit, len(source))
    columns = source.shape[1] if source is not None else int(dimension or 0)
    kept = torch.empty(n, columns)
    count = drawn = 0
    while count < n and drawn < limit:
        size = min(_BATCH, limit - drawn)
        if source is not None and order is not None:
            batch = source[order[drawn : drawn + size].to(source.device)].cpu()
        else:
            batch = normalise(torch.randn(size, columns, generator=generator))
        drawn += size
        count = _take(batch, kept, count, max_cosine)
    if count < n:
        where = "the pool" if source is not None else f"the sphere in {columns} dimensions"
        reason = (
            "the pool is exhausted" if source is not None and drawn == len(source) else "the cap on draws is reached"
        )
        raise ThresholdNotMetError(
            f"{n} points with cosines at most {max_cosine} were asked from {where}, "
            f"found {count} among {drawn} draws: {reason}.",
            like(kept[:count], pool),
        )
    return like(kept, pool)


def _take(batch: Tensor, kept: Tensor, count: int, max_cosine: float) -> int:
    """Add the rows of `batch` that fit to the first `count` rows of `kept`, in order; return the new count."""
    if count:
        batch = batch[(batch @ kept[:count].T).amax(dim=1) <= max_cosine]
    clash = (batch @ batch.T) > max_cosine
    free = torch.ones(len(batch), dtype=torch.bool)
    for row in range(len(batch)):
        if count == len(kept):
            break
        if free[row]:
            kept[count] = batch[row]
            count += 1
            free &= ~clash[row]
    return count
