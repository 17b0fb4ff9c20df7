"""A UMAP layout that follows moving points: each refinement starts from the layout before.

UMAP's three parts (McInnes, Healy and Melville 2018, section 3): the nearest neighbours, here exact; the fuzzy graph on
them; a few epochs of its stochastic layout. The first two are written here in numpy: umap's own use numba's thread
pool, which may not be entered from two threads at once, and refinements run beside the kernel's. The third is umap's,
and imported when first used, because that takes as long as everything else together.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse

from hyperface_lib.sphere import nearest_neighbours

_EPOCHS = 10
_MIN_DISTANCE = 0.3
_BISECTIONS = 40
# Learning rates: the first refinement's, what each next one makes of it, and what it never goes below.
_FIRST_RATE, _RATE_DECAY, _LEAST_RATE = 0.5, 0.93, 0.05
# umap's floor on bandwidths, as a share of the mean distance.
_LEAST_BANDWIDTH = 1e-3


def fuzzy_graph(vectors: np.ndarray, neighbours: int = 15) -> scipy.sparse.coo_array:
    """Return UMAP's symmetric graph of memberships (n, n) between unit rows (n, d), under the distance 1 - cos.

    `neighbours` counts the point itself, as umap does. Source: McInnes, Healy and Melville 2018, algorithms 2 and 3.
    """
    count = min(neighbours, len(vectors))
    found = nearest_neighbours(vectors, count - 1)
    distances = np.maximum(0.0, 1.0 - np.asarray(found.cosines, dtype=np.float64))
    rows = np.repeat(np.arange(len(vectors)), count - 1)
    weights = _memberships(distances, math.log2(count)).ravel()
    shape = (len(vectors), len(vectors))
    directed = scipy.sparse.csr_array((weights, (rows, np.asarray(found.indices).ravel())), shape=shape)
    both = directed.multiply(directed.T)
    return scipy.sparse.coo_array(directed + directed.T - both)


def _memberships(distances: np.ndarray, target: float) -> np.ndarray:
    """Return exp(-(d - rho) / sigma), sigma such that every row sums to `target`."""
    nearest = np.where(distances > 0, distances, np.inf).min(axis=1, keepdims=True)
    excess = np.maximum(0.0, distances - np.where(np.isfinite(nearest), nearest, 0.0))
    scale = np.maximum(distances.sum(axis=1, keepdims=True) / (distances.shape[1] + 1), 1e-12)
    low, high = np.log(_LEAST_BANDWIDTH * scale), np.log(1e3 * scale)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = np.exp(-excess / np.exp(middle)).sum(axis=1, keepdims=True) > target
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return np.exp(-excess / np.exp((low + high) / 2))


class LiveLayout:
    """A layout (n, components) of moving unit rows, refined a little at a time."""

    def __init__(self, start: np.ndarray, seed: int = 0, neighbours: int = 15) -> None:
        reach = float(np.abs(start).max(initial=1e-6))
        self.places: np.ndarray = (10.0 / reach * start).astype(np.float32)
        self._generator = np.random.default_rng(seed)
        self._neighbours = neighbours
        self._rate = _FIRST_RATE
        # Whether umap is imported and compiled, which the first refinement does.
        self.is_warm = False

    def refine(self, vectors: np.ndarray) -> np.ndarray:
        """Return the layout after a few more epochs for `vectors`, unit rows (n, d); it is kept in `places`."""
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import find_ab_params

        graph = fuzzy_graph(vectors, self._neighbours)
        longest = graph.data.max()
        kept = graph.data >= longest / _EPOCHS
        a, b = find_ab_params(1.0, _MIN_DISTANCE)
        places = np.ascontiguousarray(self.places, dtype=np.float32).copy()
        optimize_layout_euclidean(
            places,
            places,
            graph.row[kept].astype(np.int32),
            graph.col[kept].astype(np.int32),
            _EPOCHS,
            len(places),
            (longest / graph.data[kept]).astype(np.float64),
            a,
            b,
            self._generator.integers(-(2**31) + 1, 2**31 - 1, 3).astype(np.int64),
            initial_alpha=self._rate,
            parallel=False,
            move_other=True,
        )
        # Nothing holds the layout in place: it would drift out of the picture.
        self.places = places - places.mean(axis=0)
        self._rate = max(_LEAST_RATE, _RATE_DECAY * self._rate)
        self.is_warm = True
        return self.places
