from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import batch, build, cosines_of, derivatives_are_right, margin_losses


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9])
def test_the_loss_is_the_papers_formula(t: float) -> None:
    head = build("curricular", scale=16.0)
    head.t.fill_(t)
    features, labels = batch()
    changed = []

    def other(cosine: float, theta: float) -> float:
        hard = cosine > math.cos(theta + 0.5)
        changed.append(hard)
        return cosine * (t + cosine) if hard else cosine

    expected = margin_losses(head, features, labels, lambda theta, _: math.cos(theta + 0.5), other).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)
    assert any(changed) and not all(changed)


def test_the_mask_keeps_the_plain_margin_where_the_target_is_the_monotonic_one() -> None:
    head = build("curricular", scale=16.0, margin_radians=1.5, monotonic=True)
    head.t.fill_(0.5)
    features, labels = batch()

    def target(theta: float, _: int) -> float:
        return math.cos(theta + 1.5) if theta < math.pi - 1.5 else math.cos(theta) - 1.5 * math.sin(1.5)

    def other(cosine: float, theta: float) -> float:
        return cosine * (0.5 + cosine) if cosine > math.cos(theta + 1.5) else cosine

    expected = margin_losses(head, features, labels, target, other).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


def test_t_follows_the_mean_target_cosine_of_training_batches_before_it_is_used() -> None:
    head, reference = build("curricular", t_rate=0.1), build("curricular")
    head.train()
    expected = 0.0
    for seed in range(3):
        features, labels = batch(seed=seed)
        mean = cosines_of(head, features)[np.arange(len(labels)), labels].mean()
        expected = 0.1 * mean + 0.9 * expected
        loss = head(features, labels)
        assert head.t.item() == pytest.approx(expected, rel=1e-10)
        reference.t.fill_(expected)
        assert loss.item() == pytest.approx(reference(features, labels).item(), rel=1e-10)
    head.eval()
    head(*batch(seed=9))
    assert head.t.item() == pytest.approx(expected, rel=1e-10)


def test_the_papers_rate_is_a_hundredth_and_t_starts_at_zero() -> None:
    head = build("curricular")
    assert head.t.item() == 0 and head.t_rate == 0.01


@pytest.mark.parametrize("monotonic", [False, True])
def test_derivatives(monotonic: bool) -> None:
    head = build("curricular", scale=4.0, monotonic=monotonic)
    head.t.fill_(0.4)
    assert derivatives_are_right(head, *batch(6))


def test_a_hard_negative_pulls_with_slope_two_cosines_plus_t() -> None:
    head = build("curricular")
    own = torch.tensor([-0.9], dtype=torch.float64)
    slopes = []
    for t in (0.0, 0.5, 1.0):
        head.t.fill_(t)
        cosine = torch.tensor([[0.4]], dtype=torch.float64, requires_grad=True)
        head.row_rule(own, own.abs()).negatives.applied(cosine).backward()
        slopes.append(cosine.grad.item())
    assert slopes == pytest.approx([0.8, 1.3, 1.8])


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"t_rate must lie in 0 \.\. 1, found 2"):
        build("curricular", t_rate=2)
    with pytest.raises(ValueError, match="margin_radians must lie in"):
        build("curricular", margin_radians=4.0)
