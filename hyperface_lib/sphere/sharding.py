"""Points spread over processes: each holds some rows, all see every pair.

A step gathers the points once, (n, d) numbers to every process, and each process works out the pairs of its own rows:
n^2 d / R multiplications for the cosines and as many for the gradient, R the number of processes. A pair whose points
live in two processes is looked at by both, so the work is 4/3 of that of one process, divided by R. Moments, gradients
and row-wise optimisers never leave their process.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as distributed
from torch import Tensor

from hyperface_lib.sphere.blocks import NearestOthers, PairSums, Weighing, row_blocks
from hyperface_lib.sphere.excess import ExcessSums, excess_of_pairs
from hyperface_lib.sphere.precision import accumulator_dtype, resolve_device


def join_processes(device: str | torch.device = "auto") -> bool:
    """Join the processes `torchrun` has started, if it has; return whether there are several.

    Uses nccl where every process has an accelerator of its own, gloo elsewhere. Safe to call again.
    """
    if not distributed.is_available() or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return False
    if not distributed.is_initialized():
        on_cuda = resolve_device(device).type == "cuda"
        if on_cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if on_cuda else "gloo")
    return True


def process_rank() -> int:
    """Return the number of this process among those joined; 0 when alone."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def current_shard(n: int) -> ShardedPairs | None:
    """Return how `n` points are spread over the processes joined; None in a single process."""
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() < 2:
        return None
    return ShardedPairs(n)


class ShardedPairs:
    """The traversal of several processes: process r of R holds rows n r / R to n (r + 1) / R.

    Raises ValueError when there are fewer points than processes.
    """

    def __init__(self, n: int) -> None:
        self.rank, self.processes = distributed.get_rank(), distributed.get_world_size()
        if n < self.processes:
            raise ValueError(f"{self.processes} processes need at least as many points, found n = {n}.")
        self.edges = [n * r // self.processes for r in range(self.processes + 1)]
        self._last: tuple[Tensor, int, Tensor] | None = None

    @property
    def own(self) -> slice:
        """The rows this process holds."""
        return slice(self.edges[self.rank], self.edges[self.rank + 1])

    def count(self, points: Tensor) -> int:
        """Return how many points there are in all."""
        return self.edges[-1]

    def own_rows(self, points: Tensor) -> slice:
        """Return which of all rows are `points`."""
        return self.own

    def agree(self, value: float) -> float:
        """Return the first process's `value` on every process, so that clocks cannot part them."""
        shared = torch.tensor(value, dtype=torch.float64)
        if distributed.get_backend() == "nccl":
            shared = shared.float().cuda()
        distributed.broadcast(shared, 0)
        return float(shared)

    def everyone(self, points: Tensor) -> Tensor:
        """Return all points (n, d); the same tensor is gathered once."""
        if self._last is not None and self._last[0] is points and self._last[1] == points._version:
            return self._last[2]
        longest = max(stop - start for start, stop in zip(self.edges, self.edges[1:], strict=False))
        padded = points.new_zeros(longest, points.shape[1])
        padded[: len(points)] = points
        parts = [torch.empty_like(padded) for _ in range(self.processes)]
        distributed.all_gather(parts, padded)
        sizes = [stop - start for start, stop in zip(self.edges, self.edges[1:], strict=False)]
        gathered = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
        self._last = (points, points._version, gathered)
        return gathered

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over processes."""
        values = values.clone()
        distributed.all_reduce(values)
        return values

    def accumulate(self, points: Tensor, weigh: Weighing, dtype: torch.dtype | None = None) -> PairSums:
        """Sum over all pairs; the gradient (n / R, d) is that of the rows held here."""
        everyone = self.everyone(points)
        operand = everyone if dtype is None else everyone.to(dtype)
        gradient = torch.zeros_like(points)
        total: Tensor | None = None
        largest = torch.full((), -torch.inf, dtype=operand.dtype, device=points.device)
        for rows, columns in self._tiles():
            cosines = self._cosines(operand, rows, columns)
            largest = torch.maximum(largest, cosines.max())
            weights, sums = weigh(cosines)
            gradient[rows.start - self.own.start : rows.stop - self.own.start] += (
                weights.to(operand.dtype) @ operand[columns]
            )
            sums = sums.to(accumulator_dtype(points.device))
            total = sums if total is None else total + sums
        assert total is not None
        # Every pair was seen from both of its ends.
        return PairSums(self.total(total) / 2, gradient, self._largest(largest))

    def accumulate_excess(self, points: Tensor, threshold: float, dtype: torch.dtype | None = None) -> ExcessSums:
        """Sum the excess of the cosines over `threshold` over all pairs, each seen by the processes of its points."""
        return excess_of_pairs(self, points, threshold, dtype)

    def largest_cosine(self, points: Tensor, dtype: torch.dtype | None = None) -> float:
        """Return the largest cosine of all pairs."""
        everyone = self.everyone(points)
        operand = everyone if dtype is None else everyone.to(dtype)
        best = [self._cosines(operand, rows, columns).max() for rows, columns in self._tiles()]
        return self._largest(torch.stack(best).max())

    def nearest_others(self, points: Tensor, dtype: torch.dtype | None = None) -> NearestOthers:
        """Return the nearest other point of every one of all points."""
        everyone = self.everyone(points)
        operand = everyone if dtype is None else everyone.to(dtype)
        cosines = torch.full((self.edges[-1],), -torch.inf, dtype=points.dtype, device=points.device)
        indices = torch.zeros(self.edges[-1], dtype=torch.int64, device=points.device)
        for rows, columns in self._tiles():
            best, where = self._cosines(operand, rows, columns).max(dim=1)
            better = best > cosines[rows]
            cosines[rows] = torch.where(better, best.to(cosines.dtype), cosines[rows])
            indices[rows] = torch.where(better, where + columns.start, indices[rows])
        distributed.all_reduce(cosines, distributed.ReduceOp.MAX)
        distributed.all_reduce(indices, distributed.ReduceOp.MAX)
        return NearestOthers(indices, cosines)

    def _tiles(self) -> list[tuple[slice, slice]]:
        """Return the (rows, columns) blocks of this process."""
        held = self.own.stop - self.own.start
        rows = [slice(self.own.start + part.start, self.own.start + part.stop) for part in row_blocks(held, 1024)]
        return [(part, columns) for part in rows for columns in row_blocks(self.edges[-1], 1024)]

    @staticmethod
    def _cosines(everyone: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return the cosines of a block; pairs of a point with itself hold -inf."""
        cosines = everyone[rows] @ everyone[columns].T
        same = torch.arange(max(rows.start, columns.start), min(rows.stop, columns.stop), device=everyone.device)
        cosines[same - rows.start, same - columns.start] = -torch.inf
        return cosines

    @staticmethod
    def _largest(value: Tensor) -> float:
        value = value.float() if value.dtype == torch.bfloat16 else value
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return float(value)
