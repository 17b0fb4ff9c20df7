"""Strongly regular graphs without triangles: the eigenspace of the smallest eigenvalue is an optimal code.

Neighbours are at cosine s / k and all others at -(1 + s) / (n - k - 1), for n vertices of valency k and the smallest
eigenvalue s (Delsarte, Goethals and Seidel 1977). All that are known are optimal: Cohn, de Laat and Leijenhorst,
"Optimality of spherical codes via exact semidefinite programming bounds", 2024.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np

from hyperface_lib.sphere.codes.lattices import golay_words
from hyperface_lib.sphere.codes.rows import unit


def spectral_embedding(adjacency: np.ndarray) -> np.ndarray:
    """Return the vertices projected on the eigenspace of the smallest eigenvalue, unit rows (n, multiplicity)."""
    values, vectors = np.linalg.eigh(np.asarray(adjacency, dtype=np.float64))
    return unit(vectors[:, values < values[0] + 1e-6])


def petersen() -> np.ndarray:
    """Return the 10 points in 4 dimensions with cosine 1/6: pairs of five things, disjoint ones adjacent."""
    pairs = list(combinations(range(5), 2))
    return spectral_embedding(np.array([[not set(a) & set(b) for b in pairs] for a in pairs]))


def clebsch() -> np.ndarray:
    """Return the 16 points in 5 dimensions with cosine 1/5: the half of the 5-cube."""
    rows = np.array([signs for signs in product((1.0, -1.0), repeat=5) if np.prod(signs) > 0])
    return unit(rows)


def hoffman_singleton() -> np.ndarray:
    """Return the 50 points in 21 dimensions with cosine 1/21.

    Robertson's pentagons and pentagrams: vertex j of pentagon h meets vertex h i + j of pentagram i, modulo 5.
    """
    adjacency = np.zeros((2, 5, 5, 2, 5, 5))
    for h, j in product(range(5), repeat=2):
        for step, kind in ((1, 0), (2, 1)):
            for turn in (step, -step):
                adjacency[kind, h, j, kind, h, (j + turn) % 5] = 1
        for i in range(5):
            k = (h * i + j) % 5
            adjacency[0, h, j, 1, i, k] = adjacency[1, i, k, 0, h, j] = 1
    return spectral_embedding(adjacency.reshape(50, 50))


def _hexads() -> np.ndarray:
    """Return the 77 blocks of the Steiner system S(3, 6, 22), (77, 22): octads through two points, without them."""
    words = golay_words().astype(np.int64)
    return words[(words.sum(axis=1) == 8) & (words[:, 22] == 1) & (words[:, 23] == 1)][:, :22]


def gewirtz() -> np.ndarray:
    """Return the 56 points in 20 dimensions with cosine 1/15: hexads that miss a point, disjoint ones adjacent."""
    blocks = _hexads()
    blocks = blocks[blocks[:, 0] == 0]
    return spectral_embedding(blocks @ blocks.T == 0)


def hexads() -> np.ndarray:
    """Return the 77 points in 21 dimensions with cosine 1/12: the hexads, disjoint ones adjacent (Mesner)."""
    blocks = _hexads()
    return spectral_embedding(blocks @ blocks.T == 0)


def higman_sims() -> np.ndarray:
    """Return the 100 points in 22 dimensions with cosine 1/11: a point, 22 points and the 77 hexads on them."""
    blocks = _hexads()
    adjacency = np.zeros((100, 100))
    adjacency[0, 1:23] = 1
    adjacency[1:23, 23:] = blocks.T
    adjacency += adjacency.T
    adjacency[23:, 23:] = blocks @ blocks.T == 0
    return spectral_embedding(adjacency)
