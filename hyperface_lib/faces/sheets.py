"""Contact sheets: many faces as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def contact_sheet(images: np.ndarray | Sequence[np.ndarray], columns: int = 8, gap: int = 2) -> np.ndarray:
    """Lay n images (n, H, W, 3) out row by row: one uint8 RGB image, white between and at the end.

    Raises ValueError when there is no image, or images differ in size.
    """
    images = list(images)
    if not images:
        raise ValueError("A contact sheet needs at least one image, found none.")
    if columns < 1:
        raise ValueError(f"A contact sheet needs at least one column, found {columns}.")
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for k, image in enumerate(images):
        if image.shape != (height, width, 3):
            raise ValueError(
                f"A contact sheet needs images of one size, found {image.shape} after {(height, width, 3)}."
            )
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
