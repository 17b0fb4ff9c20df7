"""As many threads as a computation is worth."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

# Below this many multiplications, threads wait for one another longer than they work.
_WORTH_THREADS = 50_000_000


@contextlib.contextmanager
def worthwhile_threads(multiplications: int) -> Iterator[None]:
    """Compute with one thread in the block where there is too little to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if multiplications > _WORTH_THREADS else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
