"""The drawings that open the labs on packing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.build.canvas import BLUE, FAINT, GREY, RED, SPHERE, Canvas, Colour, draw_sphere
from hyperface_lib.sphere import min_angle_degrees, orthoplex, pack, random_points, simplex

_FAINT_RED = (242, 196, 164)
_RADIUS = 128.0


def three_regimes(seed: int = 3) -> bytes:
    """Draw the best four, six and twenty-four points of the sphere, each with the pairs that are its closest."""
    turn = np.linalg.qr(random_points(3, 3, seed).numpy().astype(np.float64))[0]
    canvas = Canvas(860, 316)
    for middle, points, words in (
        (150.0, simplex(4), "simplex: 4 points"),
        (430.0, orthoplex(3), "orthoplex: 6 points"),
        (710.0, pack(24, 3, seed=seed, use_known_codes=False).points, "beyond: 24 points"),
    ):
        turned = np.asarray(points, np.float64) @ turn
        angle = float(min_angle_degrees(turned))
        canvas.text(middle, 18, f"{words}, {angle:.1f}°")
        draw_sphere(canvas, turned, middle, 180.0, _RADIUS, 1.002 * angle)
    return canvas.png()


def five_points() -> bytes:
    """Draw three best sets of five points: the poles, and three points anyhow on the equator, 90 degrees apart."""
    canvas = Canvas(860, 316)
    for middle, turns, words in (
        (150.0, (90, 210, 330), "evenly"),
        (430.0, (90, 187, 305), "less so"),
        (710.0, (180, 270, 360), "all in one half"),
    ):
        canvas.text(middle, 18, words)
        angles = np.radians(turns)
        equator = np.stack([np.cos(angles), np.zeros(3), np.sin(angles)], axis=1)
        _globe(canvas, np.concatenate([[[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], equator]), middle, 180.0)
    return canvas.png()


def _globe(canvas: Canvas, points: NDArray[np.float64], x: float, y: float) -> None:
    """Draw points on a sphere seen from a little above its equator, with arcs between the pairs 90 degrees apart."""
    tilt = np.radians(18)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    canvas.dot(x, y, _RADIUS, SPHERE, SPHERE)
    around = np.linspace(0, 2 * np.pi, 121)
    _trace(canvas, np.stack([np.cos(around), 0 * around, np.sin(around)], axis=1) @ turn.T, x, y, GREY, FAINT)
    for a, b in np.argwhere(np.triu(np.abs(points @ points.T) < 1e-9, 1)):
        along = np.linspace(0, np.pi / 2, 41)[:, None]
        _trace(canvas, (points[a] * np.cos(along) + points[b] * np.sin(along)) @ turn.T, x, y, RED, _FAINT_RED)
    seen = points @ turn.T
    for across, up, depth in seen[np.argsort(seen[:, 2])]:
        colour = BLUE if depth > -1e-9 else FAINT
        canvas.dot(x + _RADIUS * across, y - _RADIUS * up, 5.5, colour, colour)


def _trace(
    canvas: Canvas,
    curve: NDArray[np.float64],
    x: float,
    y: float,
    front: Colour,
    behind: Colour,
) -> None:
    """Draw a curve (n, 3) on the sphere, fainter where it runs behind it."""
    for start, end in pairwise(curve):
        piece = np.stack([start, end])
        colour = front if piece[:, 2].mean() > 0 else behind
        canvas.line(piece[:, :2] * [_RADIUS, -_RADIUS] + [x, y], colour, 1.8)
