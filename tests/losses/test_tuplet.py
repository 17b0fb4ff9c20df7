"""Tuplet margin and N-pair losses are the papers' formulas; what all tuple losses share is in test_triplet.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head

DIMENSION = 6


def make(**options: object) -> torch.nn.Module:
    return create_head("tuplet", dimension=DIMENSION, classes=100, **options)


def batch(count: int = 18, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randperm(count, generator=generator) % classes
    return torch.randn(count, DIMENSION, generator=generator, dtype=torch.float64) * 3, labels


def unit_rows_by_hand(features: torch.Tensor) -> np.ndarray:
    return features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.1), (4.0, 0.0), (10.0, 0.6)])
def test_tuplet_margin_is_the_formula(scale: float, margin: float) -> None:
    features, labels = batch()
    unit, label = unit_rows_by_hand(features), labels.tolist()
    losses = []
    for a in range(len(label)):
        for p in range(len(label)):
            if a == p or label[a] != label[p]:
                continue
            eased = math.cos(math.acos(unit[a] @ unit[p]) - margin)
            others = [unit[a] @ unit[n] for n in range(len(label)) if label[n] != label[a]]
            losses.append(math.log(1 + sum(math.exp(scale * (other - eased)) for other in others)))
    head = make(scale=scale, margin_radians=margin)
    assert head(features, labels).item() == pytest.approx(float(np.mean(losses)), rel=1e-9)


def test_n_pair_is_the_formula() -> None:
    features, labels = batch()
    unit, label = unit_rows_by_hand(features), labels.tolist()
    pairs = [[i for i, other in enumerate(label) if other == own][:2] for own in sorted(set(label))]
    losses = []
    for a, p in pairs:
        others = [unit[a] @ unit[q] for _, q in pairs if q != p]
        losses.append(math.log(1 + sum(math.exp(other - unit[a] @ unit[p]) for other in others)))
    head = make(scale=1.0, margin_radians=0.0, miner="n-pair")
    assert head(features, labels).item() == pytest.approx(float(np.mean(losses)), rel=1e-9)


def test_hard_tuples_hold_one_negative() -> None:
    features, labels = batch()
    unit, label = unit_rows_by_hand(features), labels.tolist()
    losses = []
    for a in range(len(label)):
        positive = min(unit[a] @ unit[p] for p in range(len(label)) if p != a and label[p] == label[a])
        negative = max(unit[a] @ unit[n] for n in range(len(label)) if label[n] != label[a])
        losses.append(math.log(1 + math.exp(8 * (negative - math.cos(math.acos(positive) - 0.1)))))
    head = make(scale=8.0, margin_radians=0.1, miner="hard")
    assert head(features, labels).item() == pytest.approx(float(np.mean(losses)), rel=1e-9)


@pytest.mark.parametrize("kind", ["TupletMarginLoss", "NPairsLoss"])
def test_agrees_with_pytorch_metric_learning(kind: str) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    if kind == "NPairsLoss":
        theirs, ours = losses.NPairsLoss(), make(scale=1.0, margin_radians=0.0, miner="n-pair")
    else:
        theirs = losses.TupletMarginLoss(margin=math.degrees(0.1), scale=64)
        ours = make(scale=64.0, margin_radians=0.1)
    features, labels = batch()
    mine, yours = features.clone().requires_grad_(), features.clone().requires_grad_()
    first, second = ours(mine, labels), theirs(yours, labels)
    assert first.item() == pytest.approx(second.item(), rel=1e-5)
    first.backward()
    second.backward()
    assert torch.allclose(mine.grad, yours.grad, rtol=1e-5, atol=1e-5)


def test_equal_positives_are_finite_where_an_unclamped_arccos_is_not() -> None:
    row = torch.randn(1, DIMENSION, generator=torch.Generator().manual_seed(0))
    features = torch.cat([row.expand(20, -1), -row.expand(2, -1)]).clone().requires_grad_()
    loss = make()(features, torch.tensor([0] * 20 + [1] * 2))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(features.grad).all()


def test_more_slack_gives_a_lower_loss() -> None:
    features, labels = batch()
    losses = [make(margin_radians=slack)(features, labels).item() for slack in (0.0, 0.1, 0.3)]
    assert losses[0] > losses[1] > losses[2]


def test_the_defaults_are_the_papers() -> None:
    head = make()
    assert head.scale == 64 and math.degrees(head.margin_radians) == pytest.approx(5.73, abs=0.01)


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="scale must be above 0, found 0"):
        make(scale=0)
    with pytest.raises(ValueError, match=r"margin_radians must lie in 0 \.\. pi / 2, found 5.73"):
        make(margin_radians=5.73)
