"""What the processes of a distributed head tell each other: rows of a batch, sums and maxima over classes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperface_lib.losses.fused import Alone


class OneProcess(Alone):
    """A process that holds all classes and sees the whole batch."""

    rank, count = 0, 1

    def gather(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and labels as they are."""
        return features, labels


class SeveralProcesses:
    """The processes joined in torch.distributed (`torchrun` starts them), each with classes and rows of its own."""

    def __init__(self) -> None:
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over processes."""
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest of `values` over processes, element by element."""
        best = values.detach().clone()
        distributed.all_reduce(best, distributed.ReduceOp.MAX)
        return best

    def gather(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (n, d) and labels (n,) of all processes, in their order; the numbers of rows may differ.

        The gradient of this process's rows comes back multiplied by the number of processes.
        """
        own = torch.tensor([len(labels)], device=labels.device)
        found = [torch.empty_like(own) for _ in range(self.count)]
        distributed.all_gather(found, own)
        counts = [int(number) for number in found]
        return _Gather.apply(features, counts, self.rank), _gathered(labels, counts)


def joined_processes() -> OneProcess | SeveralProcesses:
    """Return the processes of the default process group, or the only one."""
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        return SeveralProcesses()
    return OneProcess()


def class_edges(classes: int, processes: int) -> list[int]:
    """Return where the classes of a process begin and end: process r holds edges[r] .. edges[r + 1] - 1.

    Raises ValueError if there are fewer classes than processes.
    """
    if classes < processes:
        raise ValueError(f"{processes} processes need at least as many classes, found {classes}")
    return [classes * rank // processes for rank in range(processes + 1)]


def _gathered(rows: Tensor, counts: list[int]) -> Tensor:
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int], rank: int) -> Tensor:
        start = sum(counts[:rank])
        ctx.own, ctx.processes = slice(start, start + counts[rank]), len(counts)
        return _gathered(rows, counts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # Every process has the gradient of the whole batch's loss already; those who share a backbone average theirs.
        return gradient[ctx.own] * ctx.processes, None, None
