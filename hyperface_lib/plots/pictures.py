"""Pictures inside figures: contact sheets and grids of pairs, stored as small JPEG data URIs."""

import base64
import io
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from hyperface_lib.plots.theme import BLACK, new_figure

_PADDING = 2
_PAGE_WIDTH = 1000  # pixels across the text of a notebook
_LABEL_HEIGHT = 18


class PairsLike(Protocol):
    """What `hardest_pairs` needs of a PairSet."""

    is_same: np.ndarray

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray, bool]: ...


def image_data_uri(image: np.ndarray, quality: int = 85) -> str:
    """Encode a uint8 RGB image (H, W, 3) as a JPEG data URI.

    Raises ValueError for any other shape or type.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"An image must be uint8 of shape (H, W, 3), found {image.dtype} of shape {image.shape}.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def image_grid(images: Sequence[np.ndarray] | np.ndarray, columns: int, gap: int = _PADDING) -> np.ndarray:
    """Lay images of one size out in rows of `columns` on white: uint8 (H', W', 3)."""
    stack = [np.asarray(image) for image in images]
    if not stack:
        raise ValueError("A grid needs at least one image, found none.")
    if len({image.shape for image in stack}) != 1:
        raise ValueError(f"Images in a grid must share one shape, found {sorted({i.shape for i in stack})}.")
    height, width = stack[0].shape[:2]
    columns = max(1, min(columns, len(stack)))
    rows = -(-len(stack) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(stack):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def show_images(
    images: Sequence[np.ndarray] | np.ndarray,
    columns: int = 10,
    *,
    title: str = "",
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    zoom: float | None = None,
    quality: int = 85,
) -> go.Figure:
    """Show images side by side as a contact sheet.

    `images`: uint8 (n, H, W, 3), or one finished sheet (H, W, 3). Row and column labels stand at the edges.
    `zoom` is screen pixels for one image pixel: by default 1, or what makes the sheet fit the page.
    """
    single = isinstance(images, np.ndarray) and images.ndim == 3
    stack = [np.asarray(images)] if single else [np.asarray(image) for image in images]
    columns = 1 if single else max(1, min(columns, len(stack)))
    sheet = image_grid(stack, columns)
    height, width = sheet.shape[:2]
    if zoom is None:
        zoom = min(1.0, _PAGE_WIDTH / width)
    figure = _picture_figure(sheet, title, zoom, quality, left_margin=150 if row_labels else 10)
    cell_height, cell_width = stack[0].shape[0] + _PADDING, stack[0].shape[1] + _PADDING
    rows = -(-len(stack) // columns)
    if row_labels is not None:
        ticks = [cell_height * row + stack[0].shape[0] / 2 for row in range(rows)]
        figure.update_yaxes(visible=True, tickvals=ticks, ticktext=list(row_labels)[:rows], showline=False, ticks="")
    if column_labels is not None:
        ticks = [cell_width * column + stack[0].shape[1] / 2 for column in range(columns)]
        figure.update_xaxes(visible=True, side="top", tickvals=ticks, ticktext=list(column_labels)[:columns])
        figure.update_xaxes(showline=False, ticks="")
        figure.update_layout(margin_t=figure.layout.margin.t + 30, height=figure.layout.height + 30)
    figure.update_layout(meta={"images": len(stack), "pixels": [width, height]})
    return figure


def picture_pairs(
    first: Sequence[np.ndarray] | np.ndarray,
    second: Sequence[np.ndarray] | np.ndarray,
    captions: Sequence[str],
    *,
    columns: int = 6,
    title: str = "",
    zoom: float = 1.0,
    quality: int = 85,
) -> go.Figure:
    """Show pairs of pictures, each pair joined side by side with its caption underneath.

    `first`, `second`: uint8 (n, H, W, 3). Raises ValueError when the three lengths differ.
    """
    if not len(first) == len(second) == len(captions):
        raise ValueError(
            f"Pairs need as many first and second pictures as captions, found {len(first)}, {len(second)} and "
            f"{len(captions)}."
        )
    tiles = []
    for left, right in zip(first, second, strict=True):
        tile = np.concatenate([np.asarray(left), np.asarray(right)], axis=1)
        label_room = np.full((_label_room(zoom), tile.shape[1], 3), 255, np.uint8)
        tiles.append(np.concatenate([tile, label_room], axis=0))
    columns = max(1, min(columns, len(tiles)))
    gap = 3 * _PADDING
    figure = _picture_figure(image_grid(tiles, columns, gap), title, zoom, quality)
    height, width = tiles[0].shape[0] + gap, tiles[0].shape[1] + gap
    for index, caption in enumerate(captions):
        figure.add_annotation(
            x=(index % columns) * width + tiles[0].shape[1] / 2,
            y=(index // columns) * height + tiles[0].shape[0] - _label_room(zoom) / 2,
            text=caption,
            showarrow=False,
            font={"size": 12, "color": BLACK},
        )
    figure.update_layout(meta={"pairs": len(tiles)})
    return figure


def hardest_pairs(
    pairs: PairsLike,
    cosines: np.ndarray,
    *,
    same: bool,
    count: int = 12,
    columns: int = 6,
    title: str = "",
    zoom: float = 1.0,
) -> go.Figure:
    """Show the pairs a recogniser finds hardest: the least alike of one person, or the most alike of two people.

    `pairs[i]` gives (image, image, same), as a PairSet does; `cosines` (n,) holds one score for each pair.
    """
    cosines, is_same = np.asarray(cosines), np.asarray(pairs.is_same, dtype=bool)
    if len(cosines) != len(is_same):
        raise ValueError(f"Hardest pairs need one cosine for each pair, found {len(cosines)} for {len(is_same)} pairs.")
    candidates = np.flatnonzero(is_same == same)
    order = candidates[np.argsort(cosines[candidates], kind="stable")]
    chosen = order[:count] if same else order[::-1][:count]
    shown = [pairs[int(index)] for index in chosen]
    return picture_pairs(
        [first for first, _, _ in shown],
        [second for _, second, _ in shown],
        [f"cos {cosines[index]:.2f}" for index in chosen],
        columns=columns,
        title=title or ("same person, least alike" if same else "different people, most alike"),
        zoom=zoom,
    )


def _label_room(zoom: float) -> int:
    """Image rows that leave room for one caption line on the screen."""
    return max(1, round(_LABEL_HEIGHT / zoom))


def _picture_figure(sheet: np.ndarray, title: str, zoom: float, quality: int, left_margin: int = 10) -> go.Figure:
    """One picture filling the axes, a pixel of it `zoom` pixels on the screen, no axes drawn."""
    height, width = sheet.shape[:2]
    top = 45 if title else 10
    figure = new_figure(title, width=round(width * zoom) + left_margin + 10, height=round(height * zoom) + top + 10)
    figure.add_trace(go.Image(source=image_data_uri(sheet, quality), hoverinfo="skip"))
    figure.update_xaxes(visible=False, range=[-0.5, width - 0.5], showgrid=False, constrain="domain")
    figure.update_yaxes(visible=False, range=[height - 0.5, -0.5], showgrid=False, constrain="domain")
    figure.update_layout(margin={"l": left_margin, "r": 10, "t": top, "b": 10})
    return figure
