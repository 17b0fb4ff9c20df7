"""What a network remembers of its training images: the statistics in its batch normalisation, as a prior on images."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn


def prior_layers(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the layers of `network` that hold running statistics of feature maps, in the order of its modules."""
    layers = (module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    return [layer for layer in layers if layer.running_mean is not None and layer.running_var is not None]


def statistics_distance(features: Tensor, mean: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    """Return ||mu(r) - mu||^2 + ||sigma(r) - sigma||^2 of features (n, c, h, w) against stored (c,) mean and variance.

    sigma is sqrt(variance + epsilon) on both sides; mu(r) and sigma(r) are taken over batch, height and width. Both
    norms are squared, as in Yin et al. (CVPR 2020, eq. 4); Deng et al. (arXiv 1801.07698) print the square only once.
    """
    features = features.float()
    own_variance, own_mean = torch.var_mean(features, dim=(0, 2, 3), correction=0)
    deviation = torch.sqrt(own_variance + epsilon) - torch.sqrt(variance.float() + epsilon)
    return (own_mean - mean.float()).square().sum() + deviation.square().sum()


class BatchNormPrior:
    """Watch every BatchNorm2d of a network by forward hooks, inside a `with` block.

    After a forward pass `take()` returns the sum of `statistics_distance` over the layers, with its gradient, and
    starts anew. Without layers that hold statistics there is nothing to compare with: ValueError.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = prior_layers(network)
        if not self.layers:
            raise ValueError(
                f"the batch-norm prior needs a network with BatchNorm2d layers that keep running statistics, "
                f"found none in {type(network).__name__}; set batch_norm_weight to 0 to go without"
            )
        self._distances: list[Tensor] = []
        self._handles: list[Any] = []

    def __enter__(self) -> BatchNormPrior:
        self._handles = [layer.register_forward_hook(self._compare) for layer in self.layers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._distances = [], []

    def take(self) -> Tensor:
        """Return the sum over all layers since the last call. Raises RuntimeError when no layer has run."""
        if not self._distances:
            raise RuntimeError("the batch-norm prior has seen no forward pass since it was last taken")
        total = torch.stack(self._distances).sum()
        self._distances = []
        return total

    def _compare(self, layer: nn.BatchNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del output
        assert layer.running_mean is not None and layer.running_var is not None
        self._distances.append(statistics_distance(inputs[0], layer.running_mean, layer.running_var, layer.eps))
