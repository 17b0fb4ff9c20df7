from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import CLASSES, DIMENSION, batch, build, cosines_of, derivatives_are_right, gradients, margin_losses


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5, 1.5])
def test_the_loss_is_the_papers_formula(margin: float) -> None:
    head = build("arcface", scale=16.0, margin_radians=margin)
    features, labels = batch()
    expected = margin_losses(head, features, labels, lambda theta, _: math.cos(theta + margin)).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


def test_monotonic_takes_m_sin_m_off_the_cosine_beyond_pi_minus_m() -> None:
    margin = 1.5
    head = build("arcface", scale=16.0, margin_radians=margin, monotonic=True)
    features, labels = batch()
    theta = np.arccos(cosines_of(head, features)[np.arange(len(labels)), labels])
    assert (theta > math.pi - margin).any() and (theta < math.pi - margin).any()

    def target(theta: float, _: int) -> float:
        inside = theta < math.pi - margin
        return math.cos(theta + margin) if inside else math.cos(theta) - margin * math.sin(margin)

    expected = margin_losses(head, features, labels, target).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("monotonic", [False, True])
def test_derivatives(monotonic: bool) -> None:
    assert derivatives_are_right(build("arcface", scale=8.0, monotonic=monotonic), *batch(6))


def test_the_detached_gradient_is_that_of_a_constant_taken_off_the_cosine() -> None:
    features, labels = batch()
    head = build("arcface", scale=8.0, gradient="detached")
    loss, to_features, to_weight = gradients(head, features, labels)
    own = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(head.weight.detach()).T
    own = own[torch.arange(len(labels)), labels]
    inputs, weight = features.clone().requires_grad_(), head.weight.detach().clone().requires_grad_()
    cosines = torch.nn.functional.normalize(inputs) @ torch.nn.functional.normalize(weight).T
    constant = own - torch.cos(torch.arccos(own) + 0.5)
    marked = torch.nn.functional.one_hot(labels, CLASSES) * constant[:, None]
    torch.nn.functional.cross_entropy(8.0 * (cosines - marked), labels).backward()
    assert torch.allclose(to_features, inputs.grad, atol=1e-12) and torch.allclose(to_weight, weight.grad, atol=1e-12)
    exact = gradients(build("arcface", scale=8.0), features, labels)
    assert loss == pytest.approx(exact[0], rel=1e-12) and not torch.allclose(to_features, exact[1], atol=1e-4)


def test_it_agrees_with_pytorch_metric_learning() -> None:
    # Its default margin is 28.6 degrees, which is 0.499 and not 0.5; with the paper's margin it is right, and it
    # always uses the monotonic form.
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.ArcFaceLoss(CLASSES, DIMENSION, margin=math.degrees(0.5), scale=64).double()
    head = build("arcface", monotonic=True)
    theirs.W.data.copy_(head.weight.detach().T)
    features, labels = batch(40)
    loss, to_features, to_weight = gradients(head, features, labels)
    inputs = features.clone().requires_grad_()
    other = theirs(inputs, labels)
    other.backward()
    assert loss == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(to_features, inputs.grad, atol=1e-5) and torch.allclose(to_weight, theirs.W.grad.T, atol=1e-5)


def test_margins_outside_half_a_turn_are_refused() -> None:
    for margin in (28.6, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"margin_radians must lie in 0 \.\. pi"):
            build("arcface", margin_radians=margin)
