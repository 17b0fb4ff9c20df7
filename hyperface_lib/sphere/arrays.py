"""Arrays as they come in: numpy or torch, checked once at the door."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor

_NORM_TOLERANCE = 1e-3


def as_float_tensor(vectors: Array, name: str = "points", columns: int | None = None) -> Tensor:
    """Return `vectors` as a float32 or float64 tensor of shape (n, d).

    Raises TypeError for anything but an array, ValueError for a wrong shape or a value that is not finite.
    """
    if isinstance(vectors, Tensor):
        tensor = vectors.detach()
    elif isinstance(vectors, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(vectors))
    else:
        raise TypeError(f"{name} must be a numpy array or a torch tensor, found {type(vectors).__name__}.")
    if tensor.dtype not in (torch.float32, torch.float64):
        if not tensor.dtype.is_floating_point:
            raise TypeError(f"{name} must hold floating-point numbers, found {tensor.dtype}.")
        tensor = tensor.float()
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ValueError(f"{name} must have shape (n, d), found {tuple(tensor.shape)}.")
    if columns is not None and tensor.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, found {tensor.shape[1]}.")
    broken = ~torch.isfinite(tensor).all(dim=1)
    if bool(broken.any()):
        raise ValueError(f"{name} must be finite, found NaN or infinity in {int(broken.sum())} of {len(tensor)} rows.")
    return tensor


def as_unit_tensor(vectors: Array, name: str = "points", columns: int | None = None) -> Tensor:
    """Return `vectors` as a tensor of unit rows, re-normalised to working precision.

    Raises ValueError when a row is further than 1e-3 from unit length: vectors are never silently normalised.
    """
    tensor = as_float_tensor(vectors, name, columns)
    norms = torch.linalg.vector_norm(tensor, dim=1)
    wrong = (norms - 1).abs() > _NORM_TOLERANCE
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ValueError(f"{name} must be unit vectors, found a row of norm {float(norms[row]):.4g} (row {row}).")
    return tensor / norms[:, None]


def like(tensor: Tensor, example: Array | None) -> Array:
    """Return `tensor` in the kind of array `example` is; numpy when there is no example."""
    if isinstance(example, Tensor):
        return tensor.to(example.device)
    return tensor.cpu().numpy()


def normalise(tensor: Tensor) -> Tensor:
    """Return the rows of `tensor` divided by their lengths."""
    return torch.nn.functional.normalize(tensor, dim=1, eps=1e-30)


def tangent(points: Tensor, vectors: Tensor) -> Tensor:
    """Return `vectors` without their components along the unit rows of `points`."""
    return vectors - (vectors * points).sum(dim=1, keepdim=True) * points
