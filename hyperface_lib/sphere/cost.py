"""What a packing costs in seconds and memory: operations counted from the algorithm, rates from measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

# Which share of the work of mini-batches goes into looking at all pairs now and then is set by PackingRun.
_BATCHES_BETWEEN_LOOKS = 3
# A gallery search is made at every step while it costs less than this many cosines, else at every tenth.
_CHEAP_SEARCH_COSINES = 2_000_000
_STEPS_BETWEEN_SEARCHES = 10
_BYTES = 4  # of a float32


class StepWork(NamedTuple):
    """What one step does on average: operations of matrix products, cosines looked at, numbers of rows moved."""

    pair_operations: float
    search_operations: float
    cosines: float
    numbers: float


class PackingCost(NamedTuple):
    """Seconds of a packing, and bytes at its peak, the points included."""

    seconds: float
    memory_bytes: float


class ShardedStepCost(NamedTuple):
    """One step with the points spread over processes; operations and bytes are those of one process."""

    operations: float
    bytes_received: float
    memory_bytes: float
    seconds_computing: float
    seconds_gathering: float

    @property
    def seconds(self) -> float:
        """The seconds of the step: points are gathered first, then worked on."""
        return self.seconds_computing + self.seconds_gathering


@dataclass(frozen=True)
class PackingMeasurement:
    """A measured packing: its size, the mean seconds of a step, and the peak bytes, points included, if measured.

    `precision` is that of the products of all pairs, such as "float32".
    """

    n: int
    dimension: int
    seconds_per_step: float
    gallery_size: int = 0
    batch_size: int | None = None
    precision: str = "float32"
    memory_bytes: float | None = None

    @property
    def work(self) -> StepWork:
        """What one step of it does."""
        return step_work(self.n, self.dimension, self.gallery_size, self.batch_size)


@dataclass(frozen=True)
class PackingRates:
    """How fast a machine packs at one precision of the products of all pairs.

    `operations_per_second` of those products, `search_operations_per_second` of those of the gallery search (always
    float32), seconds for each cosine weighed and for each number of the rows moved, and seconds of a step however
    small. Memory is `working_bytes` and `copies` times that of the points.
    """

    operations_per_second: float
    search_operations_per_second: float
    seconds_per_cosine: float
    seconds_per_number: float
    seconds_per_step: float
    working_bytes: float
    copies: float

    def times(self, factor: float) -> PackingRates:
        """Return the rates of a machine `factor` times as fast; raises ValueError for a factor that is not positive."""
        if not factor > 0:
            raise ValueError(f"a machine must be faster by a positive factor, found {factor}.")
        return replace(
            self,
            operations_per_second=self.operations_per_second * factor,
            search_operations_per_second=self.search_operations_per_second * factor,
            seconds_per_cosine=self.seconds_per_cosine / factor,
            seconds_per_number=self.seconds_per_number / factor,
            seconds_per_step=self.seconds_per_step / factor,
        )

    def step_seconds(self, work: StepWork) -> float:
        """Return the seconds of a step that does `work`."""
        return (
            work.pair_operations / self.operations_per_second
            + work.search_operations / self.search_operations_per_second
            + work.cosines * self.seconds_per_cosine
            + work.numbers * self.seconds_per_number
            + self.seconds_per_step
        )


def fit_rates(measurements: Sequence[PackingMeasurement]) -> dict[str, PackingRates]:
    """Return the rates by precision that explain `measurements` with the least squared relative error, none negative.

    Precisions differ in the rate of the products of all pairs alone. Raises ValueError for fewer measurements than
    there are unknowns, or fewer than 2 of memory.
    """
    precisions = sorted({one.precision for one in measurements})
    unknowns = len(precisions) + 4
    if len(measurements) < unknowns:
        raise ValueError(f"rates need at least {unknowns} measurements, found {len(measurements)}.")
    weighed = [one for one in measurements if one.memory_bytes is not None]
    if len(weighed) < 2:
        raise ValueError(f"rates need at least 2 measurements of memory, found {len(weighed)}.")
    columns = np.zeros((len(measurements), unknowns))
    for row, one in zip(columns, measurements, strict=True):
        pairs, *others = one.work
        row[precisions.index(one.precision)] = pairs
        row[len(precisions) :] = [*others, 1.0]
    seconds = _relative_fit(columns, [one.seconds_per_step for one in measurements])
    search, cosine, number, step = seconds[len(precisions) :]
    sizes = np.array([[1.0, _BYTES * one.n * one.dimension] for one in weighed])
    working, copies = _relative_fit(sizes, [float(one.memory_bytes or 0) for one in weighed])
    return {
        precision: PackingRates(_rate(pair), _rate(search or pair), cosine, number, step, working, copies)
        for precision, pair in zip(precisions, seconds, strict=False)
    }


def _rate(seconds: float) -> float:
    return 1 / seconds if seconds > 0 else math.inf


def _relative_fit(columns: np.ndarray, values: Sequence[float]) -> list[float]:
    """Return x >= 0 that minimises sum ((columns x - values) / values)^2."""
    relative = columns / np.array(values)[:, None]
    sizes = np.linalg.norm(relative, axis=0)
    sizes[sizes == 0] = 1.0
    found, _ = nnls(relative / sizes, np.ones(len(values)))
    return (found / sizes).tolist()


def step_work(n: int, dimension: int, gallery_size: int = 0, batch_size: int | None = None) -> StepWork:
    """Count what one step does on average; a multiplication with its addition is two operations.

    All pairs, each once: the cosines C = X_I X_J^T of a pair of row blocks, then W X_J and W^T X_I, three products for
    the n^2 / 2 pairs: 3 n^2 d operations. The search for the nearest of m gallery vectors: 2 n m d, at every step while
    n m is at most two million, else at every tenth. A mini-batch of b does 3 b^2 d, and so that the angle is known all
    cosines, n^2 d, are looked at once in 3 (n / b)^2 steps. Raises ValueError for sizes that are not positive.
    """
    if n < 2 or dimension < 1 or gallery_size < 0:
        raise ValueError(
            f"a packing has n >= 2, dimension >= 1 and a gallery of 0 or more, found {n}, {dimension}, {gallery_size}."
        )
    if batch_size is not None and batch_size < 2:
        raise ValueError(f"batch_size must be at least 2, found {batch_size}.")
    rows = n if batch_size is None else min(batch_size, n)
    searches = 1 if n * gallery_size <= _CHEAP_SEARCH_COSINES else 1 / _STEPS_BETWEEN_SEARCHES
    if rows < n:
        # A batch is made of other rows each time: its nearest gallery vectors are always sought.
        searches = 1
    looks = 0.0 if rows == n else 1 / max(1, _BATCHES_BETWEEN_LOOKS * (n // rows) ** 2)
    return StepWork(
        pair_operations=dimension * (3.0 * rows**2 + looks * n**2),
        search_operations=2.0 * searches * rows * gallery_size * dimension,
        cosines=rows**2 / 2 + looks * n**2 / 2 + searches * rows * gallery_size,
        numbers=float(n * dimension),
    )


def packing_cost(
    n: int,
    dimension: int,
    rates: PackingRates,
    *,
    steps: int = 1000,
    gallery_size: int = 0,
    batch_size: int | None = None,
) -> PackingCost:
    """Return what `steps` steps of packing `n` points cost at `rates`.

    seconds = steps (operations / rate + cosines x s + numbers x s' + s''), operations and cosines those of `step_work`;
    bytes = working bytes + 4 n d copies + 4 m d, m the size of the gallery. `batch_size` is None for full steps.
    Raises ValueError for sizes that are not positive.
    """
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, found {steps}.")
    work = step_work(n, dimension, gallery_size, batch_size)
    memory = rates.working_bytes + _BYTES * dimension * (rates.copies * n + gallery_size)
    return PackingCost(steps * rates.step_seconds(work), memory)


def sharded_step_cost(
    n: int, dimension: int, processes: int, operations_per_second: float, bytes_per_second: float
) -> ShardedStepCost:
    """Return what one step costs with the points spread over `processes`, each computing and receiving at those rates.

    A process works out all cosines of its n / R rows and their weighted sums: 2 n^2 d / R operations each, 4 n^2 d / R
    together. In all that is 4/3 of one process's 3 n^2 d, because a pair whose ends live apart is looked at from both.
    Before that it receives the rows of the others, 4 n d (R - 1) / R bytes; moments and gradients stay where they are.
    Each holds all points twice while they are gathered and once more in half precision, and about seven arrays of its
    own rows.

    n = 1,000,000, d = 512: 2.05e15 operations a step in all. On R = 8 accelerators that each do 1e14 operations a
    second and receive 1e10 bytes a second: 2.56 s of products and .18 s of gathering a step, 45 minutes for 1000 steps,
    6.9 GB in each. The products fall with R and the gathering does not: it takes as long as they do only at
    R = n bytes_per_second / operations_per_second, here 100.

    Raises ValueError for fewer points than processes and for rates that are not positive.
    """
    if not 1 <= processes <= n:
        raise ValueError(f"processes must be between 1 and n = {n}, found {processes}.")
    if not (operations_per_second > 0 and bytes_per_second > 0):
        raise ValueError(f"rates must be positive, found {operations_per_second} and {bytes_per_second}.")
    everyone = _BYTES * n * dimension
    operations = 4.0 * n**2 * dimension / processes
    received = everyone * (processes - 1) / processes
    return ShardedStepCost(
        operations=operations,
        bytes_received=received,
        memory_bytes=2.5 * everyone + 7 * everyone / processes,
        seconds_computing=operations / operations_per_second,
        seconds_gathering=received / bytes_per_second,
    )
