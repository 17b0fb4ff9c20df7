"""What the drawings in the notebooks are made with: a canvas, a sphere, and the way into a notebook."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hyperface_lib.atomic import atomic_path

Colour = tuple[int, int, int]

FINE = 4  # drawn this many times larger, then shrunk: smooth edges
SPHERE, BLACK, GREY = (223, 230, 237), (40, 40, 40), (150, 150, 150)
BLUE, RED = (0, 114, 178), (213, 94, 0)
FAINT = (196, 212, 224)


class Canvas:
    """A white picture in units of final pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * FINE, height * FINE), "white")
        self.pen = ImageDraw.Draw(self.image)

    def line(self, points: NDArray[np.float64], colour: Colour, width: float) -> None:
        """Draw a line through points (n, 2)."""
        flat = [(float(x), float(y)) for x, y in np.asarray(points) * FINE]
        self.pen.line(flat, fill=colour, width=round(width * FINE), joint="curve")

    def dot(self, x: float, y: float, radius: float, fill: Colour, edge: Colour) -> None:
        """Draw a disc with an edge."""
        box = [(c - radius) * FINE for c in (x, y)] + [(c + radius) * FINE for c in (x, y)]
        self.pen.ellipse(box, fill=fill, outline=edge, width=round(1.6 * FINE))

    def text(self, x: float, y: float, words: str, size: int = 15, colour: Colour = BLACK) -> None:
        """Write a word or two, centred on a point."""
        font = ImageFont.load_default(size * FINE)
        self.pen.text((x * FINE, y * FINE), words, fill=colour, font=font, anchor="mm")

    def png(self) -> bytes:
        """Return the picture as PNG of few colours, small enough for a notebook."""
        small = self.image.resize(self.size, Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.quantize(64).save(out, "PNG", optimize=True)
        return out.getvalue()


def draw_sphere(
    canvas: Canvas, points: NDArray[np.float64], x: float, y: float, radius: float, reach_degrees: float
) -> None:
    """Draw points on a sphere seen from far away, those behind it faint, and lines between pairs within reach."""
    canvas.dot(x, y, radius, SPHERE, SPHERE)
    place = points[:, :2] * [radius, -radius] + [x, y]
    for index in np.flatnonzero(points[:, 2] < 0):
        canvas.dot(place[index, 0], place[index, 1], 3.5, FAINT, FAINT)
    cosines = np.clip(points @ points.T, -1, 1)
    near = np.argwhere(np.triu(np.degrees(np.arccos(cosines)) <= reach_degrees, 1))
    for a, b in near:
        along = np.linspace(0, 1, 24)[:, None]
        arc = points[a] * (1 - along) + points[b] * along
        arc /= np.linalg.norm(arc, axis=1, keepdims=True)
        arc = arc[arc[:, 2] >= 0]
        if len(arc) > 1:
            canvas.line(arc[:, :2] * [radius, -radius] + [x, y], RED, 1.8)
    for index in np.flatnonzero(points[:, 2] >= 0):
        canvas.dot(place[index, 0], place[index, 1], 5, BLUE, BLUE)


def attach(file: Path, name: str, picture: bytes) -> None:
    """Put a picture into the first cell of a notebook, in place of the one of that name."""
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].attachments = {name: {"image/png": base64.b64encode(picture).decode()}}
    with atomic_path(file) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
