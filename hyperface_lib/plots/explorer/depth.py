"""What the reader's camera sees of the sphere, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def in_front(places: np.ndarray, eye: Sequence[float], reach: float) -> np.ndarray:
    """Return which points (n, 3) of the unit sphere stand on its visible side, (n,); a row of NaN does not.

    `eye`: where plotly's camera stands, in units of the box drawn, whose half side is `reach` in units of `places`.
    """
    # The box is one unit wide. A point x of a sphere of radius r around its centre is seen from e where x . e > r^2.
    return np.asarray(places, dtype=np.float64) @ np.asarray(eye, dtype=np.float64) > 0.5 / reach


def split_points(places: np.ndarray, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 3) twice: what is in `front` (n,), and the rest; NaN stands for a point that is in the other."""
    return np.where(front[:, None], places, np.nan), np.where(front[:, None], np.nan, places)


def split_line(line: np.ndarray, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a broken line (k, 3) twice, as `split_points` does; a chord across the horizon goes to the front."""
    reached = front.copy()
    reached[1:] |= front[:-1]
    reached[:-1] |= front[1:]
    return np.where(reached[:, None], line, np.nan), np.where(front[:, None], np.nan, line)
