"""How points lie to a gallery: how close, and whether they fall onto the same vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor
from hyperface_lib.sphere.blocks import pair_blocks
from hyperface_lib.sphere.caps import Measured, expected_nearest_cosine
from hyperface_lib.sphere.geometry import nearest_of

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class GalleryStatistics:
    """How points lie to a gallery: how close, and how many of them to the same vector.

    `mean_cosine` is the mean cosine to the nearest gallery vector (Eq. 2 of HyperFace has 1 minus that); its uniform
    value is that of uniform points and a uniform gallery of the same sizes. `sharing` counts points whose nearest
    vector is another point's too; its uniform value takes all vectors for equally likely. `collapsed` counts points
    with another one within `collapse_degrees` on the same vector: the regulariser's failure.
    """

    size: int
    mean_cosine: Measured
    cosine_quantiles: dict[float, float]
    sharing: Measured
    most_on_one: int
    collapsed: int
    collapse_degrees: float


def gallery_statistics(points: Array, gallery: Array, collapse_degrees: float = 10.0) -> GalleryStatistics:
    """Measure how `points` (n, d) lie to `gallery` (m, d), in O(n d + block^2) memory.

    Raises ValueError for non-unit rows, a gallery of another dimension or an angle that is not positive.
    """
    tensor = as_unit_tensor(points)
    others = as_unit_tensor(gallery, "gallery", tensor.shape[1]).to(tensor)
    if not collapse_degrees > 0:
        raise ValueError(f"collapse_degrees must be positive, found {collapse_degrees}.")
    n, m = len(tensor), len(others)
    nearest, products = nearest_of(tensor, others)
    cosines = products.clamp(-1, 1).cpu().double().numpy()
    counts = torch.bincount(nearest, minlength=m)
    collapsed = 0
    for vector in torch.nonzero(counts > 1)[:, 0]:
        collapsed += _count_close(tensor[nearest == vector], collapse_degrees)
    return GalleryStatistics(
        size=m,
        mean_cosine=Measured(float(cosines.mean()), expected_nearest_cosine(m, tensor.shape[1])),
        cosine_quantiles={share: float(np.quantile(cosines, share)) for share in QUANTILES},
        sharing=Measured(int(counts[counts > 1].sum()), n * -math.expm1((n - 1) * math.log1p(-1 / m)) if m > 1 else n),
        most_on_one=int(counts.max()),
        collapsed=collapsed,
        collapse_degrees=collapse_degrees,
    )


def _count_close(points: Tensor, angle_degrees: float) -> int:
    """Return how many of the rows have another one within the angle."""
    close = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    least = math.cos(math.radians(angle_degrees))
    for rows, columns, cosines in pair_blocks(points):
        within = cosines >= least
        close[rows] |= within.any(dim=1)
        close[columns] |= within.any(dim=0)
    return int(close.sum())
