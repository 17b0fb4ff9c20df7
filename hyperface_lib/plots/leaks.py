"""Leaks to look at: synthetic images beside the real people they resemble, and how many there are at any threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from hyperface_lib.evaluation import Leaks, LeakTable
from hyperface_lib.evaluation.leaks import cosines_to_degrees
from hyperface_lib.plots.pictures import picture_pairs
from hyperface_lib.plots.theme import BLACK, color_of, new_figure, rounded

_POINTS = 400
_TILE = 112  # pixels


class Pictures(Protocol):
    """Images by number: an array (n, H, W, 3), or anything that reads one when asked."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]: ...


def leak_pairs(
    images: Pictures,
    real_images: Pictures,
    leaks: Leaks,
    *,
    names: Sequence[str] | None = None,
    real_names: Sequence[str] | None = None,
    count: int = 12,
    columns: int = 4,
    title: str = "",
) -> go.Figure:
    """Show the most similar pairs, the synthetic image at the left and the real one at the right, with their angle.

    images, real_images: uint8 (h, w, 3) by the row numbers of the leaks, of any sizes. names, real_names: whom they
    show, by the same numbers, written beside the angle. Raises ValueError where nothing leaks.
    """
    shown = min(count, len(leaks))
    if not shown:
        raise ValueError("A figure of leaks needs at least one, found none.")
    first, second, captions = [], [], []
    angles = leaks.angles_degrees
    for place in range(shown):
        own, other = int(leaks.samples[place]), int(leaks.others[place])
        first.append(tile(images[own]))
        second.append(tile(real_images[other]))
        who = [part[number] for part, number in ((names, own), (real_names, other)) if part is not None]
        captions.append(" ".join([f"{angles[place]:.1f}°", *who]))
    title = title or f"{len(leaks)} of {len(leaks.nearest_cosines)} leak; the {shown} most similar"
    return picture_pairs(first, second, captions, columns=columns, title=title)


def leak_curves(table: LeakTable, *, title: str = "") -> go.Figure:
    """Draw the share that leaks against the threshold, a line a comparison, with the table's thresholds as levels.

    Dotted in the same colour: real people who are as similar to another real person. The scale is logarithmic.
    """
    figure = new_figure(title, "threshold (degrees)", "at least as similar (%)", height=480)
    for number, (name, found) in enumerate(table.nearest.items()):
        color = color_of(number)
        figure.add_trace(_cumulative(found.angles_degrees, name.replace("-", " to "), color))
        strangers = table.real_cosines[name]
        if np.isfinite(strangers).any():
            angles = cosines_to_degrees(strangers)
            figure.add_trace(_cumulative(angles, f"real {name.split('-')[0]} among themselves", color, "dot"))
    for angle in sorted({round(row.threshold_degrees, 2) for row in table.rows}):
        line = {"color": BLACK, "dash": "dash", "width": 1.5}
        figure.add_vline(x=angle, line=line, annotation={"text": f"{angle:.1f}°"})
    figure.update_yaxes(type="log", dtick=1, range=[None, 2.1])
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0.0})
    return figure


def _cumulative(angles_degrees: NDArray[np.float64], name: str, color: str, dash: str = "solid") -> go.Scatter:
    angles = np.sort(angles_degrees)
    # evenly spaced on the logarithmic axis
    ranks = np.unique(np.geomspace(1, len(angles), _POINTS).round().astype(np.int64))
    return go.Scatter(
        x=rounded(angles[ranks - 1], 2),
        y=rounded(100 * ranks / len(angles), 6),
        mode="lines",
        name=name,
        line={"color": color, "width": 2.5, "shape": "hv", "dash": dash},
    )


def tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a picture of any size to 112 pixels, so that it fits beside others."""
    picture = np.asarray(image)
    if picture.shape[:2] == (_TILE, _TILE):
        return picture
    return np.asarray(Image.fromarray(picture).resize((_TILE, _TILE), Image.Resampling.BICUBIC))
