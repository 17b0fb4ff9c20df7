"""What another network makes of an inverted image: the place of the right identity among all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def identity_percentiles(
    vectors: NDArray[np.floating], templates: NDArray[np.floating], own: ArrayLike
) -> NDArray[np.float64]:
    """Return, for unit vectors (n, d), the percentile in 0 .. 100 of the own template among templates (m, d).

    `own` (n,) are the rows of the own templates. 100: no other template is nearer (found at rank 1); 50: chance; an
    equal cosine counts half. Raises ValueError for shapes that do not fit, or fewer than two templates.
    """
    vectors, templates = np.asarray(vectors, np.float64), np.asarray(templates, np.float64)
    rows = np.asarray(own)
    if vectors.ndim != 2 or templates.ndim != 2 or vectors.shape[1] != templates.shape[1]:
        raise ValueError(f"vectors and templates must be (n, d) and (m, d), found {vectors.shape}, {templates.shape}")
    if len(templates) < 2:
        raise ValueError(f"a percentile needs at least two templates, found {len(templates)}")
    if rows.shape != (len(vectors),) or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"own must be ({len(vectors)},) integers, found {rows.dtype} {rows.shape}")
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(templates)):
        raise ValueError(f"own must lie in 0 .. {len(templates) - 1}, found {rows.min()} .. {rows.max()}")
    cosines = vectors @ templates.T
    mine = np.take_along_axis(cosines, rows[:, None], axis=1)
    below, equal = (cosines < mine).sum(axis=1), (cosines == mine).sum(axis=1) - 1
    return 100.0 * (below + 0.5 * equal) / (len(templates) - 1)
