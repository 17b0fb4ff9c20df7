"""The batch-norm prior: the formula in float64, and hooks that see every layer and go away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hyperface_lib.embedding import create_backbone
from hyperface_lib.training.inversion_prior import BatchNormPrior, prior_layers, statistics_distance


def by_hand(features: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float) -> float:
    total = 0.0
    for channel in range(features.shape[1]):
        values = features[:, channel].ravel()
        own_sigma = np.sqrt(((values - values.mean()) ** 2).mean() + epsilon)
        total += (values.mean() - mean[channel]) ** 2 + (own_sigma - np.sqrt(variance[channel] + epsilon)) ** 2
    return total


def test_the_distance_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(1.0, 2.0, (3, 5, 4, 6))
    mean, variance = generator.normal(size=5), generator.uniform(0.1, 3, 5)
    given = [torch.from_numpy(array).float() for array in (features, mean, variance)]
    assert float(statistics_distance(*given, 1e-3)) == pytest.approx(by_hand(features, mean, variance, 1e-3), rel=1e-5)


def test_it_is_zero_exactly_at_the_statistics_and_has_a_gradient_for_constant_features() -> None:
    features = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), correction=0)
    assert float(statistics_distance(features, mean, variance, 1e-5)) == pytest.approx(0, abs=1e-10)
    assert float(statistics_distance(features + 0.5, mean, variance, 1e-5)) == pytest.approx(3 * 0.25, rel=1e-5)
    constant = torch.zeros(2, 3, 4, 4, requires_grad=True)
    statistics_distance(constant, mean, variance, 1e-5).backward()
    assert constant.grad is not None and torch.isfinite(constant.grad).all()


def two_layers() -> nn.Sequential:
    first, second = nn.BatchNorm2d(2, eps=1e-2), nn.BatchNorm2d(3)
    for layer, seed in ((first, 1), (second, 2)):
        generator = torch.Generator().manual_seed(seed)
        layer.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
        layer.running_var.uniform_(0.5, 2, generator=generator)  # type: ignore[union-attr]
    return nn.Sequential(first, nn.Conv2d(2, 3, 1), second, nn.BatchNorm2d(3, track_running_stats=False)).eval()


def test_every_layer_with_statistics_counts_with_its_own_input() -> None:
    network = two_layers()
    images = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        inputs = [images, network[1](network[0](images))]
    layers = [network[0], network[2]]
    assert prior_layers(network) == layers
    expected = sum(
        by_hand(features.double().numpy(), layer.running_mean.numpy(), layer.running_var.numpy(), layer.eps)
        for features, layer in zip(inputs, layers, strict=True)
    )
    with BatchNormPrior(network) as prior:
        network(images)
        assert prior.take().item() == pytest.approx(expected, rel=1e-5)
        with pytest.raises(RuntimeError, match="no forward pass"):
            prior.take()
        network(images)
        assert prior.take().item() == pytest.approx(expected, rel=1e-5)
    assert all(not module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", ["small", "small-judge", "iresnet18"])
def test_all_feature_maps_of_the_backbones_are_watched(name: str) -> None:
    network = create_backbone(name, dimension=32)
    expected = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert len(prior_layers(network)) == expected > 8


def test_a_network_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="found none in Sequential"):
        BatchNormPrior(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm2d(2, track_running_stats=False)))
