"""Objectives that look at the points along directions drawn anew at each evaluation."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise
from hyperface_lib.sphere.geometry import nearest_of
from hyperface_lib.sphere.objectives.base import Evaluation, PairObjective

_LEAST_SINE = 1e-6
# Keeps draws apart from those of starting points, which are seeded with small numbers: generators use 32 bits of one.
_STREAM, _SEEDS = 0x9E3779B9, 2**32


class DrawnObjective(PairObjective):
    """An objective in expectation over random draws: evaluation number k sees the k-th draw of `seed`.

    Draws are made on the CPU in float64, the same for every device, dtype and process. Gradients are unbiased for the
    expectation; a line search, which compares values of different draws, is misled by them. The directions of the last
    evaluation are left in `directions`.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.directions: Tensor | None = None
        self._evaluations = 0

    def forget(self) -> None:
        """Go back to the first draw."""
        self._evaluations = 0

    def state(self) -> dict[str, Tensor]:
        """Return how many draws were used."""
        return {"evaluations": torch.tensor(self._evaluations)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self._evaluations = int(state["evaluations"])

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d), for the next draw."""
        generator = torch.Generator().manual_seed((_STREAM + 1_000_003 * self.seed + self._evaluations) % _SEEDS)
        self._evaluations += 1
        self.directions = self._draw(self.pairs.count(points), points.shape[1], generator).to(points)
        value, gradient = self._along(points, self.directions)
        return Evaluation(value, gradient, self.pairs.largest_cosine(points, self.matmul_dtype))

    @abstractmethod
    def _draw(self, count: int, dimension: int, generator: torch.Generator) -> Tensor:
        """Return random directions for `count` points, float64."""

    @abstractmethod
    def _along(self, points: Tensor, directions: Tensor) -> tuple[float, Tensor]:
        """Return the value of all points and the gradient of the rows given, for `directions`."""


class SlicedDispersion(DrawnObjective):
    """The squared distance to even spacing, of the points' angles on random great circles (radians^2 a point).

    On the circle spanned by orthonormal p and q a point has the angle theta = atan2(<x, q>, <x, p>), and the uniform
    distribution on the sphere has the uniform one. The nearest evenly spaced angles on the line keep the order:
    theta* = mean(theta) + phi of its rank, phi_k = 2 pi k / n - pi (n + 1) / n for k = 1 ... n. The value is the mean
    over circles of (1 / 2 n) sum_i (theta_i - theta*_i)^2 (Tokarchuk, Bakker and Niculae, "Keep your distance: learning
    dispersed embeddings", 2025, who draw one circle and do not divide by n).

    It evens out the distribution along circles, where random points are nearly even already: in many dimensions it says
    little about the closest pairs.

    `circles` is how many an evaluation draws, by default d / 2: the planes of one random orthonormal basis, which see
    every direction once. Each costs 2 n d multiplications and a sort of n angles.
    """

    name = "sliced"

    def __init__(self, circles: int | None = None, seed: int = 0) -> None:
        super().__init__(seed)
        if circles is not None and circles < 1:
            raise ValueError(f"circles must be at least 1, found {circles}.")
        self.circles = circles

    def _draw(self, count: int, dimension: int, generator: torch.Generator) -> Tensor:
        wanted = dimension // 2 if self.circles is None else self.circles
        planes: list[Tensor] = []
        while len(planes) < wanted:
            basis, _ = torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64))
            planes += basis.T[: 2 * (dimension // 2)].reshape(-1, 2, dimension)
        return torch.stack(planes[:wanted])

    def _along(self, points: Tensor, directions: Tensor) -> tuple[float, Tensor]:
        """Return value and gradient for `directions`, orthonormal pairs (circles, 2, d)."""
        everyone, own = self.pairs.everyone(points), self.pairs.own_rows(points)
        across, up = everyone @ directions[:, 0].T, everyone @ directions[:, 1].T
        angles = torch.atan2(up, across)
        n, circles = angles.shape
        even = (torch.arange(1, n + 1).to(points) * 2 - (n + 1)) * (math.pi / n)
        ranks = angles.argsort(dim=0).argsort(dim=0)
        # The targets' own dependence on the angles drops out: displacements have mean zero.
        displacements = angles - angles.mean(dim=0) - even[ranks]
        value = float(displacements.square().mean()) / 2
        across, up, displacements = across[own], up[own], displacements[own]
        slopes = displacements / (across.square() + up.square()).clamp_(min=_LEAST_SINE**2) / (n * circles)
        return value, (slopes * across) @ directions[:, 1] - (slopes * up) @ directions[:, 0]


class LloydDispersion(DrawnObjective):
    """The mean squared angle from a random direction to the nearest point, in radians^2.

    Quantising the uniform distribution with the points as centroids, on a fresh sample: one stochastic step of Lloyd's
    algorithm (Tokarchuk, Bakker and Niculae, "Keep your distance: learning dispersed embeddings", 2025). Points are
    drawn to the samples nearest to them, which covers the sphere rather than spreading the points: the two part company
    when there are few points for the dimension.

    `samples` directions are drawn at each evaluation, by default as many as there are points.
    """

    name = "lloyd"

    def __init__(self, samples: int | None = None, seed: int = 0) -> None:
        super().__init__(seed)
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, found {samples}.")
        self.samples = samples

    def _draw(self, count: int, dimension: int, generator: torch.Generator) -> Tensor:
        wanted = count if self.samples is None else self.samples
        return normalise(torch.randn(wanted, dimension, generator=generator, dtype=torch.float64))

    def _along(self, points: Tensor, directions: Tensor) -> tuple[float, Tensor]:
        """Return value and gradient for `directions`, unit rows (samples, d)."""
        everyone, own = self.pairs.everyone(points), self.pairs.own_rows(points)
        dtype = points.dtype if self.matmul_dtype is None else self.matmul_dtype
        nearest, _ = nearest_of(directions.to(dtype), everyone.to(dtype))
        cosines = (directions * everyone[nearest]).sum(dim=1).clamp_(-1, 1)
        angles = cosines.acos()
        value = float(angles.square().mean())
        # The derivative of angle^2 by the cosine is -2 angle / sin(angle), which tends to -2 for small angles.
        sines = angles.sin()
        slopes = torch.where(sines > _LEAST_SINE, angles / sines.clamp(min=_LEAST_SINE), torch.ones_like(angles))
        inside = ((nearest >= own.start) & (nearest < own.stop)).nonzero()[:, 0]
        pulls = slopes[inside, None] * directions[inside] * (-2 / len(directions))
        return value, torch.zeros_like(points).index_add_(0, nearest[inside] - own.start, pulls)
