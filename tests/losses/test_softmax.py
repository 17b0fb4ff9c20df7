from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import smallest_scale

from .by_hand import (
    CLASSES,
    DIMENSION,
    batch,
    build,
    cosines_of,
    derivatives_are_right,
    gradients,
    softmax_losses,
    unit,
)


def with_bias(**options: object) -> torch.nn.Module:
    head = build("softmax", **options)
    with torch.no_grad():
        head.bias.copy_(torch.linspace(-1, 1, CLASSES))
    return head


def test_softmax_is_the_papers_formula_with_its_bias() -> None:
    head = with_bias()
    features, labels = batch()
    logits = features.numpy() @ head.weight.detach().numpy().T + np.linspace(-1, 1, CLASSES)
    assert head(features, labels).item() == pytest.approx(softmax_losses(logits, labels).mean(), rel=1e-6)


def test_softmax_without_bias_is_torchs_linear_layer_and_cross_entropy() -> None:
    head = build("softmax", bias=False)
    features, labels = batch()
    expected = torch.nn.functional.cross_entropy(features @ head.weight.T, labels)
    assert head(features, labels).item() == pytest.approx(expected.item(), rel=1e-12)
    assert [name for name, _ in head.named_parameters()] == ["weight"]


def test_l2_constrained_softmax_sees_the_direction_of_features_and_the_length_of_centres() -> None:
    head = with_bias(scale=12.0)
    features, labels = batch()
    logits = 12.0 * unit(features) @ head.weight.detach().numpy().T + np.linspace(-1, 1, CLASSES)
    assert head(features, labels).item() == pytest.approx(softmax_losses(logits, labels).mean(), rel=1e-6)
    assert head(features * 7, labels).item() == pytest.approx(head(features, labels).item(), rel=1e-12)


def test_a_learnable_scale_is_a_parameter_with_the_derivative_of_differences() -> None:
    for name in ("softmax", "norm-softmax"):
        head = build(name, scale=12.0, learnable_scale=True)
        assert "scale" in dict(head.named_parameters())
        assert derivatives_are_right(head, *batch(6))


def test_normalised_softmax_is_the_papers_formula() -> None:
    head = build("norm-softmax", scale=20.0)
    features, labels = batch()
    expected = softmax_losses(20.0 * cosines_of(head, features), labels).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "scale"), [("softmax", None), ("softmax", 9.0), ("norm-softmax", 9.0)])
def test_derivatives(name: str, scale: float | None) -> None:
    assert derivatives_are_right(build(name, scale=scale), *batch(6))


def test_normalised_softmax_agrees_with_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.NormalizedSoftmaxLoss(CLASSES, DIMENSION, temperature=1 / 64).double()
    head = build("norm-softmax", scale=64.0)
    theirs.W.data.copy_(head.weight.detach().T)
    features, labels = batch(40)
    loss, to_features, to_weight = gradients(head, features, labels)
    inputs = features.clone().requires_grad_()
    other = theirs(inputs, labels)
    other.backward()
    assert loss == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(to_features, inputs.grad, atol=1e-5) and torch.allclose(to_weight, theirs.W.grad.T, atol=1e-5)


def test_the_smallest_scale_gives_the_probability_it_promises() -> None:
    classes, probability = 1000, 0.9
    scale = smallest_scale(classes, probability)
    at_own_centre, at_right_angles = math.exp(scale), (classes - 2) * math.exp(0)
    assert at_own_centre / (at_own_centre + at_right_angles) == pytest.approx(probability, rel=1e-12)
    assert smallest_scale(100_000, probability) > scale
    with pytest.raises(ValueError, match="classes >= 3"):
        smallest_scale(2, 0.9)
    with pytest.raises(ValueError, match="probability"):
        smallest_scale(10, 1.0)


def test_a_learnable_scale_without_a_first_value_is_refused() -> None:
    with pytest.raises(ValueError, match="learnable scale needs a first value"):
        build("softmax", learnable_scale=True)
