"""The exponential moving average of a network's weights: what a run has learned, without the last steps' noise."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedNetwork:
    """A copy of a network that follows it slowly; running statistics are averaged like weights, counters copied.

    After step t (from 0) the average is d * average + (1 - d) * weights with d = min(decay, (1 + t) / (10 + t)): the
    first steps, which are far from everything after them, are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"the decay of an average must lie between 0 and 1, found {decay}")
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def decay_at(self, step: int) -> float:
        """Return the decay of step `step`."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards the network as it is after step `step`."""
        weight = 1 - self.decay_at(step)
        averages, present = self.network.state_dict(), network.state_dict()
        for name, average in averages.items():
            if average.is_floating_point():
                average.lerp_(present[name].to(average.dtype), weight)
            else:
                average.copy_(present[name])
