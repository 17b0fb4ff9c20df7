"""Small helpers of the constructions: unit rows, and codes derived from codes by fixing inner products."""

from __future__ import annotations

import numpy as np


def unit(rows: np.ndarray) -> np.ndarray:
    """Return `rows` (n, d) as float64 rows of length 1."""
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def across(rows: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Return unit rows of the parts of `rows` (n, d) orthogonal to the k rows of `fixed`, in d - k coordinates.

    Raises ValueError when the rows of `fixed` depend on one another.
    """
    fixed = np.atleast_2d(np.asarray(fixed, dtype=np.float64))
    if np.linalg.matrix_rank(fixed) < len(fixed):
        raise ValueError(f"the fixed vectors must be independent, found rank below {len(fixed)}.")
    basis = np.linalg.qr(fixed.T, mode="complete").Q[:, len(fixed) :]
    return unit(rows @ basis)


def derived(points: np.ndarray, cosine: float) -> np.ndarray:
    """Return the derived code: the points at `cosine` from the first one, seen from it, in one dimension less.

    Two of them at cosine c are then at (c - cosine^2) / (1 - cosine^2). Delsarte, Goethals and Seidel 1977, section 8.
    """
    chosen = points[np.abs(points @ points[0] - cosine) < 1e-9]
    return across(chosen, points[0])
