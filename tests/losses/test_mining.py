from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import batch, build, cosines_of, derivatives_are_right, gradients, margin_losses, softmax_losses


def plain(head: object, features: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    return softmax_losses(head.scale * cosines_of(head, features), labels)


@pytest.mark.parametrize(("fraction", "kept"), [(0.9, 13), (0.5, 7), (0.01, 1), (1.0, 15)])
def test_hm_softmax_is_the_mean_of_the_highest_losses(fraction: float, kept: int) -> None:
    head = build("hm-softmax", scale=8.0, hard_fraction=fraction)
    features, labels = batch(15)
    expected = np.sort(plain(head, features, labels))[::-1][:kept].mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


def test_hm_softmax_gives_easy_samples_no_gradient() -> None:
    head = build("hm-softmax", scale=8.0, hard_fraction=0.4)
    features, labels = batch(10)
    easy = np.argsort(plain(head, features, labels))[:6]
    to_features = gradients(head, features, labels)[1]
    silent = (to_features == 0).all(dim=1).nonzero().flatten().tolist()
    assert silent == sorted(easy.tolist())


def test_a_fraction_of_ten_rows_is_not_one_short_by_rounding() -> None:
    head = build("hm-softmax", scale=8.0, hard_fraction=0.9)
    features, labels = batch(10)
    assert head(features, labels).item() == pytest.approx(np.sort(plain(head, features, labels))[1:].mean(), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_softmax_is_the_papers_formula(gamma: float) -> None:
    head = build("focal", scale=8.0, focal_gamma=gamma)
    features, labels = batch()
    losses = plain(head, features, labels)
    expected = ((1 - np.exp(-losses)) ** gamma * losses).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_gradient_flows_through_the_weight(gamma: float) -> None:
    assert derivatives_are_right(build("focal", scale=6.0, focal_gamma=gamma), *batch(6))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_gradient_is_finite_where_the_loss_is_zero(gamma: float) -> None:
    head = build("focal", focal_gamma=gamma, scale=1000.0)
    features = head.weight.detach().clone()
    loss, to_features, to_weight = gradients(head, features, torch.arange(len(features)))
    assert loss == pytest.approx(0, abs=1e-9)
    assert torch.isfinite(to_features).all() and torch.isfinite(to_weight).all()


@pytest.mark.parametrize(("name", "options"), [("focal", {"focal_gamma": 0.0}), ("hm-softmax", {"hard_fraction": 1.0})])
def test_mining_everything_alike_is_the_normalised_softmax(name: str, options: dict[str, float]) -> None:
    mined = gradients(build(name, scale=8.0, **options), *batch())
    softmax = gradients(build("norm-softmax", scale=8.0), *batch())
    assert mined[0] == pytest.approx(softmax[0], rel=1e-12)
    assert torch.allclose(mined[1], softmax[1], atol=1e-12) and torch.allclose(mined[2], softmax[2], atol=1e-12)


def test_mining_margin_multiplies_the_focal_weight_with_the_margins_loss() -> None:
    head = build("mining-margin", scale=8.0, margin_radians=0.3, margin_cosine=0.1)
    features, labels = batch()
    losses = margin_losses(head, features, labels, lambda theta, _: math.cos(theta + 0.3) - 0.1)
    expected = ((1 - np.exp(-losses)) ** 2 * losses).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


def test_mining_margin_keeps_the_hardest_of_the_margins_losses() -> None:
    head = build("mining-margin", scale=8.0, mining="hard", hard_fraction=0.6)
    features, labels = batch(15)
    losses = margin_losses(head, features, labels, lambda theta, _: math.cos(theta + 0.5))
    assert head(features, labels).item() == pytest.approx(np.sort(losses)[-9:].mean(), rel=1e-12)


@pytest.mark.parametrize("mining", ["focal", "hard"])
def test_derivatives_of_mining_margin(mining: str) -> None:
    head = build("mining-margin", scale=6.0, mining=mining, hard_fraction=0.5)
    assert derivatives_are_right(head, *batch(6))


def test_mining_margin_without_mining_is_arcface_and_without_margin_is_focal() -> None:
    features, labels = batch()
    assert build("mining-margin", focal_gamma=0.0)(features, labels).item() == pytest.approx(
        build("arcface")(features, labels).item(), rel=1e-12
    )
    assert build("mining-margin", margin_radians=0.0)(features, labels).item() == pytest.approx(
        build("focal")(features, labels).item(), rel=1e-12
    )


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="hard_fraction must be above 0 and at most 1, found 0"):
        build("hm-softmax", hard_fraction=0)
    with pytest.raises(ValueError, match="focal_gamma must be a finite number of at least 0, found -1"):
        build("focal", focal_gamma=-1)
    with pytest.raises(ValueError, match="mining must be one of focal, hard, found 'soft'"):
        build("mining-margin", mining="soft")
