"""The optimiser of a recipe, and the scale that keeps float16 gradients from vanishing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hyperface_lib.training.recipe import Recipe

# A scale below this has halved at every step: the gradients overflow for another reason than their scale.
SMALLEST_SCALE = 1.0


def make_optimiser(recipe: Recipe, backbone: nn.Module, head: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser over all parameters that want a gradient.

    Raises ValueError if there is none.
    """
    parameters = [p for module in (backbone, head) for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("training needs parameters to change, found none that requires a gradient")
    groups: list[Any] = parameters
    if not recipe.decay_norms_and_biases:
        plain = [parameter for parameter in parameters if parameter.ndim <= 1]
        decayed = [parameter for parameter in parameters if parameter.ndim > 1]
        groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
    )


def make_scaler(device: torch.device, dtype: torch.dtype) -> torch.amp.GradScaler | None:
    """Return the loss scaler that float16 needs; other formats need none."""
    return torch.amp.GradScaler(device.type) if dtype == torch.float16 else None


def overflow_together(head: nn.Module, anywhere: Callable[[bool], bool]) -> None:
    """Let every process leave out a step in which the gradient of one shard of the head overflows.

    anywhere: says in every process whether something is true in one of them.
    """
    gradients = [parameter.grad for parameter in head.parameters() if parameter.grad is not None]
    bad = any(not bool(torch.isfinite(gradient).all()) for gradient in gradients)
    if anywhere(bad) and gradients:
        gradients[0].fill_(float("inf"))
