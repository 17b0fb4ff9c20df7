"""Several processes on one batch: each takes its share of the rows, and all of them make the same step.

On processors two processes of one thread train a small network faster than one process of two threads: its layers are
too short to be cut in two, its batch is not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Team:
    """One member of a team of processes; alone by default."""

    rank: int = 0
    size: int = 1

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module with its gradients averaged over the team after every backward pass."""
        return module if self.size == 1 else DistributedDataParallel(module, gradient_as_bucket_view=True)

    def rows(self, count: int) -> slice:
        """Return this member's rows of a batch of `count`. Raises ValueError when it cannot be shared equally."""
        if count % self.size:
            raise ValueError(f"batch: expected a multiple of the {self.size} processes, found {count} rows")
        share = count // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums over the team of a few numbers of each member, the same ones for all."""
        if self.size == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64)
        torch.distributed.all_reduce(sums)
        return [float(value) for value in sums]


def run_team(work: Callable[..., Any], size: int, arguments: Sequence[Any]) -> None:
    """Call `work(team, *arguments)` in this process and in `size - 1` others; `work` must be a module's function.

    Raises what this process's call raises; the others end with it.
    """
    if size < 1:
        raise ValueError(f"processes: expected at least 1, found {size}")
    if size == 1:
        work(Team(), *arguments)
        return
    with tempfile.TemporaryDirectory(prefix="hyperface-team-") as folder:
        meeting = str(Path(folder) / "meeting")
        others = torch.multiprocessing.spawn(
            _member, (work, size, meeting, torch.get_num_threads(), tuple(arguments)), size - 1, join=False, daemon=True
        )
        try:
            _join(0, size, meeting)
            try:
                work(Team(0, size), *arguments)
            except Exception:
                others.join(timeout=5)  # raises the story of a member that failed first, of which ours is the echo
                raise
            others.join()
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def _member(index: int, work: Callable[..., Any], size: int, meeting: str, threads: int, arguments: Any) -> None:
    torch.set_num_threads(threads)
    _join(index + 1, size, meeting)
    try:
        work(Team(index + 1, size), *arguments)
    finally:
        torch.distributed.destroy_process_group()


def _join(rank: int, size: int, meeting: str) -> None:
    # The members share a machine: loopback is always there, the name of the host need not resolve.
    if Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group("gloo", init_method=Path(meeting).as_uri(), rank=rank, world_size=size)
