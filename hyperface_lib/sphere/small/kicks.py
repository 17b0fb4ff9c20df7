"""Kicks: changes of a packing that leave most of it in place, from which another descent may find a better one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hyperface_lib.sphere.small.contacts import largest_cosine_of, unit_rows

Kick = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _spacing(points: np.ndarray) -> float:
    """Return the smallest distance |x - y| divided by sqrt(d): noise of that size moves a point by about the former."""
    return float(np.sqrt(2 * (1 - largest_cosine_of(points)) / points.shape[1]))


def shake(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Move every point by 0.1 to 0.6 of the smallest distance."""
    size = generator.uniform(0.1, 0.6) * _spacing(points)
    return unit_rows(points + size * generator.standard_normal(points.shape))


def relocate(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Put up to a tenth of the points, and at least one, somewhere else."""
    moved = points.copy()
    chosen = generator.choice(len(points), generator.integers(1, max(2, len(points) // 10 + 1)), replace=False)
    moved[chosen] = generator.standard_normal((len(chosen), points.shape[1]))
    return unit_rows(moved)


def stir(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Move one point and its neighbours, up to a third of all, by 0.3 to 1 of the smallest distance."""
    nearness = points @ points[generator.integers(len(points))]
    chosen = np.argsort(-nearness, kind="stable")[: generator.integers(2, max(3, len(points) // 3 + 1))]
    moved = points.copy()
    size = generator.uniform(0.3, 1.0) * _spacing(points)
    moved[chosen] += size * generator.standard_normal((len(chosen), points.shape[1]))
    return unit_rows(moved)


def twist(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Turn a cap of about half the sphere around its axis (Cayley transform of a random generator of rotations)."""
    dimension = points.shape[1]
    axis = unit_rows(generator.standard_normal((1, dimension)))[0]
    inside = points @ axis > generator.uniform(-0.3, 0.3)
    noise = generator.uniform(0.05, 0.3) * generator.standard_normal((dimension, dimension))
    across = np.eye(dimension) - np.outer(axis, axis)
    skew = across @ (noise - noise.T) @ across
    rotation = np.linalg.solve(np.eye(dimension) + skew / 2, np.eye(dimension) - skew / 2)
    moved = points.copy()
    moved[inside] = points[inside] @ rotation
    return unit_rows(moved)


KICKS: tuple[Kick, ...] = (shake, relocate, stir, twist)
