"""Partial FC: a head that trains on a sample of the class centres, spread over processes (arXiv 2203.15565)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hyperface_lib.losses.cosine_head import AngleRecord, CosineHead, angle_record
from hyperface_lib.losses.fused import row_losses
from hyperface_lib.losses.observing import ObservingHead
from hyperface_lib.losses.partial_fc_processes import class_edges, joined_processes
from hyperface_lib.losses.partial_fc_rows import SampledRows
from hyperface_lib.losses.row_rule import RowRule

_BY_CLASS = ("centres.all", "centres.moments.")


class PartialHead(nn.Module):
    """Margin softmax over the classes of the batch and a random share `rate` of the others (An et al., section 3).

    `head` says the rule and gives its centres away; any head that keeps the `forward` of CosineHead or ObservingHead
    will do. The classes of the batch are always among the sample, which is drawn anew for every batch, the same
    whatever the number of processes. With rate 1 nothing is sampled and the classes are only spread.

    Build the optimiser from `parameters()`, then call `attach(optimizer)`: only the sampled centres are in its hands,
    with the state it keeps for them (see `SampledRows`). One backward pass follows each forward pass; several batches
    may add up their gradients before a step.

    Under `torchrun` process r of R holds classes C r / R .. C (r + 1) / R - 1. Every process gives its own features
    and labels; all get the mean loss of the whole batch. Gradients of features come multiplied by R, so that a
    backbone whose gradients are averaged over processes (DistributedDataParallel does) gets those of one process. The
    head itself must not be wrapped so: its centres differ from process to process.

    When it pays: on many accelerators, beyond about a million identities, where centres and logits fill the memory.
    On a processor a step of the head is several times as fast at rate 0.1, from 10,000 classes on (`make bench` prints
    it). But with the few thousand identities of most synthetic sets nearly all of a step is the backbone's, and a
    sample makes the gradient noisier: take the full head there.

    In evaluation, or without gradients, the loss is over all classes. Raises ValueError if `rate` lies outside
    0 .. 1, the head works its loss out in its own way, or there are fewer classes than processes.
    """

    def __init__(self, head: CosineHead, rate: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        if not 0 < rate <= 1:
            raise ValueError(f"rate must lie above 0 and up to 1, found {rate}")
        if not isinstance(head, CosineHead) or type(head).forward not in (CosineHead.forward, ObservingHead.forward):
            raise ValueError(
                f"a partial head needs a rule on cosines to one centre a class, {type(head).__name__} has none"
            )
        self.processes = joined_processes()
        edges = class_edges(head.classes, self.processes.count)
        self.first, self.stop = edges[self.processes.rank : self.processes.rank + 2]
        self.rate, self.seed = float(rate), int(seed)
        self.classes, self.dimension = head.classes, head.dimension
        self.angles: AngleRecord | None = None
        self.draws: Tensor
        self.register_buffer("draws", torch.zeros((), dtype=torch.long))
        self.centres = SampledRows(head.weight[self.first : self.stop])
        del head.weight
        self.head = head

    @property
    def margin_fraction(self) -> float:
        """The share of the margin in force, 0 .. 1."""
        return self.head.margin_fraction

    @margin_fraction.setter
    def margin_fraction(self, fraction: float) -> None:
        self.head.margin_fraction = fraction

    @property
    def scale(self) -> float | nn.Parameter:
        """The rule's scale."""
        return self.head.scale

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the centres bring their state into `optimizer`, which must hold this head's parameters."""
        self.centres.attach(optimizer)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of features (n, dimension) with labels (n,), -1 for none; the mean over all processes' rows.

        Raises ValueError on wrong shapes and labels, RuntimeError if no optimiser has been attached for training.
        """
        features, labels = self.processes.gather(*self.head._checked(features, labels))
        if len(labels) == 0:
            return features.float().sum() * 0.0 + sum(part.sum() for part in self.head.parameters()) * 0.0
        held = (labels >= self.first) & (labels < self.stop)
        own = torch.where(held, labels - self.first, -1)
        centres = self.centres.all
        if self.training and torch.is_grad_enabled():
            centres = self.centres.select(self._sample(labels))
            own = torch.where(held, torch.searchsorted(self.centres.index, own.clamp_min(0)), -1)
        rows = row_losses(features, centres, own, self.head.scale, self._rule, self.processes)
        self.angles = angle_record(rows.own, rows.nearest_other)
        return self.head.reduce(rows.losses, rows.own, rows.norms)

    def _rule(self, own: Tensor, norms: Tensor) -> RowRule:
        if self.training and isinstance(self.head, ObservingHead):
            with torch.no_grad():
                self.head.observe(own.detach(), norms.detach())
        return self.head.row_rule(own, norms)

    @torch.no_grad()
    def _sample(self, labels: Tensor) -> Tensor:
        """Return which of the classes held here take part, sorted, counted from the first one held."""
        if self.rate == 1:
            return torch.arange(self.stop - self.first, device=labels.device)
        # Every process draws for all classes: what is sampled does not depend on how classes are spread.
        generator = torch.Generator(labels.device).manual_seed(self.seed * 1_000_003 + int(self.draws))
        self.draws += 1
        order = torch.rand(self.classes, generator=generator, device=labels.device)
        order[labels] = -1.0
        positives = int((order < 0).sum())
        count = max(positives, min(self.classes, round(self.rate * self.classes)))
        chosen = order.topk(count, largest=False, sorted=False).indices
        here = chosen[(chosen >= self.first) & (chosen < self.stop)] - self.first
        if len(here) == 0:
            here = order[self.first : self.stop].argmin()[None]
        return here.sort().values

    def __repr__(self) -> str:
        held = f"classes {self.first} .. {self.stop - 1} of {self.classes}"
        return f"PartialHead({type(self.head).__name__}, rate={self.rate}, {held})"


def reshard_states(states: Sequence[Mapping[str, Any]], processes: int) -> list[dict[str, Any]]:
    """Return the state dicts of a PartialHead for another number of processes, from those of all ranks in order.

    Centres and what the optimiser remembers of them move along. Raises ValueError if the states are not those of all
    ranks of one head, or there are fewer classes than processes.
    """
    if not states or any(set(state) != set(states[0]) for state in states) or "centres.all" not in states[0]:
        raise ValueError(f"states must be those of a PartialHead on all of its ranks, found {len(states)} others")
    parts: list[dict[str, Any]] = [{} for _ in range(processes)]
    for key, value in states[0].items():
        if key.startswith(_BY_CLASS):
            rows = torch.cat([state[key] for state in states])
            edges = class_edges(len(rows), processes)
            for part, start, stop in zip(parts, edges, edges[1:], strict=False):
                part[key] = rows[start:stop].clone()
        else:
            if any(not torch.equal(state[key], value) for state in states):
                raise ValueError(f"states must be those of one head at one step, found different values of {key}")
            for part in parts:
                part[key] = value.clone()
    return parts
