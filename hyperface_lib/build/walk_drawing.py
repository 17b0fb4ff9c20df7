"""The drawing that opens notebook 01: the way through the five notebooks."""

from __future__ import annotations

import numpy as np

from hyperface_lib.build.canvas import BLACK, BLUE, FINE, GREY, RED, SPHERE, Canvas, Colour

_SKIN, _TILE, _WORDS = (232, 180, 138), (230, 230, 230), (70, 70, 70)
_LEVEL = 105.0


def walk() -> bytes:
    """Draw the five steps: pictures, points, new points, faces for them, a recogniser, its test."""
    canvas = Canvas(860, 200)
    for middle, title, words in (
        (85.0, "1 gallery", "pictures become points"),
        (258.0, "2 packing", "new points, far apart"),
        (430.0, "3 synthesis", "faces for the new points"),
        (602.0, "4 training", "a recogniser learns them"),
        (775.0, "5 evaluation", "and is put to the test"),
    ):
        canvas.text(middle, 22, title, 16)
        canvas.text(middle, 182, words, 13, _WORDS)
    for start in (157.0, 327.0, 503.0, 671.0):
        _arrow(canvas, start, 24.0)
    _gallery(canvas, 85.0)
    _packing(canvas, 258.0)
    _synthesis(canvas, 430.0)
    _training(canvas, 602.0)
    _evaluation(canvas, 775.0)
    return canvas.png()


def _gallery(canvas: Canvas, middle: float) -> None:
    for row in range(3):
        _face(canvas, middle - 48, _LEVEL + 34 * (row - 1))
    _arrow(canvas, middle - 27, 11.0)
    canvas.dot(middle + 25, _LEVEL, 38, SPHERE, SPHERE)
    for across, down in ((-8, -14), (6, -18), (16, -8), (-2, -4), (8, 4), (-12, 2), (20, 6)):
        canvas.dot(middle + 21 + across, _LEVEL + down, 3.2, GREY, GREY)


def _packing(canvas: Canvas, middle: float) -> None:
    canvas.dot(middle, _LEVEL, 56, SPHERE, SPHERE)
    for across, down in ((-18, -28), (-8, -34), (2, -24), (-22, -18), (-4, -14)):
        canvas.dot(middle + across, _LEVEL + down, 3.2, GREY, GREY)
    for across, down in ((-34, -12), (4, -42), (34, -20), (-10, 6), (22, 8), (-28, 28), (4, 40), (38, 28)):
        canvas.dot(middle + across, _LEVEL + down, 5, BLUE, BLUE)


def _synthesis(canvas: Canvas, middle: float) -> None:
    for row in range(3):
        height = _LEVEL + 34 * (row - 1)
        canvas.dot(middle - 56, height, 5, BLUE, BLUE)
        for column in range(3):
            _face(canvas, middle - 22 + 34 * column, height)


def _training(canvas: Canvas, middle: float) -> None:
    for number, height in enumerate((84, 64, 46, 30)):
        left, top = middle - 52 + 29 * number, _LEVEL - height / 2
        box = [left * FINE, top * FINE, (left + 19) * FINE, (top + height) * FINE]
        canvas.pen.rectangle(box, fill=SPHERE, outline=BLACK, width=FINE)


def _evaluation(canvas: Canvas, middle: float) -> None:
    left, foot, width, height = middle - 52, _LEVEL + 44, 104.0, 86.0
    canvas.line(np.array([[left, foot - height], [left, foot], [left + width, foot]]), BLACK, 1.2)
    along = np.linspace(0.0, 1.0, 60)
    for power, top, colour in ((6.0, 0.95, BLUE), (2.2, 0.95, RED)):
        rise = top * (1 - np.exp(-power * along))
        canvas.line(np.stack([left + width * along, foot - height * rise], axis=1), colour, 2.6)


def _face(canvas: Canvas, x: float, y: float) -> None:
    """Draw a picture of somebody, 28 pixels wide."""
    box = [(x - 14) * FINE, (y - 14) * FINE, (x + 14) * FINE, (y + 14) * FINE]
    canvas.pen.rounded_rectangle(box, radius=3 * FINE, fill=_TILE)
    canvas.dot(x, y, 10, _SKIN, _SKIN)
    for side in (-3.4, 3.4):
        canvas.dot(x + side, y - 2, 1.2, BLACK, BLACK)
    turns = np.radians(np.linspace(205, 335, 20))
    canvas.line(np.stack([x + 4.5 * np.cos(turns), y + 1 - 4 * np.sin(turns)], axis=1), BLACK, 1.0)


def _arrow(canvas: Canvas, x: float, length: float, colour: Colour = _WORDS) -> None:
    """Draw an arrow to the right from (x, the common level)."""
    tip = min(8.0, length / 2)
    end = x + length
    canvas.line(np.array([[x, _LEVEL], [end - tip, _LEVEL]]), colour, 1.6)
    corners = [(end, _LEVEL), (end - tip, _LEVEL - tip / 2), (end - tip, _LEVEL + tip / 2)]
    canvas.pen.polygon([(a * FINE, b * FINE) for a, b in corners], fill=colour)
