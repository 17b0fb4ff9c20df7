"""Symmetric starts: the best codes are often symmetric, and a descent keeps the symmetry it starts with."""

from __future__ import annotations

import math

import numpy as np

# Orders of the rotation that a start is symmetric under; ANTIPODAL stands for x -> -x.
ANTIPODAL = -1
SYMMETRIES = (ANTIPODAL, 3, 2, 6, 4, 5)


def random_isometry(dimension: int, order: int, generator: np.random.Generator) -> np.ndarray:
    """Return a rotation (d, d) of the given order by multiples of 2 pi / order in orthogonal planes, or -1.

    The first plane turns by one multiple, the others by any; an odd dimension's last axis stays or, for an even order,
    may be reflected.
    """
    if order == ANTIPODAL:
        return -np.eye(dimension)
    isometry = np.eye(dimension)
    for plane in range(dimension // 2):
        multiple = 1 if plane == 0 else int(generator.integers(order))
        angle_radians = 2 * math.pi * multiple / order
        cosine, sine = math.cos(angle_radians), math.sin(angle_radians)
        block = slice(2 * plane, 2 * plane + 2)
        isometry[block, block] = [[cosine, -sine], [sine, cosine]]
    if dimension % 2 and order % 2 == 0:
        isometry[-1, -1] = generator.choice([-1.0, 1.0])
    return isometry


def symmetrised(points: np.ndarray, order: int, generator: np.random.Generator) -> np.ndarray:
    """Return as many points as given, unit rows (n, d): orbits of the first ones under a random isometry of `order`.

    What does not fill an orbit stays as it was.
    """
    size = 2 if order == ANTIPODAL else order
    isometry = random_isometry(points.shape[1], order, generator)
    seeds = points[: len(points) // size]
    orbits = [seeds]
    for _ in range(1, size):
        orbits.append(orbits[-1] @ isometry)
    # A seed on the axis of the isometry would coincide with its images.
    moved = np.concatenate([*orbits, points[len(seeds) * size :]])
    moved = moved + 1e-9 * generator.standard_normal(moved.shape)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)
