"""Several processes on one batch: each takes its share of the rows, and all of them make the same step.

On processors two processes of one thread train a small network faster than one process of two threads: its layers are
too short to be cut in two, its batch is not. Gradients meet in shared memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_LONGEST_WAIT_SECONDS = 3600.0  # one member may be looking at pictures for a while
_MOST_NUMBERS = 16


def usual_processes() -> int:
    """Return the largest power of two that the cores allow, so that the batch can be shared equally."""
    return min(8, 1 << ((os.cpu_count() or 1).bit_length() - 1))


class Team:
    """One member of a team of processes; alone by default."""

    def __init__(self, rank: int = 0, size: int = 1, barrier: Any = None, folder: Path | None = None) -> None:
        self.rank = rank
        self.size = size
        self._barrier = barrier
        self._folder = folder
        self._shared: dict[str, Tensor] = {}

    def rows(self, count: int) -> slice:
        """Return this member's rows of a batch of `count`. Raises ValueError when it cannot be shared equally."""
        if count % self.size:
            raise ValueError(f"batch: expected a multiple of the {self.size} processes, found {count} rows")
        share = count // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the team, to the bit the same one for all."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        everybody = self._table("gradients", sum(gradient.numel() for gradient in gradients), torch.float32)
        torch.cat([gradient.reshape(-1) for gradient in gradients], out=everybody[self.rank])
        self._wait()
        mean = everybody.mean(dim=0)
        self._wait()  # nobody writes again before all have read
        parts = mean.split([gradient.numel() for gradient in gradients])
        shaped = [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
        torch._foreach_copy_(gradients, shaped)

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums over the team of a few numbers of each member, the same ones for all."""
        if self.size == 1:
            return list(numbers)
        everybody = self._table("numbers", _MOST_NUMBERS, torch.float64)
        everybody[self.rank, : len(numbers)] = torch.tensor(numbers, dtype=torch.float64)
        self._wait()
        sums = everybody[:, : len(numbers)].sum(dim=0).tolist()
        self._wait()
        return sums

    def _table(self, name: str, columns: int, dtype: torch.dtype) -> Tensor:
        """Return a table in shared memory with a row for each member."""
        if name not in self._shared:
            assert self._folder is not None
            flat = torch.from_file(str(self._folder / name), shared=True, size=self.size * columns, dtype=dtype)
            self._shared[name] = flat.view(self.size, columns)
            self._wait()
        return self._shared[name]

    def _wait(self) -> None:
        self._barrier.wait(_LONGEST_WAIT_SECONDS)


def run_team(work: Callable[..., Any], size: int, arguments: Sequence[Any]) -> None:
    """Call `work(team, *arguments)` in this process and in `size - 1` others; `work` must be a module's function.

    Raises what the first member to fail raised; the others end with it.
    """
    if size < 1:
        raise ValueError(f"processes: expected at least 1, found {size}")
    if size == 1:
        work(Team(), *arguments)
        return
    barrier = torch.multiprocessing.get_context("spawn").Barrier(size)
    with tempfile.TemporaryDirectory(prefix="hyperface-team-") as name:
        folder = Path(name)
        others = torch.multiprocessing.spawn(
            _member, (work, size, barrier, folder, torch.get_num_threads(), tuple(arguments)), size - 1, join=False
        )
        try:
            work(Team(0, size, barrier, folder), *arguments)
        except BaseException:
            barrier.abort()
            others.join(timeout=30)  # raises the story of a member that failed first, of which ours is the echo
            raise
        others.join()


def _member(
    index: int, work: Callable[..., Any], size: int, barrier: Any, folder: Path, threads: int, arguments: Any
) -> None:
    torch.set_num_threads(threads)
    try:
        work(Team(index + 1, size, barrier, folder), *arguments)
    except BaseException:
        barrier.abort()
        raise
