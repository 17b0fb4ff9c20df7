"""Arithmetic of angles and cosines that stays finite where the textbook formulas do not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

GRADIENTS = ("exact", "detached")
# Below this 1 - cos^2 the sine is held constant: float32 cosines carry no more information about the angle there.
SINE_SQUARED_FLOOR = 1e-6


def unit_rows(vectors: Tensor, smallest_norm: float = 1e-6) -> Tensor:
    """Divide the rows of (n, d) by their lengths; a row shorter than `smallest_norm` becomes 0 with no gradient."""
    norms = vectors.norm(dim=-1, keepdim=True)
    inverse = torch.where(norms > smallest_norm, 1.0 / norms.clamp_min(smallest_norm), torch.zeros_like(norms))
    return vectors * inverse


def add_angle(cosines: Tensor, margin_radians: float, *, monotonic: bool = False) -> Tensor:
    """Return cos(theta + margin) from cos(theta), with a gradient that is finite also at theta = 0 and pi.

    cos(theta + m) rises again once theta exceeds pi - m. With `monotonic` the value there is
    cos(theta) - m sin(m) instead, which keeps falling (the reference implementation of ArcFace does so).
    """
    sines = torch.sqrt((1.0 - cosines * cosines).clamp_min(SINE_SQUARED_FLOOR))
    shifted = cosines * math.cos(margin_radians) - sines * math.sin(margin_radians)
    if not monotonic:
        return shifted
    within = cosines > math.cos(math.pi - margin_radians)
    return torch.where(within, shifted, cosines - margin_radians * math.sin(margin_radians))


def through(value: Tensor, origin: Tensor, gradient: str) -> Tensor:
    """Return `value` with its own gradient ("exact") or with the gradient of `origin` ("detached")."""
    if gradient == "exact":
        return value
    return origin + (value - origin).detach()


def check_gradient(gradient: str) -> str:
    """Return `gradient` if it is a known mode. Raises ValueError otherwise."""
    if gradient not in GRADIENTS:
        raise ValueError(f"gradient must be 'exact' or 'detached', found {gradient!r}")
    return gradient
