"""Which number was the first that is none: names for tensors that are infinite or not a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class NotFiniteError(RuntimeError):
    """A loss, gradient or weight became infinite or not a number; the message names it and the step."""


def is_finite(tensor: Tensor) -> bool:
    """Say whether every entry is finite."""
    return bool(torch.isfinite(tensor).all())


def name_what_is_not_finite(
    modules: Mapping[str, nn.Module], images: Tensor | None = None, features: Tensor | None = None
) -> str:
    """Return a clause naming the first weight, buffer, activation or gradient that is not finite.

    `modules`: the backbone and the head by name. With `images` and features that are not finite the first module of
    `modules["backbone"]` whose output is not finite is looked for by another forward pass, which only failure pays for.
    """
    for prefix, module in modules.items():
        for name, parameter in module.named_parameters():
            if not is_finite(parameter):
                return f"the first tensor that is not finite is the weight {prefix}.{name}"
        for name, buffer in module.named_buffers():
            if not is_finite(buffer):
                return f"the first tensor that is not finite is the buffer {prefix}.{name}"
    if features is not None and not is_finite(features):
        found = None if images is None else _first_activation(modules["backbone"], images)
        place = "" if found is None else f": the first that is not is the output of backbone.{found}"
        return f"the backbone's features are not finite while all weights are{place}"
    for prefix, module in modules.items():
        for name, parameter in module.named_parameters():
            if parameter.grad is not None and not is_finite(parameter.grad):
                return f"the first tensor that is not finite is the gradient of {prefix}.{name}"
    return "all weights and features are finite"


def _first_activation(network: nn.Module, images: Tensor) -> str | None:
    """Return the name of the first inner module whose output is not finite."""
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            if not found and isinstance(output, Tensor) and not is_finite(output):
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if name and not list(module.children())]
    handles = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None
