"""Arithmetic of angles and cosines that stays finite where the textbook formulas do not."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

GRADIENTS = ("exact", "detached")
# Below this 1 - cos^2 the sine is held constant: float32 cosines carry no more information about the angle there.
SINE_SQUARED_FLOOR = 1e-6


def unit_rows(vectors: Tensor, smallest_norm: float = 1e-6) -> Tensor:
    """Divide the last axis of (..., d) by its length; a row shorter than `smallest_norm` becomes 0 without gradient."""
    norms = vectors.norm(dim=-1, keepdim=True)
    inverse = torch.where(norms > smallest_norm, 1.0 / norms.clamp_min(smallest_norm), torch.zeros_like(norms))
    return vectors * inverse


def floored_sine(cosines: Tensor) -> Tensor:
    """Return sin(theta) from cos(theta), never below a thousandth, so that its gradient is finite."""
    return torch.sqrt((1.0 - cosines * cosines).clamp_min(SINE_SQUARED_FLOOR))


def add_angle(cosines: Tensor, margin_radians: float | Tensor, *, monotonic: bool = False) -> Tensor:
    """Return cos(theta + margin) from cos(theta), with a gradient that is finite also at theta = 0 and pi.

    The margin is one number, or one for each cosine. cos(theta + m) rises again once theta exceeds pi - m. With
    `monotonic` the value there is cos(theta) - m sin(m) instead, which keeps falling (the reference implementation
    of ArcFace does so).
    """
    margin_cosine: float | Tensor
    margin_sine: float | Tensor
    if isinstance(margin_radians, Tensor):
        margin_cosine, margin_sine = torch.cos(margin_radians), torch.sin(margin_radians)
    else:
        margin_cosine, margin_sine = math.cos(margin_radians), math.sin(margin_radians)
    shifted = cosines * margin_cosine - floored_sine(cosines) * margin_sine
    if not monotonic:
        return shifted
    return torch.where(cosines > -margin_cosine, shifted, cosines - margin_radians * margin_sine)


class _Angle(torch.autograd.Function):
    """arccos with the slope -1 / sin(theta) bounded: the sine in it is floored."""

    @staticmethod
    def forward(ctx: Any, cosines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines)
        return torch.acos(cosines.clamp(-1.0, 1.0))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (cosines,) = ctx.saved_tensors
        return -gradients[0] / floored_sine(cosines)


def angle_of(cosines: Tensor) -> Tensor:
    """Return theta in radians from cos(theta), exact also at and just beyond +-1, with a finite gradient."""
    result: Tensor = _Angle.apply(cosines)
    return result


def falling_cosine(angles: Tensor) -> Tensor:
    """Return (-1)^k cos(a) - 2k with k = floor(a / pi): equal to cos(a) up to pi, and falling for ever after.

    `angles` in radians. Source: the function psi of SphereFace (Liu et al., arXiv 1704.08063, eq. 7), for real angles.
    """
    turns = torch.floor(angles.detach() / math.pi)
    signs = 1.0 - 2.0 * torch.remainder(turns, 2.0)
    return signs * torch.cos(angles) - 2.0 * turns


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


def check_number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float if it is a finite number in low .. high. Raises ValueError naming it otherwise."""
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        if low == -math.inf and high == math.inf:
            expected = "be a finite number"
        elif high == math.inf:
            expected = f"be a finite number of at least {low:g}"
        else:
            expected = f"lie in {low:g} .. {high:g}"
        raise ValueError(f"{name} must {expected}, found {value}")
    return number
