"""Images found from templates: the gallery, the course of the search, and where the right person ranks."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from hyperface_lib.plots.pictures import show_images
from hyperface_lib.plots.theme import GREY, color_of, new_figure, rounded


def sheet_tiles(sheet: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Cut a sheet without gaps (H, W, 3) into its images (rows * columns, H / rows, W / columns, 3).

    Raises ValueError when its sides are no multiples of rows and columns.
    """
    sheet = np.asarray(sheet)
    if sheet.ndim != 3 or rows < 1 or columns < 1 or sheet.shape[0] % rows or sheet.shape[1] % columns:
        raise ValueError(f"A sheet of {rows} x {columns} images must divide evenly, found shape {sheet.shape}.")
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    return sheet.reshape(rows, height, columns, width, -1).swapaxes(1, 2).reshape(rows * columns, height, width, -1)


def inversion_gallery(
    rows: Mapping[str, np.ndarray], captions: Sequence[str] | None = None, *, title: str = "", quality: int = 80
) -> go.Figure:
    """Show one row of images for each name: a picture of each person, and what was found from their templates.

    `rows`: name -> uint8 (n, H, W, 3), the same n people in each; `captions` (n,) stand above the columns. Raises
    ValueError for no rows, or rows of different length.
    """
    counts = {name: len(images) for name, images in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"A gallery needs rows of one length, found {counts}.")
    columns = next(iter(counts.values()))
    if captions is not None and len(captions) != columns:
        raise ValueError(f"A gallery of {columns} people needs as many captions, found {len(captions)}.")
    images = [np.asarray(image) for row in rows.values() for image in row]
    return show_images(
        images, columns, title=title, row_labels=list(rows), column_labels=captions, zoom=1.25, quality=quality
    )


def inversion_progress(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str = "") -> go.Figure:
    """Draw identity loss (solid) and batch-norm prior (dashed) against the step, both on a logarithmic axis.

    `curves`: name -> (identity losses, priors), each (steps,). A prior that is 0 throughout is left out.
    """
    if not curves:
        raise ValueError("The course of a search needs at least one curve, found none.")
    figure = new_figure(title, "step", "value (logarithmic)")
    for index, (name, (losses, priors)) in enumerate(curves.items()):
        for label, values, dash in (("identity loss", losses, "solid"), ("prior", priors, "dash")):
            if not np.any(values):
                continue
            figure.add_trace(
                go.Scatter(
                    x=np.arange(1, len(values) + 1),
                    y=rounded(values, 4),
                    mode="lines",
                    line={"color": color_of(index), "dash": dash},
                    name=f"{name}: {label}" if len(curves) > 1 else label,
                )
            )
    figure.update_yaxes(type="log")
    return figure


def percentile_strip(
    groups: Mapping[str, Sequence[float] | np.ndarray],
    *,
    chance: float = 50.0,
    title: str = "",
    x_title: str = "percentile of the right person among all",
) -> go.Figure:
    """Draw one dot for each image and a bar at the mean of each group, with a dotted line at chance.

    `groups`: name -> percentiles in 0 .. 100. Raises ValueError for no group or a value outside.
    """
    if not groups:
        raise ValueError("A strip of percentiles needs at least one group, found none.")
    figure = new_figure(title, x_title, "", height=130 + 42 * len(groups))
    for index, (name, values) in enumerate(groups.items()):
        values = np.asarray(values, np.float64)
        if not len(values) or not (values.min() >= 0 and values.max() <= 100):
            raise ValueError(f"Percentiles must lie in 0 .. 100, found {values.tolist()} for {name!r}.")
        # Dots lie a little apart, always in the same way, so that equal ones can be told.
        heights = index + 0.3 * (np.arange(len(values)) * 0.618 % 1 - 0.5)
        figure.add_trace(
            go.Scatter(
                x=rounded(values, 2),
                y=rounded(heights, 3),
                mode="markers",
                marker={"color": color_of(index), "size": 6, "opacity": 0.55},
                name=name,
            )
        )
        figure.add_trace(
            go.Scatter(
                x=rounded([values.mean()] * 2, 2),
                y=[index - 0.32, index + 0.32],
                mode="lines",
                line={"color": color_of(index), "width": 4},
                name=f"mean of {name}",
            )
        )
    figure.add_vline(x=chance, line={"color": GREY, "dash": "dot"}, annotation_text="chance")
    figure.update_xaxes(range=[-2, 102])
    figure.update_yaxes(tickvals=list(range(len(groups))), ticktext=list(groups), range=[len(groups) - 0.5, -0.5])
    figure.update_layout(showlegend=False)
    return figure
