"""Generated faces beside those they are compared with, and what a judge says of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from hyperface_lib.plots.theme import color_of, new_figure, rounded


def angle_intervals(
    intervals: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    title: str = "",
    x_title: str = "angle (degrees)",
) -> go.Figure:
    """Draw one bar for each group and kind of pair: from a low to a high quantile, a dot at the middle one.

    `intervals`: group (a variant) -> kind ("one identity") -> (low, middle, high) in degrees. Bars of a kind share a
    colour. Raises ValueError for no group or for intervals that do not rise.
    """
    if not intervals:
        raise ValueError("Intervals need at least one group, found none.")
    kinds = list(dict.fromkeys(kind for group in intervals.values() for kind in group))
    figure = new_figure(title, x_title, "", height=130 + 55 * len(intervals))
    for index, kind in enumerate(kinds):
        names = [name for name, group in intervals.items() if kind in group]
        quantiles = [[float(angle) for angle in intervals[name][kind]] for name in names]
        if any(len(three) != 3 or sorted(three) != three for three in quantiles):
            raise ValueError(f"An interval is three rising angles (low, middle, high), found {quantiles} for {kind!r}.")
        # A little apart, so that overlapping bars can be told from each other.
        heights = [list(intervals).index(name) + 0.16 * (index - (len(kinds) - 1) / 2) for name in names]
        figure.add_trace(
            go.Scatter(
                x=rounded([middle for _, middle, _ in quantiles], 2),
                y=rounded(heights, 3),
                mode="markers",
                marker={"color": color_of(index), "size": 10},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": rounded([high - middle for _, middle, high in quantiles], 2),
                    "arrayminus": rounded([middle - low for low, middle, _ in quantiles], 2),
                    "thickness": 7,
                    "width": 0,
                },
                name=kind,
            )
        )
    figure.update_yaxes(
        tickvals=list(range(len(intervals))), ticktext=list(intervals), range=[len(intervals) - 0.5, -0.5]
    )
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1.0, "xanchor": "right"})
    return figure


def led_rows(leads: Sequence[np.ndarray | None], images: np.ndarray) -> list[np.ndarray]:
    """Put one picture, or a blank, before every row of pictures, for `show_images`.

    `leads`: (rows,) uint8 RGB of any size, brought to that of the others; None leaves a blank. `images`: uint8
    (n, H, W, 3), the rows one after the other and equally long. Raises ValueError when they cannot be.
    """
    if not len(leads) or len(images) % len(leads):
        raise ValueError(f"Rows of equal length are needed, found {len(images)} images for {len(leads)} rows.")
    columns, shape = len(images) // len(leads), images.shape[1:]
    pictures: list[np.ndarray] = []
    for row, lead in enumerate(leads):
        pictures.append(np.full(shape, 255, np.uint8) if lead is None else _resized(np.asarray(lead), shape[:2]))
        pictures.extend(images[row * columns : (row + 1) * columns])
    return pictures


def _resized(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if image.shape[:2] == shape:
        return image
    return np.asarray(Image.fromarray(image).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
