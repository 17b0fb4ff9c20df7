"""What is to be packed, checked, and the parts chosen for it."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor, normalise
from hyperface_lib.sphere.blocks import nearest_others
from hyperface_lib.sphere.bounds import cosine_lower_bound
from hyperface_lib.sphere.geometry import nearest_of
from hyperface_lib.sphere.initial import gallery_points, random_points
from hyperface_lib.sphere.objectives import OBJECTIVES, GalleryTerm, Objective, WithGallery, create_objective
from hyperface_lib.sphere.optimisers import OPTIMISERS, Optimiser, create_optimiser
from hyperface_lib.sphere.precision import matmul_dtype, resolve_device
from hyperface_lib.sphere.run import PackingRun
from hyperface_lib.sphere.schedule import AlphaSchedule, default_annealing
from hyperface_lib.sphere.sharding import ShardedPairs
from hyperface_lib.sphere.subspace import as_basis

# The paper's weight. 200 points on the reference gallery, alpha 0 / .1 / .25 / .5 / 1 / 2: min angle 90.0 / 89.4 /
# 88.5 / 86.1 / 82.5 / 79.0 degrees, mean cosine to the nearest gallery vector .44 / .62 / .71 / .83 / .92 / .96.
DEFAULT_ALPHA = 0.5

_MANY_POINTS = 4_000
_HIGH_DIMENSION = 64
_SMALL_COUNT = 600
_SMALL_SIZE = 4_000
# How many gallery products a step may cost before the search for the nearest is done at every tenth only.
_CHEAP_SEARCH = 2_000_000


@dataclass(frozen=True)
class PackingProblem:
    """The checked question: how many points, where, near what, from which start.

    `basis` (d, k) spans the subspace to stay in, or is None; `working_dimension` is then k, else d. `gallery` are unit
    rows (m, d), `gallery_coordinates` the same inside the subspace (shorter than 1 there).
    """

    n: int
    dimension: int
    gallery: Tensor | None
    alpha: float
    basis: Tensor | None
    initial: str | Tensor
    seed: int
    device: torch.device

    @property
    def working_dimension(self) -> int:
        """The dimension the points are free in."""
        return self.dimension if self.basis is None else self.basis.shape[1]

    @property
    def gallery_coordinates(self) -> Tensor | None:
        """The gallery in the coordinates the points are moved in."""
        if self.gallery is None or self.basis is None:
            return self.gallery
        return self.gallery @ self.basis.to(self.gallery)

    @property
    def is_small(self) -> bool:
        """Whether L-BFGS from many starts is the better way."""
        return self.alpha == 0 and self.n <= _SMALL_COUNT and self.n * self.working_dimension <= _SMALL_SIZE

    def start(self, number: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the points (n, working dimension) of start `number`, a function of the seed."""
        seed = self.seed + 7919 * number
        if isinstance(self.initial, Tensor):
            points = self.initial
        elif self.initial == "gallery" and self.gallery is not None:
            points = gallery_points(self.gallery.double(), self.n, seed)
        else:
            return random_points(self.n, self.working_dimension, seed, dtype).to(self.device)
        if self.basis is not None:
            points = normalise(points.cpu().double() @ self.basis)
        return points.to(device=self.device, dtype=dtype)


def define_problem(
    n: int,
    dimension: int | None = None,
    gallery: Array | None = None,
    alpha: float | None = None,
    subspace: int | float | Array | None = None,
    initial: str | Array = "auto",
    seed: int = 0,
    device: str | torch.device = "auto",
) -> PackingProblem:
    """Check the arguments of `pack` and return what they ask; raises ValueError or TypeError in one sentence."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"n must be a whole number, found {n!r}.")
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    if dimension is None:
        if gallery is None:
            raise ValueError("dimension must be given when there is no gallery.")
        dimension = as_unit_tensor(gallery, "gallery").shape[1]
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    where = resolve_device(device)
    near = None if gallery is None else as_unit_tensor(gallery, "gallery", dimension).float().to(where)
    if alpha is None:
        alpha = DEFAULT_ALPHA if near is not None and subspace is None else 0.0
    if not (alpha >= 0 and np.isfinite(alpha)):
        raise ValueError(f"alpha must be at least 0 and finite, found {alpha}.")
    if alpha > 0 and near is None:
        raise ValueError(f"alpha needs a gallery, found alpha = {alpha} without one.")
    basis = None if subspace is None else as_basis(subspace, near, dimension)
    return PackingProblem(
        int(n), int(dimension), near, float(alpha), basis, _initial(initial, int(n), dimension, near), seed, where
    )


def _initial(initial: str | Array, n: int, dimension: int, gallery: Tensor | None) -> str | Tensor:
    if not isinstance(initial, str):
        points = as_unit_tensor(initial, "initial", dimension)
        if len(points) != n:
            raise ValueError(f"initial must have n = {n} rows, found {len(points)}.")
        _refuse_duplicates(points)
        return points
    if initial not in ("auto", "gallery", "random"):
        raise ValueError(f"initial must be auto, gallery, random or an array, found {initial!r}.")
    if initial == "gallery" and gallery is None:
        raise ValueError('initial = "gallery" needs a gallery, found none.')
    if initial == "auto":
        return "random" if gallery is None else "gallery"
    return initial


def _refuse_duplicates(points: Tensor) -> None:
    """Equal points exert no force on each other and would never part."""
    _, group, counts = points.unique(dim=0, return_inverse=True, return_counts=True)
    if bool((counts > 1).any()):
        first, second = (group == int(counts.argmax())).nonzero()[:2, 0].tolist()
        raise ValueError(f"initial must hold different points, found rows {first} and {second} equal.")


def choose_objective(problem: PackingProblem, name: str = "auto") -> str:
    """Return the name of the objective for `problem`; raises ValueError listing the names for an unknown one.

    By default "riesz", which needs no scale and ends a little better at equal steps; "hinge" for many points in a high
    dimension with no gallery to stay near, where its cheaper weights buy more steps than that is worth.
    """
    if name == "auto":
        many = problem.n >= _MANY_POINTS and problem.working_dimension >= _HIGH_DIMENSION
        return "hinge" if many and problem.alpha == 0 else "riesz"
    if name not in OBJECTIVES:
        raise ValueError(f"objective must be one of auto, {', '.join(OBJECTIVES)}, found {name!r}.")
    return name


def choose_method(problem: PackingProblem, objective: str, name: str = "auto") -> str:
    """Return the name of the optimiser for `problem`; raises ValueError listing the names for an unknown one.

    The paper's objective goes with the paper's optimiser: together they are Algorithm 1.
    """
    if name == "auto":
        if objective == "closest-pair":
            return "adamw"
        return "lbfgs" if problem.is_small else "riemannian-adam"
    if name not in OPTIMISERS:
        raise ValueError(f"method must be one of auto, {', '.join(OPTIMISERS)}, found {name!r}.")
    return name


def build_objective(problem: PackingProblem, name: str) -> Objective:
    """Return the objective of `problem`: the named one, with the gallery term where there is a gallery."""
    objective = create_objective(name)
    gallery = problem.gallery_coordinates
    if gallery is None:
        return objective
    cheap = problem.n * len(gallery) <= _CHEAP_SEARCH or name == "closest-pair"
    return WithGallery(objective, GalleryTerm(gallery, 1 if cheap else 10), problem.alpha)


def start_run(
    problem: PackingProblem,
    objective: str = "auto",
    method: str = "auto",
    total_steps: int = 1000,
    anneal: bool = True,
    *,
    alpha_schedule: AlphaSchedule | None = None,
    step_radians: float | None = None,
    batch_size: int | None = None,
    shard: ShardedPairs | None = None,
    dtype: torch.dtype = torch.float32,
) -> PackingRun:
    """Return the run that packs `problem` from its first start, not yet stepped.

    `step_radians`: the length of the first steps; by default that of the objective's schedule, .05 where it has none.
    `shard`: in several processes, which of the points this one holds. `dtype`: that of the points.
    """
    objective_name = choose_objective(problem, objective)
    built = build_objective(problem, objective_name)
    if isinstance(built, WithGallery):
        built.term.gallery = built.term.gallery.to(dtype)
    bound = cosine_lower_bound(problem.n, problem.working_dimension)
    fast = matmul_dtype(problem.device, problem.n, problem.working_dimension, bound)
    if fast != torch.float32 and dtype == torch.float32 and problem.alpha == 0 and problem.basis is None:
        built.matmul_dtype = fast
    annealing = default_annealing(objective_name, problem.n, problem.working_dimension)
    optimiser = create_optimiser(choose_method(problem, objective_name, method))
    if step_radians is not None:
        if not 0 < step_radians <= math.pi:
            raise ValueError(f"step_radians must be in (0, pi], found {step_radians}.")
        optimiser.step_radians = step_radians
        annealing = None if annealing is None else annealing.with_first_step(step_radians)
    if batch_size is not None:
        _set_batch_size(optimiser, batch_size, problem.n)
    if annealing is not None:
        optimiser.step_radians = annealing.step_radians
        run_objective = built.objective if isinstance(built, WithGallery) else built
        if hasattr(run_objective, "temperature"):
            run_objective.temperature = annealing.temperature(0.5)
    start = problem.start(dtype=dtype)
    if shard is not None:
        if hasattr(optimiser, "batch_size"):
            raise ValueError(f"method {optimiser.name} works in one process, found {shard.processes}.")
        built.pairs = shard
        start = start[shard.own]
    return PackingRun(
        start,
        built,
        optimiser,
        annealing=annealing if anneal else None,
        alpha_schedule=alpha_schedule if isinstance(built, WithGallery) else None,
        total_steps=total_steps,
        basis=None if problem.basis is None else problem.basis.to(device=problem.device, dtype=dtype),
    )


def _set_batch_size(optimiser: Optimiser, size: int, n: int) -> None:
    if not hasattr(optimiser, "batch_size"):
        raise ValueError(f"batch_size goes with a mini-batch method, found method {optimiser.name}.")
    if not 2 <= size <= n:
        raise ValueError(f"batch_size must be between 2 and n = {n}, found {size}.")
    optimiser.batch_size = size


@contextlib.contextmanager
def enough_memory(problem: PackingProblem) -> Iterator[None]:
    """Say in one sentence what was too large when memory runs out in the block: MemoryError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in text:
            raise
        # Points, two moments, gradient, the best so far and passing copies, and the gallery.
        rows = 9 * problem.n + (0 if problem.gallery is None else 2 * len(problem.gallery))
        gigabytes = 4 * rows * problem.dimension / 1e9
        raise MemoryError(
            f"packing n = {problem.n} points in {problem.dimension} dimensions needs about {gigabytes:.1f} GB "
            f"on {problem.device}, more than is free: take fewer points, or several processes with torchrun."
        ) from error


class CollapseWarning(UserWarning):
    """Points of a packing share a gallery vector and nearly a place."""


def warn_of_collapse(points: Tensor, gallery: Tensor, apart_degrees: float) -> int:
    """Warn when points share a gallery vector and nearly a place; return how many points do.

    `points` (n, d) and `gallery` (m, d) are unit rows, `apart_degrees` how far apart that many points could be. Two
    points are one identity in all but name when each one's nearest other is closer than half of that and the two have
    the same nearest gallery vector: the pull has won over the spreading. Raises nothing.
    """
    nearest, _ = nearest_of(points.to(gallery), gallery)
    others = nearest_others(points)
    close = others.cosines > math.cos(math.radians(apart_degrees) / 2)
    twins = close & (nearest == nearest[others.indices])
    count = int(twins.sum())
    if count:
        warnings.warn(
            f"{count} of {len(points)} points ended beside another one on the same gallery vector: "
            "alpha is too large or the gallery too small for that many identities.",
            CollapseWarning,
            stacklevel=3,
        )
    return count
