from __future__ import annotations

import math

import pytest
import torch

from .by_hand import CLASSES, DIMENSION, batch, build, derivatives_are_right, gradients, margin_losses


@pytest.mark.parametrize("margin", [0.0, 0.35, -0.2])
def test_the_loss_is_the_papers_formula(margin: float) -> None:
    head = build("cosface", scale=30.0, margin_cosine=margin)
    features, labels = batch()
    expected = margin_losses(head, features, labels, lambda theta, _: math.cos(theta) - margin).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


def test_derivatives() -> None:
    assert derivatives_are_right(build("cosface", scale=8.0), *batch(6))


def test_exact_and_detached_gradients_are_the_same() -> None:
    exact, detached = (gradients(build("cosface", gradient=mode), *batch()) for mode in ("exact", "detached"))
    assert exact[0] == pytest.approx(detached[0], rel=1e-12)
    assert torch.allclose(exact[1], detached[1], atol=1e-12) and torch.allclose(exact[2], detached[2], atol=1e-12)


def test_it_agrees_with_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.CosFaceLoss(num_classes=CLASSES, embedding_size=DIMENSION, margin=0.35, scale=64).double()
    head = build("cosface")
    theirs.W.data.copy_(head.weight.detach().T)
    features, labels = batch(40)
    loss, to_features, to_weight = gradients(head, features, labels)
    inputs = features.clone().requires_grad_()
    other = theirs(inputs, labels)
    other.backward()
    assert loss == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(to_features, inputs.grad, atol=1e-5) and torch.allclose(to_weight, theirs.W.grad.T, atol=1e-5)


def test_a_margin_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="margin_cosine must be a finite number, found nan"):
        build("cosface", margin_cosine=math.nan)
