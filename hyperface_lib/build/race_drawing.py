"""The drawing that opens the study of losses: all but the loss is shared."""

from __future__ import annotations

import numpy as np

from hyperface_lib.build.canvas import BLACK, BLUE, GREY, RED, Canvas, Colour

_LOSSES = ("softmax", "CosFace", "ArcFace", "SV-Arc", "...")


def race() -> bytes:
    """Draw what the trainings share, the same pictures, first weights and benchmarks, and what differs, the loss."""
    canvas = Canvas(860, 262)
    middle = 125.0
    shared: tuple[tuple[float, float, str, str], ...] = (
        (100.0, 150.0, "same pictures,", "same order"),
        (310.0, 150.0, "same network,", "same first weights"),
        (760.0, 150.0, "same benchmarks,", "same pairs"),
    )
    for x, width, first, second in shared:
        _box(canvas, x, middle, width, 64.0, BLUE)
        canvas.text(x, middle - 11, first)
        canvas.text(x, middle + 11, second)
    _arrow(canvas, 177.0, middle, 233.0, middle)
    for index, name in enumerate(_LOSSES):
        y = 33.0 + 46.0 * index
        _box(canvas, 535.0, y, 110.0, 32.0, RED)
        canvas.text(535.0, y, name)
        _arrow(canvas, 387.0, middle, 478.0, y)
        _arrow(canvas, 592.0, y, 683.0, middle)
    canvas.text(535.0, 250.0, "only the loss differs", 13, GREY)
    return canvas.png()


def _box(canvas: Canvas, x: float, y: float, width: float, height: float, colour: Colour) -> None:
    w, h = width / 2, height / 2
    canvas.line(np.array([[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h], [x - w, y - h]]), colour, 2.0)


def _arrow(canvas: Canvas, x0: float, y0: float, x1: float, y1: float) -> None:
    canvas.line(np.array([[x0, y0], [x1, y1]]), BLACK, 1.4)
    along = np.array([x1 - x0, y1 - y0]) / np.hypot(x1 - x0, y1 - y0)
    across = np.array([-along[1], along[0]])
    tip = np.array([x1, y1])
    canvas.line(np.array([tip - 8 * along + 4 * across, tip, tip - 8 * along - 4 * across]), BLACK, 1.4)
