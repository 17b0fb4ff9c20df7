from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.func import functional_call

from .by_hand import batch, build, cosines_of, derivatives_are_right, gradients, softmax_losses, unit


def weighed(cosine: float, positive: bool, m: float) -> float:
    if positive:
        return max(0.0, 1 + m - cosine) * (cosine - (1 - m))
    return max(0.0, cosine + m) * (cosine - m)


@pytest.mark.parametrize("m", [0.0, 0.25, 0.4])
def test_the_loss_with_centres_is_the_papers_formula(m: float) -> None:
    head = build("circle", scale=32.0, margin_cosine=m)
    features, labels = batch()
    logits = cosines_of(head, features)
    for row, label in enumerate(labels.tolist()):
        for column in range(logits.shape[1]):
            logits[row, column] = weighed(logits[row, column], column == label, m)
    assert head(features, labels).item() == pytest.approx(softmax_losses(32.0 * logits, labels).mean(), rel=1e-10)


def test_the_loss_over_pairs_is_the_papers_formula() -> None:
    head = build("circle-pairs", scale=32.0)
    features, labels = batch()
    cosines = unit(features) @ unit(features).T
    losses = []
    for i, label in enumerate(labels.tolist()):
        others = [j for j in range(len(labels)) if j != i]
        pulls = sum(math.exp(-32 * weighed(cosines[i, j], True, 0.25)) for j in others if labels[j] == label)
        pushes = sum(math.exp(32 * weighed(cosines[i, j], False, 0.25)) for j in others if labels[j] != label)
        losses.append(math.log1p(pulls * pushes))
    assert head(features, labels).item() == pytest.approx(np.mean(losses), rel=1e-10)


def test_exact_derivatives_are_those_of_differences_and_detached_ones_of_constant_weights() -> None:
    features, labels = batch(10)
    assert derivatives_are_right(build("circle", scale=4.0, gradient="exact"), features, labels)
    pairs = build("circle-pairs", scale=4.0, gradient="exact")
    assert torch.autograd.gradcheck(
        lambda inputs: functional_call(pairs, {}, (inputs, labels)), features.clone().requires_grad_()
    )
    # Eq. 10 of the paper: the slope at a negative is s_n + m, at a positive m + 1 - s_p (downwards).
    own = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    build("circle").row_rule(own, torch.ones_like(own)).target.sum().backward()
    assert own.grad.tolist() == pytest.approx([1.25 - 0.3, 1.25 + 0.4])


def test_both_gradients_belong_to_one_loss() -> None:
    features, labels = batch(20)
    for name in ("circle", "circle-pairs"):
        exact, detached = build(name, gradient="exact"), build(name)
        assert exact(features, labels).item() == pytest.approx(detached(features, labels).item(), rel=1e-12)
    exact_gradient = gradients(build("circle", gradient="exact", scale=8.0), features, labels)[1]
    assert not torch.allclose(exact_gradient, gradients(build("circle", scale=8.0), features, labels)[1], atol=1e-4)


def test_pairs_agree_with_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs, head = losses.CircleLoss(m=0.25, gamma=256), build("circle-pairs")
    features, labels = batch(30)
    first, second = features.clone().requires_grad_(), features.clone().requires_grad_()
    ours, other = head(first, labels), theirs(second, labels)
    ours.backward()
    other.backward()
    assert ours.item() == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(first.grad, second.grad, atol=1e-5)


def test_anchors_without_a_positive_or_a_negative_are_left_out() -> None:
    head = build("circle-pairs", scale=8.0)
    features, _ = batch(6)
    alone = torch.tensor([0, 0, 1, 1, 2, -1])
    losses = head(features, alone)
    expected = []
    for anchor in range(4):
        cosines = (unit(features[:5]) @ unit(features[:5]).T)[anchor]
        same = [j for j in range(5) if j != anchor and alone[j] == alone[anchor]]
        others = [j for j in range(5) if alone[j] != alone[anchor]]
        pulls = sum(math.exp(-8 * weighed(cosines[j], True, 0.25)) for j in same)
        expected.append(math.log1p(pulls * sum(math.exp(8 * weighed(cosines[j], False, 0.25)) for j in others)))
    assert losses.item() == pytest.approx(np.mean(expected), rel=1e-10)
    inputs = features.clone().requires_grad_()
    nothing = head(inputs, torch.zeros(6, dtype=torch.long))
    nothing.backward()
    assert nothing.item() == 0 and not inputs.grad.any()


def test_a_relaxation_outside_zero_to_one_is_refused() -> None:
    for name in ("circle", "circle-pairs"):
        with pytest.raises(ValueError, match=r"margin_cosine must lie in 0 \.\. 1, found 2"):
            build(name, margin_cosine=2)
