"""Map a function over items in worker processes, in order: dlib holds Python's lock, so threads do not help it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count(workers: int | None, jobs: int) -> int:
    """Return how many processes to use for that many jobs: `workers`, or one for each core for None.

    Raises ValueError for a number below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"Expected workers to be a positive number or None; got {workers}.")
    return max(1, min(workers or os.cpu_count() or 1, jobs))


def map_ordered(function: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """Yield function(item) in the order of the items, lazily; one process means this one.

    `function` must be importable by name. joblib's workers are used: they do not re-run the caller's main module, stay
    for the next call, and keep numerical libraries to their share of the cores.
    """
    if processes == 1:
        yield from map(function, items)
        return
    # joblib comes with scikit-learn.
    from joblib import Parallel, delayed  # type: ignore[import-untyped,unused-ignore]

    pool: Any = Parallel(n_jobs=processes, return_as="generator", batch_size=1, max_nbytes=None)
    yield from pool(delayed(function)(item) for item in items)
