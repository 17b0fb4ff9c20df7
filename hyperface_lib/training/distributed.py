"""One run in many processes, as `torchrun` starts them.

torch.distributed is used directly, not through accelerate: a step here is a function of (seed, step) that knows which
images every process holds, so there is no loader to wrap, and the head wants more than averaged gradients. The
backbone is wrapped in DistributedDataParallel; the features of all processes are gathered, and the head sees the
whole batch in every process. So a loss of statistics of the batch (AdaFace's norms, CurricularFace's t, the hardest
samples, pairs) is that of one process, and the head's gradient and buffers are the same everywhere without a message.
That costs each process the head's whole work; a head with very many classes divides it by its classes instead:

PartialHead (losses/partial_fc.py) holds some of the classes in each process, takes each process's own rows and gathers
them itself. Any head that does so can be given to the trainer by being one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from hyperface_lib.embedding.devices import resolve_device


class ProcessLostError(RuntimeError):
    """Another process of the run has ended; the message names the step and what to do."""


def join_processes(device: str | torch.device = "auto") -> Processes:
    """Join the processes `torchrun` has started, if it has; safe to call again.

    Uses nccl where the device is CUDA (a device for each process) and gloo elsewhere.
    """
    if distributed.is_available() and int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        on_cuda = resolve_device(device).type == "cuda"
        if on_cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if on_cuda else "gloo")
    return Processes()


class Processes:
    """The processes that share a run: those joined, or this one alone."""

    def __init__(self) -> None:
        joined = distributed.is_available() and distributed.is_initialized()
        self.rank: int = distributed.get_rank() if joined else 0
        self.count: int = distributed.get_world_size() if joined else 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files, shows progress and runs callbacks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there is more than this process."""
        return self.count > 1

    def spread(self, backbone: nn.Module, device: torch.device) -> nn.Module:
        """Return the backbone wrapped so that its gradients are averaged over the processes."""
        if not self.several:
            return backbone
        devices = [torch.cuda.current_device()] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(backbone, device_ids=devices)

    def copy_from_first(self, module: nn.Module) -> None:
        """Overwrite parameters and buffers with those of the first process."""
        if self.several:
            for tensor in (*module.parameters(), *module.buffers()):
                dense = tensor.detach().contiguous()
                distributed.broadcast(dense, 0)
                tensor.data.copy_(dense)

    def gather_features(self, features: Tensor, held: Sequence[int]) -> Tensor:
        """Return the float32 features of all processes in their order; `held` are their numbers of rows."""
        if not self.several:
            return features
        gathered: Tensor = _GatheredRows.apply(features.float(), tuple(held), self.rank)
        return gathered

    def agree(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Return the first process's values in every process, so that clocks cannot part them."""
        if not self.several:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float32, device=device)
        distributed.broadcast(shared, 0)
        return shared.tolist()

    def anywhere(self, happened: bool, device: torch.device) -> bool:
        """Return whether it happened in any process."""
        if not self.several:
            return happened
        shared = torch.tensor(float(happened), device=device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return bool(shared > 0)

    def collect(self, value: Any) -> list[Any]:
        """Return the values of all processes in the first one (tensors on the CPU), an empty list in the others."""
        if not self.several:
            return [value]
        found: list[Any] | None = [None] * self.count if self.leads else None
        distributed.gather_object(value, found)
        return found or []

    def leave(self) -> None:
        """Leave the group at the end of a program."""
        if self.several and distributed.is_initialized():
            distributed.destroy_process_group()

    @contextlib.contextmanager
    def watching(self, step: int) -> Iterator[None]:
        """Turn a broken connection into ProcessLostError."""
        try:
            yield
        except RuntimeError as error:
            if not self.several or not _is_lost_connection(error):
                raise
            raise ProcessLostError(
                f"step {step}: process {self.rank} of {self.count} lost another one, whose own output says why; "
                f"start the run again and it goes on from its checkpoint"
            ) from error


class _GatheredRows(torch.autograd.Function):
    """Rows of all processes. Every process has the whole loss, so its own rows' gradient needs no message."""

    @staticmethod
    def forward(context: Any, rows: Tensor, held: tuple[int, ...], rank: int) -> Tensor:
        context.own = slice(sum(held[:rank]), sum(held[: rank + 1]))
        context.processes = len(held)
        padded = rows.new_zeros(max(held), *rows.shape[1:])
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in held]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, held, strict=True)])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # DistributedDataParallel takes the mean of what is wanted as a sum.
        return gradients[0][context.own] * context.processes, None, None


def _is_lost_connection(error: RuntimeError) -> bool:
    text = str(error).lower()
    signs = ("connection closed", "connection reset", "broken pipe", "gloo", "nccl", "store", "socket", "timed out")
    return isinstance(error, distributed.DistError) or any(sign in text for sign in signs)
