"""The drawings of the notebooks: `python -m hyperface_lib.build.drawings` makes and attaches them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.build.canvas import BLACK, BLUE, FINE, GREY, RED, Canvas, attach, draw_sphere
from hyperface_lib.build.lab_drawings import five_points, three_margins, three_regimes
from hyperface_lib.build.manifold_drawing import manifold
from hyperface_lib.build.race_drawing import race
from hyperface_lib.build.walk_drawing import walk
from hyperface_lib.sphere import min_angle_degrees, pack

_WEDGE = (236, 236, 236)


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
        draw_sphere(canvas, points, middle, 240.0, 195.0, 1.06 * angle)
    return canvas.png()


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
            canvas.pen.polygon([(float(px) * FINE, float(py) * FINE) for px, py in corners], fill=_WEDGE)
            canvas.text(middle, 165, "m", 17)
        canvas.line(np.array([at(d, 1.0) for d in np.linspace(0, 180, 120)]), BLACK, 1.6)
        for start in np.arange(0, 1, 0.1):
            canvas.line(np.array([at(90, start), at(90, start + 0.05)]), GREY, 1.6)
        for sign, centre, colour, name in ((1, centres[0], BLUE, "W1"), (-1, centres[1], RED, "W2")):
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


# Which notebook each opens, in notebooks/, and what the notebook calls it.
DRAWINGS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "01_gallery": ("walk.png", walk),
    "02_packing": ("tammes.png", tammes),
    "04_training": ("arcface.png", margin),
    "labs/margin_losses": ("three_margins.png", three_margins),
    "labs/margin_losses_student": ("three_margins.png", three_margins),
    "labs/packing_geometry": ("three_regimes.png", three_regimes),
    "labs/packing_questions": ("five_points.png", five_points),
    "studies/losses": ("race.png", race),
    "studies/manifold": ("belt.png", manifold),
}


def main(folder: Path | None = None) -> None:
    """Draw what opens the notebooks in `folder`, the kit's own by default."""
    for notebook, (name, draw) in DRAWINGS.items():
        file = (folder or notebooks_folder()) / f"{notebook}.ipynb"
        if file.is_file():
            attach(file, name, draw())


if __name__ == "__main__":
    main()
