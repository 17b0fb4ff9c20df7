from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import batch, build, derivatives_are_right, gradients, margin_losses


def margin(norm: float) -> float:
    share = (min(110.0, max(10.0, norm)) - 10.0) / 100.0
    return 0.45 + (0.8 - 0.45) * share


@pytest.mark.parametrize("monotonic", [False, True])
def test_the_loss_is_the_papers_formula(monotonic: bool) -> None:
    head = build("magface", scale=16.0, monotonic=monotonic)
    features, labels = batch(30)
    features = features * 3
    norms = features.norm(dim=1).numpy()
    assert norms.min() < 30 and norms.max() > 110

    def target(theta: float, row: int) -> float:
        m = margin(norms[row])
        return math.cos(theta + m) if not monotonic or theta < math.pi - m else math.cos(theta) - m * math.sin(m)

    clipped = np.clip(norms, 10, 110)
    regulariser = (1 / clipped + clipped / 110**2).mean()
    expected = margin_losses(head, features, labels, target).mean() + 35 * regulariser
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


def test_derivatives_reach_the_length_through_margin_and_regulariser() -> None:
    head = build("magface", scale=4.0)
    features, labels = batch(6)
    assert derivatives_are_right(head, features, labels)
    along = (gradients(head, features, labels)[1] * features).sum(dim=1)
    assert (along.abs() > 1e-6).all()


def test_under_the_detached_gradient_only_the_regulariser_pulls_at_the_length() -> None:
    features, labels = batch()
    head = build("magface", gradient="detached")
    norms = features.norm(dim=1)
    along = (gradients(head, features, labels)[1] * features).sum(dim=1) / norms
    inside = (norms > 10) & (norms < 110)
    expected = 35 * (1 / 110**2 - 1 / norms**2) / len(norms)
    assert torch.allclose(along[inside], expected[inside], atol=1e-9)
    assert torch.allclose(along[~inside], torch.zeros_like(along[~inside]), atol=1e-9)


def test_a_margin_that_does_not_grow_and_no_regulariser_is_arcface() -> None:
    head = build("magface", margin_radians_low=0.5, margin_radians_high=0.5, regulariser_weight=0.0)
    ours, theirs = gradients(head, *batch()), gradients(build("arcface"), *batch())
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    assert torch.allclose(ours[1], theirs[1], atol=1e-12) and torch.allclose(ours[2], theirs[2], atol=1e-12)


def test_the_regulariser_is_smallest_at_the_longest_length() -> None:
    head = build("magface")
    norms = torch.linspace(10, 110, 200, dtype=torch.float64)
    assert (head.regulariser(norms).diff() < 0).all()
    assert head.margin(torch.tensor([0.0, 10.0, 60.0, 110.0, 500.0])).tolist() == pytest.approx(
        [0.45, 0.45, 0.625, 0.8, 0.8]
    )


def test_the_warm_up_scales_the_margin_and_not_the_regulariser() -> None:
    head = build("magface", scale=16.0)
    head.margin_fraction = 0.0
    features, labels = batch()
    norms = np.clip(features.norm(dim=1).numpy(), 10, 110)
    expected = build("norm-softmax", scale=16.0)(features, labels).item() + 35 * (1 / norms + norms / 110**2).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


def test_ranges_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="margin_radians_low and margin_radians_high must rise"):
        build("magface", margin_radians_low=0.9)
    with pytest.raises(ValueError, match="norm_low and norm_high must rise above 0, found 0 and 110"):
        build("magface", norm_low=0)
