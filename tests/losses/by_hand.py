"""What the tests of the heads share: losses in numpy float64 from the formula, and derivatives by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call

from hyperface_lib.losses import create_head

DIMENSION, CLASSES = 6, 5
Array = NDArray[np.float64]


def build(name: str, seed: int = 0, **options: Any) -> Any:
    """Return a float64 head in evaluation mode."""
    torch.manual_seed(seed)
    return create_head(name, dimension=DIMENSION, classes=CLASSES, **options).double().eval()


def batch(count: int = 15, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float64 features of lengths between about 5 and 60, and labels of all classes."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, DIMENSION, generator=generator, dtype=torch.float64)
    lengths = 2.0 + 20.0 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return features * lengths, torch.arange(count) % CLASSES


def unit(rows: torch.Tensor) -> Array:
    """Return rows of length 1 in numpy."""
    array = rows.detach().double().numpy()
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def cosines_of(head: Any, features: torch.Tensor) -> Array:
    """Return cosines (n, classes)."""
    return unit(features) @ unit(head.weight).T


def softmax_losses(logits: Array, labels: torch.Tensor) -> Array:
    """Return -log of the softmax at the label (n,), one row at a time."""
    return np.array(
        [
            np.log(np.exp(row - row.max()).sum()) + row.max() - row[label]
            for row, label in zip(logits, labels.tolist(), strict=True)
        ]
    )


def margin_losses(
    head: Any,
    features: torch.Tensor,
    labels: torch.Tensor,
    target: Callable[[float, int], float],
    other: Callable[[float, float], float] = lambda cosine, _: cosine,
) -> Array:
    """Return the losses (n,) with target(theta, row) for the target and other(cosine, theta) for the other classes."""
    logits = cosines_of(head, features)
    for row, label in enumerate(labels.tolist()):
        theta = float(np.arccos(logits[row, label]))
        for column in range(logits.shape[1]):
            logits[row, column] = target(theta, row) if column == label else other(logits[row, column], theta)
    return softmax_losses(float(head.scale) * logits, labels)


def derivatives_are_right(head: Any, features: torch.Tensor, labels: torch.Tensor) -> bool:
    """Compare the gradients of features and all parameters with differences, in float64."""
    names = [name for name, _ in head.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for _, parameter in head.named_parameters()]

    def loss(inputs: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return functional_call(head, dict(zip(names, parameters, strict=True)), (inputs, labels))

    return torch.autograd.gradcheck(loss, (features.clone().requires_grad_(), *values), atol=1e-6, rtol=1e-4)


def gradients(head: Any, features: torch.Tensor, labels: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Return the loss and the gradients of features and centres."""
    inputs = features.clone().requires_grad_()
    head.zero_grad()
    loss = head(inputs, labels)
    loss.backward()
    return loss.item(), inputs.grad, head.weight.grad.clone()
