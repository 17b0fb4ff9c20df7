"""The search for the best packing of few points: fresh starts and kicks of the best, each followed by a descent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count as count_from

import numpy as np

from hyperface_lib.sphere.small.annealing import anneal, evaluation_cost
from hyperface_lib.sphere.small.circulant import circulant_start
from hyperface_lib.sphere.small.contacts import largest_cosine_of
from hyperface_lib.sphere.small.kicks import KICKS
from hyperface_lib.sphere.small.polish import polish, settle
from hyperface_lib.sphere.small.symmetry import SYMMETRIES, symmetrised

# First exponents 2^(k+1): which one leads to the best arrangement most often differs from case to case.
_FIRST_DOUBLINGS = (1, 3, 2, 5, 0)
_KICK_DOUBLINGS = (3, 5)
# An array to start from is followed by little, by more, and nearly freely.
_ARRAY_DOUBLINGS = (10, 6, 3)
_ROUND = 8
_START_ROUNDS, _STARTS_IN_A_ROUND = 3, 3
_ELITE = 6
# Cosines closer than this count as the same arrangement, found twice.
_SAME = 3e-6
_AT_BOUND, _NEAR_BOUND = 1e-10, 1e-5
# Polishing may put a packing first that is this much worse before.
_POLISHED_WITHIN, _POLISHED_COUNT = 1e-4, 3
# From this many coordinates on a third of the later starts has a large symmetry group, from that many on two thirds of
# all: there random starts never meet the best codes. Each is the best of so many draws.
_CIRCULANT_COORDINATES, _LARGE_COORDINATES = 500, 2_500
_CIRCULANT_DRAWS, _CIRCULANT_HALF_EXPONENT = 10, 2.0
# What a unit costs besides evaluations.
_UNIT_COST = 6e6


@dataclass(frozen=True)
class Effort:
    """When to end a search that has not reached the bound; costs in multiplications, about 4e9 a second.

    It ends after `most`, or after `least` if as many fresh starts as `repeats` led to the best packing.
    """

    least: float = 3e9
    most: float = 1.5e10
    repeats: int = 5


PATIENT = Effort(least=4e10, most=np.inf, repeats=100)
"""For a caller who limits time or steps: ends before only when there is next to nothing left to find."""


@dataclass(frozen=True)
class _Proposal:
    """How to make points to descend from, and whether they are a fresh start."""

    points: Callable[[], np.ndarray]
    first_doublings: int
    generator: np.random.Generator
    fresh: bool


class SmallSearch:
    """A search, advanced by iterating over `explore()` or `improve()`: one item for each unit of work.

    `points` (n, d) float64 and `cosine` are the best so far; `units` and `starts` count. `start(k)` must return the
    unit rows of fresh start k, two in three of which are made symmetric, as `symmetries` say in turn. A cosine of
    `bound` cannot be improved and ends the search. Unless there is a `deadline` (on time.perf_counter) results depend
    on `seed` only, not on the number of `workers` (threads).
    """

    def __init__(
        self,
        start: Callable[[int], np.ndarray],
        seed: int,
        bound: float,
        symmetries: tuple[int, ...] = SYMMETRIES,
        effort: Effort | None = None,
        workers: int = 1,
        deadline: float = np.inf,
    ) -> None:
        self.start = start
        self.seed = seed
        self.bound = bound
        self.symmetries = symmetries
        self.effort = Effort() if effort is None else effort
        self.workers = workers
        self.deadline = deadline
        self.starts = 0
        self.units = 0
        self._cost = 0.0
        self._repeats = 0
        self._elite: list[tuple[float, np.ndarray]] = []

    @property
    def points(self) -> np.ndarray:
        """The best points so far, unit rows (n, d)."""
        return self._elite[0][1]

    @property
    def cosine(self) -> float:
        """The largest cosine of the best points so far."""
        return self._elite[0][0]

    @property
    def is_proven(self) -> bool:
        """Whether the best points reach the bound."""
        return bool(self._elite) and self.cosine <= self.bound + _AT_BOUND

    def explore(self) -> Generator[None, None, None]:
        """Search from fresh starts and by kicks until the bound is reached or the effort spent, then polish."""
        for number in count_from():
            proposals = [self._propose(number, slot) for slot in range(_ROUND)]
            # A generator left early must still call back its threads.
            with closing(self._descend(proposals)) as descents:
                for _ in descents:
                    yield
                    if self.is_proven:
                        return
            if self._is_enough:
                break
        yield from self._polish()

    def improve(self, points: np.ndarray) -> Generator[None, None, None]:
        """Descend from `points`, unit rows (n, d), at three exponents, and polish; the result is never worse."""
        self._admit(points)
        generators = [np.random.default_rng([self.seed, slot]) for slot in range(len(_ARRAY_DOUBLINGS))]
        proposals = [
            _Proposal(lambda: points, doublings, generator, fresh=False)
            for doublings, generator in zip(_ARRAY_DOUBLINGS, generators, strict=True)
        ]
        yield from self._descend(proposals)
        yield from self._polish()

    def finish(self) -> None:
        """Settle the best points, where a search was ended before it polished them."""
        self._admit(settle(self.points))

    @property
    def _is_enough(self) -> bool:
        effort = self.effort
        return self._cost >= effort.most or (self._cost >= effort.least and self._repeats >= effort.repeats)

    def _propose(self, number: int, slot: int) -> _Proposal:
        generator = np.random.default_rng([self.seed, number, slot])
        if number < _START_ROUNDS or slot < _STARTS_IN_A_ROUND:
            return self._fresh(generator)
        # The better the likelier: weights 1, 1/2, 1/3, ...
        shares = 1 / np.arange(1.0, len(self._elite) + 1)
        _, parent = self._elite[generator.choice(len(self._elite), p=shares / shares.sum())]
        kick = KICKS[generator.integers(len(KICKS))]
        first = _KICK_DOUBLINGS[generator.integers(len(_KICK_DOUBLINGS))]
        return _Proposal(lambda: kick(parent, generator), first, generator, fresh=False)

    def _fresh(self, generator: np.random.Generator) -> _Proposal:
        """Return the next fresh start: of three, one as it comes and two symmetric."""
        number = self.starts
        self.starts += 1

        def make() -> np.ndarray:
            points = self.start(number)
            if not self.symmetries or number % 3 == 0:
                return points
            later = number % 3 == 2 and number >= _START_ROUNDS * _ROUND
            if points.size >= (_CIRCULANT_COORDINATES if later else _LARGE_COORDINATES):
                count, dimension = points.shape
                found = circulant_start(count, dimension, _CIRCULANT_HALF_EXPONENT, _CIRCULANT_DRAWS, generator)
                return points if found is None else found
            order = self.symmetries[(number - number // 3) % len(self.symmetries)]
            return symmetrised(points, order, generator)

        return _Proposal(make, _FIRST_DOUBLINGS[number % len(_FIRST_DOUBLINGS)], generator, fresh=True)

    def _descend(self, proposals: list[_Proposal]) -> Generator[None, None, None]:
        """Descend from each proposal, in parallel but accounted for in order; yield after each."""

        def run(proposal: _Proposal) -> tuple[np.ndarray, int]:
            return anneal(proposal.points(), proposal.generator, proposal.first_doublings, deadline=self.deadline)

        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(run, proposal) for proposal in proposals]
            try:
                for proposal, future in zip(proposals, futures, strict=True):
                    points, evaluations = future.result()
                    self._cost += _UNIT_COST + evaluations * evaluation_cost(*points.shape)
                    self._admit(points, proposal.fresh)
                    self.units += 1
                    yield
            finally:
                for future in futures:
                    future.cancel()

    def _admit(self, points: np.ndarray, fresh: bool = False) -> None:
        """Put `points` among the best if they belong there; what comes near the bound is settled first."""
        cosine = largest_cosine_of(points)
        if self.bound + _AT_BOUND < cosine < self.bound + _NEAR_BOUND:
            points = settle(points)
            cosine = largest_cosine_of(points)
        if not self._elite or cosine < self.cosine - _SAME:
            self._repeats = 0
        self._repeats += fresh and (not self._elite or cosine < self.cosine + _SAME)
        same = [entry for entry in self._elite if abs(entry[0] - cosine) < _SAME]
        if any(entry[0] <= cosine for entry in same):
            return
        kept = [entry for entry in self._elite if abs(entry[0] - cosine) >= _SAME]
        self._elite = sorted([*kept, (cosine, points)], key=lambda entry: entry[0])[:_ELITE]

    def _polish(self) -> Generator[None, None, None]:
        """Polish the best, and those so near that polishing may put them first; yield after each."""
        near = [points for cosine, points in self._elite if cosine < self.cosine + _POLISHED_WITHIN]
        for points in near[:_POLISHED_COUNT]:
            self._admit(polish(points))
            self.units += 1
            yield
