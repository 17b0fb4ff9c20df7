"""The drawings that open notebooks 02 and 04: `python -m hyperface_lib.build.drawings` attaches them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.atomic import atomic_path
from hyperface_lib.sphere import min_angle_degrees, pack

_FINE = 4  # drawn this many times larger, then shrunk: smooth edges
_SPHERE, _BLACK, _GREY = (223, 230, 237), (40, 40, 40), (150, 150, 150)
_BLUE, _RED = (0, 114, 178), (213, 94, 0)
_WEDGE = (236, 236, 236)


class Canvas:
    """A white picture in units of final pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * _FINE, height * _FINE), "white")
        self.pen = ImageDraw.Draw(self.image)

    def line(self, points: NDArray[np.float64], colour: tuple[int, int, int], width: float) -> None:
        """Draw a line through points (n, 2)."""
        flat = [(float(x), float(y)) for x, y in np.asarray(points) * _FINE]
        self.pen.line(flat, fill=colour, width=round(width * _FINE), joint="curve")

    def dot(self, x: float, y: float, radius: float, fill: tuple[int, int, int], edge: tuple[int, int, int]) -> None:
        """Draw a disc with an edge."""
        box = [(c - radius) * _FINE for c in (x, y)] + [(c + radius) * _FINE for c in (x, y)]
        self.pen.ellipse(box, fill=fill, outline=edge, width=round(1.6 * _FINE))

    def text(self, x: float, y: float, words: str, size: int = 15, colour: tuple[int, int, int] = _BLACK) -> None:
        """Write a word or two, centred on a point."""
        font = ImageFont.load_default(size * _FINE)
        self.pen.text((x * _FINE, y * _FINE), words, fill=colour, font=font, anchor="mm")

    def png(self) -> bytes:
        """Return the picture as PNG of few colours, small enough for a notebook."""
        small = self.image.resize(self.size, Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.quantize(64).save(out, "PNG", optimize=True)
        return out.getvalue()


def tammes(seed: int = 3) -> bytes:
    """Draw forty random points on a sphere beside forty packed ones, each with the pairs that are its closest."""
    normal = np.random.default_rng(seed).standard_normal((40, 3))
    packed = np.asarray(pack(40, 3, seed=seed, use_known_codes=False, max_steps=1500).points, np.float64)
    canvas = Canvas(860, 450)
    for middle, points, words in (
        (225.0, normal / np.linalg.norm(normal, axis=1, keepdims=True), "at random"),
        (635.0, packed, "packed"),
    ):
        angle = float(min_angle_degrees(points.astype(np.float32)))
        canvas.text(middle, 18, f"{words}: smallest angle {angle:.1f}°")
        _sphere(canvas, points, middle, 240.0, 195.0, 1.06 * angle)
    return canvas.png()


def _sphere(
    canvas: Canvas, points: NDArray[np.float64], x: float, y: float, radius: float, reach_degrees: float
) -> None:
    """Draw points on a sphere seen from far away, those behind it faint, and lines between pairs within reach."""
    canvas.dot(x, y, radius, _SPHERE, _SPHERE)
    place = points[:, :2] * [radius, -radius] + [x, y]
    for index in np.flatnonzero(points[:, 2] < 0):
        canvas.dot(place[index, 0], place[index, 1], 3.5, (196, 212, 224), (196, 212, 224))
    cosines = np.clip(points @ points.T, -1, 1)
    near = np.argwhere(np.triu(np.degrees(np.arccos(cosines)) <= reach_degrees, 1))
    for a, b in near:
        along = np.linspace(0, 1, 24)[:, None]
        arc = points[a] * (1 - along) + points[b] * along
        arc /= np.linalg.norm(arc, axis=1, keepdims=True)
        arc = arc[arc[:, 2] >= 0]
        if len(arc) > 1:
            canvas.line(arc[:, :2] * [radius, -radius] + [x, y], _RED, 1.8)
    for index in np.flatnonzero(points[:, 2] >= 0):
        canvas.dot(place[index, 0], place[index, 1], 5, _BLUE, _BLUE)


def margin(seed: int = 1) -> bytes:
    """Draw the features of two people on a circle: divided by a line, and divided with an angle m to spare."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(860, 300)
    centres = (132.0, 48.0)
    for middle, spread, wedge, words in (
        (215.0, 18.0, 0.0, "softmax: on the right side of the line"),
        (645.0, 6.5, 14.0, "ArcFace: and an angle m to spare"),
    ):
        canvas.text(middle, 20, words)
        foot, radius = np.array([middle, 270.0]), 190.0

        def at(
            degrees: float, length: float, foot: NDArray[np.float64] = foot, radius: float = radius
        ) -> NDArray[np.float64]:
            turn = np.radians(degrees)
            return foot + radius * length * np.array([np.cos(turn), -np.sin(turn)])

        if wedge:
            corners = [foot, *(at(90 + d, 1.0) for d in np.linspace(-wedge, wedge, 30))]
            canvas.pen.polygon([(float(px) * _FINE, float(py) * _FINE) for px, py in corners], fill=_WEDGE)
            canvas.text(middle, 165, "m", 17)
        canvas.line(np.array([at(d, 1.0) for d in np.linspace(0, 180, 120)]), _BLACK, 1.6)
        for start in np.arange(0, 1, 0.1):
            canvas.line(np.array([at(90, start), at(90, start + 0.05)]), _GREY, 1.6)
        for sign, centre, colour, name in ((1, centres[0], _BLUE, "W1"), (-1, centres[1], _RED, "W2")):
            canvas.line(np.array([foot, at(centre, 1.0)]), colour, 3)
            name_x, name_y = at(centre, 1.13)
            canvas.text(name_x, name_y, name, 16, colour)
            low = 90 + wedge + 1 if sign > 0 else 91.0
            offsets = rng.normal(0, spread, 18)
            if not wedge:
                offsets[0] = -(centre - 90) * sign + 3  # one who has only just crossed the line
            for offset in offsets:
                away = max(centre + offset if sign > 0 else 180 - centre + offset, low)
                turned = away if sign > 0 else 180 - away
                dot_x, dot_y = at(float(np.clip(turned, 2, 178)), 1.0)
                canvas.dot(dot_x, dot_y, 4.2, (255, 255, 255), colour)
    return canvas.png()


def attach(file: Path, name: str, picture: bytes) -> None:
    """Put a picture into the first cell of a notebook, in place of the one of that name."""
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].attachments = {name: {"image/png": base64.b64encode(picture).decode()}}
    with atomic_path(file) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main() -> None:
    """Draw what opens the notebooks that are there."""
    for notebook, name, draw in (("02_packing", "tammes.png", tammes), ("04_training", "arcface.png", margin)):
        file = notebooks_folder() / f"{notebook}.ipynb"
        if file.is_file():
            attach(file, name, draw())


if __name__ == "__main__":
    main()
