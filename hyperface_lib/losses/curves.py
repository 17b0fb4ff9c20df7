"""Curves over the target's angle for plots: what a head's softmax sees, and how steeply it falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from hyperface_lib.losses.cosine_head import CosineHead
from hyperface_lib.losses.margins import GRADIENTS
from hyperface_lib.losses.registry import create_head
from hyperface_lib.losses.target_margin import TargetMarginHead


@dataclass(frozen=True)
class TargetCurve:
    """The target of a head over theta: cosine and logit (scale * cosine), and the derivatives d(logit) / d(theta).

    All are (k,). `exact_derivative` differentiates the margin, `detached_derivative` lets it through as a constant; for
    a head without a margin they are the same.
    """

    theta_radians: NDArray[np.float64]
    cosine: NDArray[np.float64]
    logit: NDArray[np.float64]
    exact_derivative: NDArray[np.float64]
    detached_derivative: NDArray[np.float64]


def _targets(head: nn.Module, theta_radians: ArrayLike, norms: ArrayLike | None) -> tuple[Tensor, Tensor]:
    """Return angles (k,) that ask for a gradient, and the target cosines the head makes of them."""
    if not isinstance(head, CosineHead):
        raise ValueError(f"a target curve needs a head with class centres, found {type(head).__name__}")
    angles = np.asarray(theta_radians, dtype=np.float64)
    if angles.ndim != 1:
        raise ValueError(f"theta_radians must be one row of angles, found shape {angles.shape}")
    if not ((angles >= 0) & (angles <= np.pi)).all():
        raise ValueError(f"theta_radians must lie in 0 .. pi, found {angles.min()} .. {angles.max()}")
    lengths = getattr(head, "typical_norm", 1.0) if norms is None else norms
    length = np.broadcast_to(np.asarray(lengths, dtype=np.float64), angles.shape).copy()
    if not (length >= 0).all():
        raise ValueError(f"norms must be lengths of at least 0, found {length.min()}")
    device = head.weight.device
    theta = torch.tensor(angles, device=device, requires_grad=True)
    return theta, head.row_rule(torch.cos(theta), torch.tensor(length, device=device)).target


def target_cosine_curve(
    head: nn.Module, theta_radians: ArrayLike, norms: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return what enters the softmax in the place of the target's cosine, before the scale, at angles (k,) in 0 .. pi.

    It is the head's own `row_rule`, in float64, in the head's present state (warm-up, annealing, statistics). `norms`
    are features' lengths, one or (k,), for AdaFace and MagFace: by default one of middle quality. Raises ValueError if
    an angle or a length is out of range.
    """
    return _targets(head, theta_radians, norms)[1].detach().cpu().numpy()


def target_gradient_curve(
    head: nn.Module, theta_radians: ArrayLike, norms: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the derivative d(target cosine) / d(theta) at angles (k,), by differentiating the head's own rule.

    It follows the head's `gradient` mode: "detached" is -sin(theta) for a margin let through. Arguments as for
    `target_cosine_curve`.
    """
    theta, target = _targets(head, theta_radians, norms)
    (gradient,) = torch.autograd.grad(target.sum(), theta)
    return gradient.cpu().numpy()


def target_logit_curve(
    name: str, theta_radians: ArrayLike, norms: ArrayLike | None = None, **options: object
) -> TargetCurve:
    """Return the curves of the head `name`, built with `options` as for `create_head`, at angles (k,) in 0 .. pi.

    SphereFace is shown as it is before training; give `lambda_base=0, lambda_minimum=0` for its margin alone.
    Raises ValueError if the head has no class centres, and so no target.
    """
    head = create_head(name, dimension=2, classes=2, **options)
    cosine = target_cosine_curve(head, theta_radians, norms)
    scale = float(torch.as_tensor(head.scale).detach())
    derivatives: dict[str, NDArray[np.float64]] = {}
    for mode in GRADIENTS:
        if isinstance(head, TargetMarginHead):
            head.gradient = mode
        derivatives[mode] = scale * target_gradient_curve(head, theta_radians, norms)
    angles = np.asarray(theta_radians, dtype=np.float64)
    return TargetCurve(angles, cosine, scale * cosine, derivatives["exact"], derivatives["detached"])
