"""The drawing that opens the study of the manifold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.build.canvas import BLUE, Canvas
from hyperface_lib.sphere import pack

_SPHERE, _FACES, _BEHIND = (235, 239, 243), (165, 172, 178), (212, 218, 224)
_FAINT_BLUE = (150, 190, 215)
_RADIUS = 128.0


def manifold(n: int = 11, seed: int = 4) -> bytes:
    """Draw a sphere whose faces lie along a belt, and n points on it: packed, packed with a pull, packed inside."""
    generator = np.random.default_rng(seed)
    around, above = generator.uniform(0, 2 * np.pi, 150), generator.normal(0, np.radians(6), 150)
    belt = [np.cos(around) * np.cos(above), np.sin(around) * np.cos(above), np.sin(above)]
    faces = np.stack(belt, axis=1).astype(np.float32)
    common: dict[str, Any] = {
        "gallery": faces,
        "seed": seed,
        "max_steps": 800,
        "method": "riemannian-adam",
        "use_known_codes": False,
    }
    canvas = Canvas(860, 310)
    for middle, words, alpha, subspace in (
        (150.0, "far apart", 0.0, None),
        (430.0, "far apart, and pulled to faces", 4.0, None),
        (710.0, "far apart, among faces only", 0.0, 2),
    ):
        canvas.text(middle, 18, words)
        _sphere(canvas, faces, pack(n, alpha=alpha, subspace=subspace, **common).points, middle)
    return canvas.png()


def _sphere(canvas: Canvas, faces: NDArray[np.float32], points: NDArray[np.float32], middle: float) -> None:
    """Draw faces and points seen from above the belt, what is behind the sphere faint."""
    tilt = np.radians(62)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    height = 168.0
    canvas.dot(middle, height, _RADIUS, _SPHERE, _SPHERE)
    for rows, radius, front, behind in ((faces, 2.4, _FACES, _BEHIND), (points, 5.5, BLUE, _FAINT_BLUE)):
        seen = np.asarray(rows, np.float64) @ turn.T
        for x, y, depth in seen[np.argsort(seen[:, 2])]:
            colour = front if depth >= 0 else behind
            canvas.dot(middle + _RADIUS * x, height - _RADIUS * y, radius, colour, colour)
