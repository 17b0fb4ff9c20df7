"""Leaks to look at: synthetic images beside the real people they resemble, and how many there are at any threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from hyperface_lib.evaluation import Leaks, NearestRows
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


def leak_curves(
    nearest: Mapping[str, NearestRows], *, marks_degrees: Mapping[str, float] | None = None, title: str = ""
) -> go.Figure:
    """Draw the share that leaks against the threshold, a line a comparison, with thresholds as dashed levels.

    nearest: name -> what is nearest to every synthetic image or centre, as `LeakTable.nearest`. marks_degrees: name ->
    threshold. The scale is logarithmic. Raises ValueError for no comparison or one of nothing.
    """
    if not nearest or not all(len(found) for found in nearest.values()):
        raise ValueError("A figure of leaks needs a comparison of at least one image, found none.")
    figure = new_figure(title, "threshold (degrees)", "leaking (%)", height=460)
    for number, (name, found) in enumerate(nearest.items()):
        angles = np.sort(found.angles_degrees)
        # evenly spaced on the logarithmic axis
        ranks = np.unique(np.geomspace(1, len(angles), _POINTS).round().astype(np.int64))
        trace = go.Scatter(
            x=rounded(angles[ranks - 1], 2),
            y=rounded(100 * ranks / len(angles), 6),
            mode="lines",
            name=name,
            line={"color": color_of(number), "width": 2.5, "shape": "hv"},
        )
        figure.add_trace(trace)
    for name, angle in (marks_degrees or {}).items():
        figure.add_vline(
            x=round(angle, 2), line={"color": BLACK, "dash": "dash", "width": 1.5}, annotation={"text": name}
        )
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_layout(legend={"x": 0.02, "y": 0.98})
    return figure


def tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a picture of any size to 112 pixels, so that it fits beside others."""
    picture = np.asarray(image)
    if picture.shape[:2] == (_TILE, _TILE):
        return picture
    return np.asarray(Image.fromarray(picture).resize((_TILE, _TILE), Image.Resampling.BICUBIC))
