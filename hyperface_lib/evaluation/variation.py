"""How much the images of one identity vary: in factors of the picture where they are known, and in the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FactorVariation:
    """How a factor varies: within every identity of two or more images, and over the whole set, in its own unit.

    std, value_range: (k,) population standard deviation and largest less smallest value of each such identity.
    within_share: the share of the variance over all their images that lies within identities: 1 where every identity
    shows the same mix, 0 where each image of one is like the next; nan where the factor never varies.
    """

    factor: str
    std: Array
    value_range: Array
    overall_std: float
    within_share: float

    def to_record(self) -> dict[str, Any]:
        """Give means and extremes over the identities as plain values, nan as None."""
        numbers = {
            "mean_std": self.std.mean(),
            "least_std": self.std.min(),
            "mean_range": self.value_range.mean(),
            "least_range": self.value_range.min(),
            "overall_std": self.overall_std,
            "within_share": self.within_share,
        }
        plain = {name: None if np.isnan(value) else float(value) for name, value in numbers.items()}
        return {"factor": self.factor, **plain, "identities": len(self.std)}


def factor_variation(factors: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike) -> tuple[FactorVariation, ...]:
    """Measure the variation of each factor: name -> (n,) values of the images whose identities `labels` (n,) name.

    Identities of one image tell nothing and are left out; no factor is measured where all are. Raises ValueError for
    lengths that differ and for values that are not finite.
    """
    ids = np.asarray(labels)
    _, number, counts = np.unique(ids, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[number] > 1)
    found = []
    for name, given in factors.items():
        values = np.asarray(given, dtype=np.float64)
        if values.shape != ids.shape or not np.isfinite(values).all():
            raise ValueError(f"Factor {name!r} needs a finite value for each of {len(ids)} images.")
        if len(rows):
            found.append(_variation(name, values[rows], number[rows]))
    return tuple(found)


def _variation(name: str, values: Array, number: npt.NDArray[np.int64]) -> FactorVariation:
    _, who, counts = np.unique(number, return_inverse=True, return_counts=True)
    means = np.bincount(who, values) / counts
    variance = np.bincount(who, (values - means[who]) ** 2) / counts
    order = np.argsort(who, kind="stable")
    starts = np.cumsum(counts) - counts
    largest = np.maximum.reduceat(values[order], starts)
    smallest = np.minimum.reduceat(values[order], starts)
    overall = values.var()
    within = float((variance * counts).sum() / counts.sum())
    return FactorVariation(
        factor=name,
        std=np.sqrt(variance),
        value_range=largest - smallest,
        overall_std=float(np.sqrt(overall)),
        within_share=within / float(overall) if overall > 0 else float("nan"),
    )
