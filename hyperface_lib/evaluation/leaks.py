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

    @property
    def angles_degrees(self) -> npt.NDArray[np.float64]:
        """The angles of the leaking pairs, smallest first."""
        return cosines_to_degrees(self.cosines)


@dataclass(frozen=True, eq=False)
class NearestRows:
    """For every row checked the most similar other row: its number and their cosine, both (n,)."""

    others: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.others)

    @property
    def angles_degrees(self) -> npt.NDArray[np.float64]:
        """The angles to the most similar other rows."""
        return cosines_to_degrees(self.cosines)

    def leaks(self, threshold: float) -> Leaks:
        """Give the rows with a cosine of at least `threshold`. Raises ValueError for one outside [-1, 1]."""
        if not -1.0 <= threshold <= 1.0:
            raise ValueError(f"The threshold is a cosine in [-1, 1], found {threshold}.")
        leaking = np.flatnonzero(self.cosines >= threshold)
        leaking = leaking[np.argsort(-self.cosines[leaking], kind="stable")]
        return Leaks(leaking, self.others[leaking], self.cosines[leaking], self.cosines, threshold)


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
    if not -1.0 <= threshold <= 1.0:
        raise ValueError(f"The threshold is a cosine in [-1, 1], found {threshold}.")
    return nearest_rows(vectors, other_vectors, chunk, progress).leaks(threshold)


def nearest_rows(
    vectors: npt.ArrayLike, other_vectors: npt.ArrayLike, chunk: int = 4096, progress: bool = False
) -> NearestRows:
    """Find for every row of `vectors` (n, d) the nearest row of `other_vectors` (m, d), the first of equal ones.

    Cosines are float32 products. Memory grows with chunk x chunk. Raises ValueError for rows that are not of unit
    length or differ in dimension, and for no other vectors.
    """
    samples, others = _unit(vectors, "vectors"), _unit(other_vectors, "other_vectors")
    if samples.shape[1] != others.shape[1]:
        raise ValueError(
            f"Both sets of vectors must have one dimension, found {samples.shape[1]} and {others.shape[1]}."
        )
    if not len(others):
        raise ValueError("There are no other vectors to compare with.")
    nearest = np.full(len(samples), -np.inf, dtype=np.float32)
    nearest_other = np.zeros(len(samples), dtype=np.int64)
    for start in tqdm(range(0, len(samples), chunk), desc="leaks", disable=not progress, delay=1):
        block = samples[start : start + chunk]
        rows = np.arange(start, start + len(block))
        for other_start in range(0, len(others), chunk):
            cosines = block @ others[other_start : other_start + chunk].T
            best = cosines.argmax(axis=1)
            value = cosines[np.arange(len(block)), best]
            better = value > nearest[rows]
            nearest[rows[better]] = value[better]
            nearest_other[rows[better]] = best[better] + other_start
    return NearestRows(nearest_other, nearest)


def cosines_to_degrees(cosines: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn cosines into angles in degrees; values beyond 1 by rounding count as 1."""
    return np.asarray(np.degrees(np.arccos(np.clip(np.asarray(cosines, np.float64), -1.0, 1.0))))


def _unit(vectors: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"`{name}` must be rows (n, d), found shape {array.shape}.")
    norms = np.linalg.norm(array, axis=1)
    if len(array) and not (np.abs(norms - 1.0) < 1e-3).all():
        raise ValueError(f"`{name}` must be unit rows, found norms from {norms.min():.4g} to {norms.max():.4g}.")
    return array
