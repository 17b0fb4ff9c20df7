"""Contrastive loss is the paper's formula; what all tuple losses share is in test_triplet.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head

DIMENSION = 6


def make(**options: object) -> torch.nn.Module:
    return create_head("contrastive", dimension=DIMENSION, classes=100, **options)


def batch(count: int = 18, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(count) % classes
    return torch.randn(count, DIMENSION, generator=generator, dtype=torch.float64) * 3, labels


def mean_above_zero(hinges: list[float], power: int) -> float:
    losses = [hinge if power == 1 else hinge**2 / 2 for hinge in hinges if hinge > 0]
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("distance", ["euclidean", "squared"])
@pytest.mark.parametrize(("margin", "rest"), [(1.0, 0.0), (1.3, 0.9)])
def test_loss_is_the_formula(distance: str, power: int, margin: float, rest: float) -> None:
    features, labels = batch()
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    positive, negative = [], []
    for i in range(len(unit)):
        for j in range(i):
            square = float(((unit[i] - unit[j]) ** 2).sum())
            between = square if distance == "squared" else math.sqrt(square)
            if labels[i] == labels[j]:
                positive.append(between - rest)
            else:
                negative.append(margin - between)
    head = make(margin_distance=margin, positive_margin_distance=rest, distance=distance, power=power)
    expected = mean_above_zero(positive, power) + mean_above_zero(negative, power)
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-9)


def test_hard_takes_the_worst_pair_of_each_kind_for_every_row() -> None:
    features, labels = batch()
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - unit[None, :], axis=2)
    same = labels.numpy()[:, None] == labels.numpy()[None, :]
    farthest = np.where(same, distances, -1).max(axis=1)
    nearest = np.where(same, 9, distances).min(axis=1)
    expected = mean_above_zero(list(farthest), 2) + mean_above_zero(list(1.2 - nearest), 2)
    assert make(margin_distance=1.2, miner="hard")(features, labels).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rest", [0.0, 0.5])
def test_agrees_with_pytorch_metric_learning(rest: float) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.ContrastiveLoss(pos_margin=rest, neg_margin=1.1)
    ours = make(margin_distance=1.1, positive_margin_distance=rest, power=1)
    features, labels = batch(30)
    mine, yours = features.clone().requires_grad_(), features.clone().requires_grad_()
    first, second = ours(mine, labels), theirs(yours, labels)
    assert first.item() == pytest.approx(second.item(), rel=1e-5)
    first.backward()
    second.backward()
    assert torch.allclose(mine.grad, yours.grad, atol=1e-5)


def test_equal_positives_rest_and_negatives_beyond_the_margin_rest() -> None:
    features = torch.zeros(4, DIMENSION, dtype=torch.float64)
    features[:2, 0], features[2:, 1] = 2.0, 5.0
    features.requires_grad_()
    loss = make(margin_distance=1.0)(features, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == 0 and not features.grad.any()


def test_margin_fraction_leaves_the_margins_alone() -> None:
    features, labels = batch()
    head = make()
    whole = head(features, labels).item()
    head.margin_fraction = 0.0
    assert head(features, labels).item() == whole


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"positive_margin_distance must lie in 0 \.\. 1, found 1.5"):
        make(positive_margin_distance=1.5)
    with pytest.raises(ValueError, match="power must be 1 or 2, found 3"):
        make(power=3)
    with pytest.raises(ValueError, match=r"margin_distance must lie in 0 \.\. 4, found 5"):
        make(distance="squared", margin_distance=5)
