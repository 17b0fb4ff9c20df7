"""Identity leakage: synthetic images that are too similar to people they must not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm


@dataclass(frozen=True, eq=False)
class Leaks:
    """Rows whose nearest other vector is at least as similar as the threshold, most similar first.

    samples, others: row numbers; cosines: of those pairs. nearest_cosines: (n,) of every row checked, for a histogram.
    """

    samples: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    nearest_cosines: npt.NDArray[np.float32]
    threshold: float

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def share(self) -> float:
        """The share of the rows checked that leak."""
        return len(self) / len(self.nearest_cosines) if len(self.nearest_cosines) else 0.0


def find_leaks(
    vectors: npt.ArrayLike,
    other_vectors: npt.ArrayLike,
    threshold: float,
    chunk: int = 4096,
    progress: bool = False,
) -> Leaks:
    """Find the rows of `vectors` whose nearest row of `other_vectors` has a cosine of at least `threshold`.

    vectors: (n, d) unit rows, one a synthetic *image*. other_vectors: (m, d) unit rows, one a real person (the centre)
    or image. Samples against centres finds leaks that centres against centres miss, so do not average the samples
    first. Memory grows with chunk x chunk, never with n x m. Raises ValueError for rows that are not of unit length or
    differ in dimension, and for a threshold outside [-1, 1].
    """
    samples, others = _unit(vectors, "vectors"), _unit(other_vectors, "other_vectors")
    if samples.shape[1] != others.shape[1]:
        raise ValueError(
            f"Both sets of vectors must have one dimension, found {samples.shape[1]} and {others.shape[1]}."
        )
    if not len(others):
        raise ValueError("There are no other vectors to compare with.")
    if not -1.0 <= threshold <= 1.0:
        raise ValueError(f"The threshold is a cosine in [-1, 1], found {threshold}.")
    nearest = np.full(len(samples), -np.inf, dtype=np.float32)
    nearest_other = np.zeros(len(samples), dtype=np.int64)
    for start in tqdm(range(0, len(samples), chunk), desc="leaks", disable=not progress):
        block = samples[start : start + chunk]
        rows = np.arange(start, start + len(block))
        for other_start in range(0, len(others), chunk):
            cosines = block @ others[other_start : other_start + chunk].T
            best = cosines.argmax(axis=1)
            value = cosines[np.arange(len(block)), best]
            better = value > nearest[rows]
            nearest[rows[better]] = value[better]
            nearest_other[rows[better]] = best[better] + other_start
    leaking = np.flatnonzero(nearest >= threshold)
    leaking = leaking[np.argsort(-nearest[leaking], kind="stable")]
    return Leaks(leaking, nearest_other[leaking], nearest[leaking], nearest, threshold)


def _unit(vectors: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"`{name}` must be rows (n, d), found shape {array.shape}.")
    norms = np.linalg.norm(array, axis=1)
    if len(array) and not (np.abs(norms - 1.0) < 1e-3).all():
        raise ValueError(f"`{name}` must be unit rows, found norms from {norms.min():.4g} to {norms.max():.4g}.")
    return array
