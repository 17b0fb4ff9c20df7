"""The centre of every identity, from any number of images: float64 sums, by blocks of float32 rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BLOCK = 8192
"""Rows that are held in float64 at a time."""


@dataclass(frozen=True, eq=False)
class IdentityCentres:
    """centres: (k, d) float32 unit rows in the order of labels (k,); identity: (n,) every image's row among them."""

    centres: Tensor
    sums: npt.NDArray[np.float64]
    labels: npt.NDArray[Any]
    identity: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def identity_centres(points: Tensor, labels: npt.NDArray[Any]) -> IdentityCentres:
    """Sum the unit rows (n, d) of every one of `labels` (n,), sorted, and bring the sums (k, d) to unit length.

    Raises ValueError naming an identity whose images cancel each other out.
    """
    names, identity, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(names), points.shape[1]))
    for start in range(0, len(points), BLOCK):
        part = slice(start, start + BLOCK)
        np.add.at(sums, identity[part], points[part].double().numpy())
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    lost = np.flatnonzero(lengths[:, 0] < 1e-6)
    if len(lost):
        raise ValueError(f"Identity {names[lost[0]]} has no centre: its images cancel each other out.")
    return IdentityCentres(torch.from_numpy((sums / lengths).astype(np.float32)), sums, names, identity, counts)
