"""The paper's Algorithm 2: packing by mini-batches."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise, tangent
from hyperface_lib.sphere.blocks import row_blocks
from hyperface_lib.sphere.objectives.base import Objective
from hyperface_lib.sphere.optimisers.base import Move


class MiniBatch:
    """Riemannian Adam on a random batch of rows a step, every row with its own moments (HyperFace, Algorithm 2).

    An epoch is a random order of the rows, cut into batches of nearly equal size, at most `batch_size` (or 3, where an
    odd n would leave a row alone): every row is drawn once. A row drawn k times has moments of k gradients,
    bias-corrected with k; rows not drawn stay where they are.

    What it minimises, for batches of b of n rows. A pair is in the batch with probability q = b (b - 1) / (n (n - 1)),
    so for an energy sum_{i<j} f(cos_ij) the expected gradient is q times that of all pairs: unbiased up to scale, and
    Adam takes scales out. A soft maximum, the logarithm of such a sum, is not: by Jensen's inequality its expectation
    lies below, and weights inside a batch sum to 1 whether its pairs are close or not. The hard maximum, Eq. 1, becomes
    E[max over the batch] = sum_r P(r) cos_(r), P(r) the probability that the pair of rank r, counted from the closest,
    is the closest in the batch: about q (1 - q)^(r - 1) (`stochastic_theory`). That is a *soft* maximum over about the
    1 / q closest pairs, and this is why Algorithm 2 works at all: a step of Eq. 1 moves one pair in either case, one of
    the 1 / q closest is as good to move as the closest, and finding it costs q as much. Only when batches are so small
    that the 1 / q closest pairs are not close any more is the step wasted.

    All points must be in one process.
    """

    name = "minibatch-adam"

    def __init__(
        self,
        step_radians: float = 0.05,
        batch_size: int = 1024,
        seed: int = 0,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        if batch_size < 2:
            raise ValueError(f"batch_size must be at least 2, found {batch_size}.")
        self.step_radians = step_radians
        self.batch_size = batch_size
        self.seed = seed
        self.betas = betas
        self.forget()

    def forget(self) -> None:
        """Drop all moments and go back to the first epoch."""
        self._steps = 0
        self._order: Tensor | None = None
        self._counts: Tensor | None = None
        self._first: Tensor | None = None
        self._second: Tensor | None = None

    def state(self) -> dict[str, Tensor]:
        """Return the moments, how often each row was drawn, and the number of steps, if there was one."""
        if self._first is None or self._second is None or self._counts is None:
            return {}
        return {
            "steps": torch.tensor(self._steps),
            "counts": self._counts.clone(),
            "first": self._first.clone(),
            "second": self._second.clone(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self.forget()
        if state:
            self._steps = int(state["steps"])
            self._counts, self._first, self._second = (state[name].clone() for name in ("counts", "first", "second"))

    def step(self, points: Tensor, objective: Objective) -> Move:
        """Return the points after one step from `points`, unit rows (n, d); the evaluation is that of the batch.

        Raises ValueError when some of the points are in other processes.
        """
        n, dimension = points.shape
        if self._first is None or self._second is None or self._counts is None or self._first.shape != points.shape:
            # Checked once: asking for a count may talk to the other processes.
            held = objective.pairs.count(points)
            if held != n:
                raise ValueError(f"mini-batches need all {held} points in one process, found {n} here.")
            self.forget()
            self._first, self._second = torch.zeros_like(points), torch.zeros_like(points)
            self._counts = torch.zeros(n, 1, dtype=torch.int64, device=points.device)
        rows = self._draw(n).to(points.device)
        batch = points[rows]
        # What an objective keeps by row is of another batch before this one, and of this one before the next.
        objective.forget_rows()
        evaluation = objective.value_and_gradient(batch)
        objective.forget_rows()
        gradient = tangent(batch, evaluation.gradient)
        slow, slower = self.betas
        counts = self._counts[rows] + 1
        first = self._first[rows].lerp_(gradient, 1 - slow)
        second = self._second[rows].mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
        self._counts[rows], self._first[rows], self._second[rows] = counts, first, second
        powers = counts.to(points.dtype)
        scale = (second / (1 - slower**powers)).sqrt_().add_(1e-12)
        rate = self.step_radians / math.sqrt(dimension) / (1 - slow**powers)
        moved = points.clone()
        moved[rows] = normalise(batch - rate * first / scale)
        return Move(moved, evaluation, covers_all=len(rows) == n)

    def _draw(self, n: int) -> Tensor:
        """Return the rows of the next batch."""
        # Blocks of nearly equal length, so that no batch is a remainder; never so many that one has a single row.
        batches = row_blocks(n, max(self.batch_size, -(-n // max(1, n // 2))))
        epoch, number = divmod(self._steps, len(batches))
        if self._order is None or number == 0:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._order = torch.randperm(n, generator=generator)
        self._steps += 1
        return self._order[batches[number]]
