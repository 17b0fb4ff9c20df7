from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head

from .by_hand import CLASSES, batch, build, cosines_of, derivatives_are_right, gradients


def loss_by_hand(
    head: object, features: torch.Tensor, labels: torch.Tensor, t: float = 3.0, m: float = 0.4, r: float = 40.0
) -> float:
    bias = head.bias.item()
    losses = []
    for row, label in zip(cosines_of(head, features), labels.tolist(), strict=True):
        total = 0.0
        for j, cosine in enumerate(row):
            g = 2 * ((cosine + 1) / 2) ** t - 1
            if j == label:
                total += 0.7 / r * math.log1p(math.exp(-(r * (g - m) + bias)))
            else:
                total += 0.3 / r * math.log1p(math.exp(r * (g + m) + bias))
        losses.append(total)
    return float(np.mean(losses))


@pytest.mark.parametrize("t", [1.0, 2.5, 3.0])
def test_the_loss_is_the_papers_formula_times_its_weight(t: float) -> None:
    head = build("sphereface2", t=t)
    features, labels = batch()
    expected = loss_by_hand(head, features, labels, t=t)
    assert head(features, labels).item() == pytest.approx(50 * expected, rel=1e-10)
    assert build("sphereface2", t=t, loss_weight=1.0)(features, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 5, 1000])
@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_the_first_bias_is_the_best_one_at_right_angles(classes: int, margin: float) -> None:
    head = create_head("sphereface2", dimension=4, classes=classes, margin_cosine=margin)
    middle = 2 * 0.5**3 - 1

    def loss(bias: float) -> float:
        positive = 0.7 * math.log1p(math.exp(-(40 * (middle - margin) + bias)))
        return positive + 0.3 * (classes - 1) * math.log1p(math.exp(40 * (middle + margin) + bias))

    best = head.best_first_bias()
    assert head.bias.item() == pytest.approx(best, rel=1e-6)
    assert loss(best) < loss(best + 0.01) and loss(best) < loss(best - 0.01)
    slope = (loss(best + 1e-5) - loss(best - 1e-5)) / 2e-5
    assert slope == pytest.approx(0, abs=1e-5)


def test_derivatives_also_of_the_bias() -> None:
    head = build("sphereface2", scale=4.0, loss_weight=1.0)
    assert derivatives_are_right(head, *batch(6))


def test_the_detached_gradient_lets_g_and_m_through() -> None:
    features, labels = batch()
    exact, detached = (
        gradients(build("sphereface2", gradient=mode), features, labels) for mode in ("exact", "detached")
    )
    assert exact[0] == pytest.approx(detached[0], rel=1e-12) and not torch.allclose(exact[1], detached[1], atol=1e-4)
    head = build("sphereface2")
    inputs = features.clone().requires_grad_()
    cosines = head.cosines(inputs)
    with torch.no_grad():
        shift = head.adjust(cosines, labels, features.norm(dim=1)) - cosines
    logits = 40.0 * (cosines + shift) + head.bias.detach()
    one_hot = torch.nn.functional.one_hot(labels, CLASSES).double()
    weights = 50 / 40 * (0.7 * one_hot + 0.3 * (1 - one_hot)) / len(labels)
    torch.nn.functional.binary_cross_entropy_with_logits(logits, one_hot, weights, reduction="sum").backward()
    assert torch.allclose(inputs.grad, detached[1], atol=1e-9)


def test_t_of_one_leaves_the_cosines_as_they_are() -> None:
    cosines = torch.linspace(-1, 1, 11, dtype=torch.float64)
    assert torch.allclose(build("sphereface2", t=1.0).spread(cosines), cosines)


def test_the_margin_raises_the_loss_of_right_and_wrong_classes() -> None:
    features, labels = batch()
    head = build("sphereface2", scale=10.0)
    losses = []
    for fraction in (0.0, 0.5, 1.0):
        head.margin_fraction = fraction
        losses.append(head(features, labels).item())
    assert losses[0] == pytest.approx(50 * loss_by_hand(head, features, labels, m=0.0, r=10.0), rel=1e-10)
    assert losses[2] == pytest.approx(50 * loss_by_hand(head, features, labels, m=0.4, r=10.0), rel=1e-10)


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="positive_weight must lie between 0 and 1, found 1"):
        build("sphereface2", positive_weight=1)
    with pytest.raises(ValueError, match=r"t must be a finite number of at least 1, found 0\.5"):
        build("sphereface2", t=0.5)
