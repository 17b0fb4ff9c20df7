"""The drawings that open the labs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.build.canvas import BLACK, BLUE, FAINT, GREY, RED, SPHERE, Canvas, Colour, draw_sphere
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


def three_margins(degrees: float = 36.0) -> bytes:
    """Draw a face at an angle from its class centre, and what three margins leave of its cosine.

    SphereFace with factor 1.5, CosFace with cosine 0.35, ArcFace with 0.5 radians: the thick line is f(theta).
    """
    canvas = Canvas(860, 300)
    turned = {"SphereFace": 1.5 * degrees, "CosFace": degrees, "ArcFace": degrees + float(np.degrees(0.5))}
    words = {"SphereFace": "the angle grows m times", "CosFace": "the cosine loses m", "ArcFace": "the angle gains m"}
    for left, (name, angle) in zip((50.0, 335.0, 620.0), turned.items(), strict=True):
        _one_margin(canvas, np.array([left, 258.0]), name, words[name], degrees, angle)
    return canvas.png()


def _one_margin(
    canvas: Canvas, foot: NDArray[np.float64], name: str, words: str, degrees: float, turned: float
) -> None:
    """Draw a quarter circle over a class centre's axis with the face at `degrees`, and where the loss puts it."""
    length = 190.0

    def at(angle: float, reach: float = 1.0) -> NDArray[np.float64]:
        return foot + length * reach * np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])

    def place(angle: float, reach: float = 1.0) -> tuple[float, float]:
        across, down = at(angle, reach)
        return float(across), float(down)

    canvas.text(foot[0] + length / 2, 16, f"{name}: {words}")
    canvas.line(np.array([at(angle) for angle in np.linspace(0, 90, 90)]), GREY, 1.4)
    canvas.line(np.array([foot, at(0, 1.08)]), BLACK, 1.6)
    canvas.text(*place(0, 1.15), "W", 16)
    cosine = float(np.cos(np.radians(degrees)))
    left = float(np.cos(np.radians(turned))) if turned != degrees else cosine - 0.35
    canvas.line(np.array([foot, at(degrees)]), BLUE, 2.4)
    canvas.line(np.array([at(degrees), at(0, cosine)]), FAINT, 1.6)
    if turned != degrees:
        canvas.line(np.array([foot, at(turned)]), RED, 2.4)
        canvas.line(np.array([at(turned), at(0, left)]), _FAINT_RED, 1.6)
        canvas.line(np.array([at(angle, 0.62) for angle in np.linspace(degrees, turned, 30)]), RED, 1.8)
        if name == "SphereFace":
            above, height = place(turned, 1.1)
            canvas.text(above - 7.0, height, "m", 16, RED)
            _theta(canvas, above + 7.0, height, RED)
        else:
            canvas.text(*place((degrees + turned) / 2, 0.53), "m", 16, RED)
        canvas.dot(*place(turned), 5.0, (255, 255, 255), RED)
    else:
        canvas.line(np.array([at(0, left), at(0, cosine)]) + np.array([0.0, -12.0]), RED, 1.8)
        middle, level = place(0, (left + cosine) / 2)
        canvas.text(middle, level - 22.0, "m", 16, RED)
    canvas.line(np.array([foot, at(0, left)]), RED, 6.0)
    middle, below = place(0, left / 2)
    canvas.text(middle, below + 20.0, f"f = {left:.2f}", 15, RED)
    canvas.line(np.array([at(angle, 0.3) for angle in np.linspace(0, degrees, 30)]), BLUE, 1.8)
    _theta(canvas, *place(degrees / 2, 0.38), BLUE)
    canvas.dot(*place(degrees), 5.5, BLUE, BLUE)
    canvas.text(*place(degrees, 1.09), "x", 16, BLUE)


def _theta(canvas: Canvas, x: float, y: float, colour: Colour) -> None:
    """Write the letter, which the canvas's font lacks."""
    turn = np.linspace(0, 2 * np.pi, 40)
    canvas.line(np.stack([x + 3.6 * np.cos(turn), y + 6.5 * np.sin(turn)], axis=1), colour, 1.5)
    canvas.line(np.array([[x - 3.6, y], [x + 3.6, y]]), colour, 1.5)


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
