"""Numbers that say how evenly points are spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor
from hyperface_lib.sphere.blocks import pair_blocks
from hyperface_lib.sphere.geometry import nearest_of


def uniformity(points: Array, t: float = 2.0) -> float:
    """Return log mean_{i<j} exp(-t |x_i - x_j|^2) of `points` (n, d): lower is more uniform.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity", 2020.
    Raises ValueError for fewer than 2 points or non-unit rows.
    """
    tensor = as_unit_tensor(points)
    n = len(tensor)
    if n < 2:
        raise ValueError(f"uniformity needs at least 2 points, found {n}.")
    # Shifted by the largest possible term's exponent 0, every term is in [exp(-4t), 1]: no overflow for sane t.
    total = 0.0
    for rows, columns, cosines in pair_blocks(tensor):
        terms = torch.exp((cosines - 1).mul_(2 * t))
        total += float(terms.sum(dtype=_wide(tensor))) / (2 if rows == columns else 1)
    return math.log(total / (n * (n - 1) / 2))


def mean_nearest_cosine(points: Tensor, gallery: Tensor) -> float:
    """Return the mean over unit rows of the largest inner product with a row of `gallery`."""
    return float(nearest_of(points, gallery)[1].mean())


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64
