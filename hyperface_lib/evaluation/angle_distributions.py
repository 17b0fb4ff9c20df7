"""Angles of many pairs as counts in fine bins: all that is kept of millions of them, in one traversal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hyperface_lib.sphere.blocks import pair_blocks

Array = npt.NDArray[np.float64]
BINS = 3600
"""Bins of 0.05 degrees from 0 to 180."""
_WIDTH = 180.0 / BINS
_SHARES = np.arange(1, 10) / 10


@dataclass(frozen=True, eq=False)
class AngleDistribution:
    """How angles are distributed: counts (3600,) in bins of 0.05 degrees, their exact mean and standard deviation."""

    counts: npt.NDArray[np.int64]
    mean_degrees: float
    std_degrees: float

    @classmethod
    def of(cls, angles_degrees: npt.ArrayLike) -> AngleDistribution:
        """Count angles of any shape; those that are nan are left out."""
        angles = np.asarray(angles_degrees, dtype=np.float64).ravel()
        tally = AngleTally()
        tally.add(torch.from_numpy(angles[np.isfinite(angles)]))
        return tally.distribution()

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def deciles_degrees(self) -> Array:
        """The nine angles below which 10, 20, ... 90 % lie, within 0.05 degrees; nan without angles."""
        return self.quantiles_degrees(_SHARES)

    def quantiles_degrees(self, shares: npt.ArrayLike) -> Array:
        """Give the angles below which these shares lie, within 0.05 degrees; nan without angles."""
        wanted = np.atleast_1d(np.asarray(shares, dtype=np.float64)) * len(self)
        if not len(self):
            return np.full(len(wanted), np.nan)
        rising = np.cumsum(self.counts)
        bins = np.minimum(np.searchsorted(rising, wanted, side="left"), BINS - 1)
        inside = (wanted - (rising[bins] - self.counts[bins])) / np.maximum(self.counts[bins], 1)
        return np.asarray((bins + np.clip(inside, 0.0, 1.0)) * _WIDTH)

    def share_below(self, threshold_degrees: float) -> float:
        """Give the share of the angles below a threshold, which is rounded down to a bin; nan without angles."""
        whole = math.floor(threshold_degrees / _WIDTH + 1e-6)
        return int(self.counts[:whole].sum()) / len(self) if len(self) else float("nan")

    def coarse_counts(self, bin_degrees: float = 1.0) -> npt.NDArray[np.int64]:
        """Give the counts in wider bins, a whole number of which make 180 degrees."""
        together = round(bin_degrees / _WIDTH)
        if together < 1 or BINS % together:
            raise ValueError(f"Bins must divide 180 degrees into multiples of {_WIDTH:g}, found {bin_degrees}.")
        return np.asarray(self.counts.reshape(-1, together).sum(axis=1))

    def to_record(self) -> dict[str, Any]:
        """Give number, mean, spread, deciles and counts by degree as plain values, nan as None."""
        plain = [None if math.isnan(value) else float(value) for value in self.deciles_degrees]
        return {
            "pairs": len(self),
            "mean_degrees": None if math.isnan(self.mean_degrees) else self.mean_degrees,
            "std_degrees": None if math.isnan(self.std_degrees) else self.std_degrees,
            "deciles_degrees": plain,
            "counts_by_degree": self.coarse_counts().tolist(),
        }


class AngleTally:
    """Counts angles in degrees as they come."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, dtype=np.int64)
        # angles are summed as their difference to 90, so that equal ones have no spread by rounding
        self._sum = self._squares = 0.0

    def add(self, angles_degrees: Tensor) -> None:
        """Take angles of any shape."""
        flat = angles_degrees.reshape(-1)
        if not len(flat):
            return
        # float32 counts would stop at 16 million, a block has fewer
        flat = flat.clamp(max=180.0)
        self._counts += torch.histc(flat, bins=BINS, min=0.0, max=180.0).numpy().astype(np.int64)
        away = flat - 90.0
        self._sum += float(away.sum(dtype=torch.float64))
        self._squares += float(away.square_().sum(dtype=torch.float64))

    def distribution(self) -> AngleDistribution:
        """Return what was counted."""
        count = int(self._counts.sum())
        if not count:
            return AngleDistribution(self._counts, float("nan"), float("nan"))
        mean = self._sum / count
        spread = math.sqrt(max(self._squares / count - mean**2, 0.0))
        return AngleDistribution(self._counts, 90.0 + mean, spread)


@dataclass(frozen=True, eq=False)
class PairAngles:
    """Angles between images of one identity (genuine) and of two (impostor), and the rows of near-identical images.

    duplicates: the rows that have an image before them, by identity, within the angle asked for.
    """

    genuine: AngleDistribution
    impostor: AngleDistribution
    duplicates: npt.NDArray[np.int64]


def pair_angles(
    points: Tensor, identity: npt.NDArray[np.int64], duplicate_degrees: float, progress: bool
) -> PairAngles:
    """Count the angles of all pairs of unit rows (n, d) with identity numbers (n,), each pair once, by blocks."""
    order = np.argsort(identity, kind="stable")
    ordered, who = points[torch.from_numpy(order)], torch.from_numpy(identity[order])
    genuine, impostor = AngleTally(), AngleTally()
    duplicate = torch.zeros(len(points), dtype=torch.bool)
    limit = math.cos(math.radians(duplicate_degrees))
    bar = tqdm(total=len(points), desc="comparing images", unit="image", disable=not progress, delay=1)
    for rows, columns, cosines in pair_blocks(ordered):
        pair = torch.ones_like(cosines, dtype=torch.bool)
        if rows == columns:
            pair = pair.triu(diagonal=1)
            bar.update(rows.stop - rows.start)
        duplicate[columns] |= ((cosines >= limit) & pair).any(dim=0)
        angles = torch.rad2deg(torch.arccos(cosines.clamp_(-1, 1)))
        # in order of identity, most blocks hold pairs of two only
        if who[columns.start] <= who[rows.stop - 1]:
            same = who[rows, None] == who[None, columns]
            genuine.add(angles[same & pair])
            impostor.add(angles[~same & pair])
        else:
            impostor.add(angles)
    bar.close()
    return PairAngles(genuine.distribution(), impostor.distribution(), np.sort(order[duplicate.numpy()]))


def d_prime(genuine: AngleDistribution, impostor: AngleDistribution) -> float:
    """Give the difference of the means over the root mean square of the standard deviations (Daugman, 2000)."""
    spread = math.sqrt((genuine.std_degrees**2 + impostor.std_degrees**2) / 2)
    apart = impostor.mean_degrees - genuine.mean_degrees
    if spread == 0:
        return math.inf if apart > 0 else 0.0
    return apart / spread


def overlap(genuine: AngleDistribution, impostor: AngleDistribution) -> float:
    """Give the area that two histograms by degree have in common: 0 for separate ones, 1 for equal ones."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    shares = [one.coarse_counts() / len(one) for one in (genuine, impostor)]
    return float(np.minimum(*shares).sum())
