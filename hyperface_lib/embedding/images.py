"""From uint8 crops to what a network takes: the one place that knows RGB in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]


def check_images(images: Images, size: int) -> NDArray[np.uint8]:
    """Return images as one uint8 array (n, size, size, 3). Raises ValueError or TypeError naming what was found."""
    array = images if isinstance(images, np.ndarray) else _stacked(images, size)
    if array.dtype != np.uint8:
        raise TypeError(f"images must be uint8 RGB, found dtype {array.dtype}")
    if array.ndim != 4 or array.shape[1:] != (size, size, 3):
        raise ValueError(f"images must be (n, {size}, {size}, 3), found {array.shape}")
    return array


def _stacked(images: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    if len(images) == 0:
        return np.empty((0, size, size, 3), np.uint8)
    arrays = [np.asarray(image) for image in images]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"images must all be ({size}, {size}, 3), found shapes {sorted(shapes)}")
    return np.stack(arrays)


def to_network_input(images: NDArray[np.uint8], device: torch.device | None = None) -> Tensor:
    """Turn uint8 RGB (n, h, w, 3) into float32 (n, 3, h, w) in [-1, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    if device is not None and device.type != "cpu":
        tensor = tensor.to(device)
    return tensor.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)


def to_images(tensor: Tensor) -> NDArray[np.uint8]:
    """Turn floats (n, 3, h, w) in [-1, 1] into uint8 RGB (n, h, w, 3); values beyond are clipped."""
    scaled = tensor.detach().float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()
