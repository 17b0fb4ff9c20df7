"""The rule that heads describe themselves by, and what the base class makes of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hyperface_lib.losses.cosine_head import CosineHead, HardNegatives, RowRule, angle_record

COSINES = torch.tensor([[0.5, 0.9, -0.2, 0.3], [0.1, -0.4, 0.8, 0.75]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


class HalvedTarget(CosineHead):
    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        return RowRule(own / 2 + norms, HardNegatives(own, quadratic=0.5, slope=2.0, offset=-0.25))


class SumOfLosses(CosineHead):
    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        return losses.sum() + 10 * own.sum() + 100 * norms.sum()


def test_hard_negatives_above_the_threshold_are_changed_and_the_others_are_not() -> None:
    changed = HardNegatives(torch.tensor([0.5, 0.75]), quadratic=0.5, slope=2.0, offset=-0.25).applied(COSINES)
    expected = COSINES.clone()
    expected[0, 1] = 0.5 * 0.81 + 2 * 0.9 - 0.25
    expected[1, 2] = 0.5 * 0.64 + 2 * 0.8 - 0.25
    torch.testing.assert_close(changed, expected)


def test_no_gradient_passes_through_the_threshold() -> None:
    threshold = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    cosines = COSINES.clone().requires_grad_()
    HardNegatives(threshold, slope=3.0).applied(cosines).sum().backward()
    assert threshold.grad is None
    torch.testing.assert_close(cosines.grad, torch.where(COSINES > 0, 3.0, 1.0).double())


def test_the_target_is_replaced_whatever_becomes_of_the_negatives() -> None:
    target = torch.tensor([-7.0, -8.0], dtype=torch.float64)
    applied = RowRule(target, HardNegatives(torch.tensor([-2.0, -2.0]), slope=0.0, offset=4.0)).applied(COSINES, LABELS)
    expected = torch.full_like(COSINES, 4.0)
    expected[0, 0], expected[1, 2] = -7.0, -8.0
    assert torch.equal(applied, expected)
    assert torch.equal(RowRule(COSINES[[0, 1], LABELS]).applied(COSINES, LABELS), COSINES)


def test_the_loss_is_the_rules_formula() -> None:
    torch.manual_seed(0)
    head = HalvedTarget(4, 6, scale=5.0).double()
    features = torch.randn(7, 4, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 0])
    x, w = features.numpy(), head.weight.detach().numpy()
    norms = np.linalg.norm(x, axis=1)
    cosines = (x / norms[:, None]) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    losses = []
    for row, norm, label in zip(cosines, norms, labels.tolist(), strict=True):
        changed = np.where(row > row[label], 0.5 * row**2 + 2 * row - 0.25, row)
        changed[label] = row[label] / 2 + norm
        logits = 5.0 * changed
        losses.append(math.log(np.exp(logits).sum()) - logits[label])
    assert head(features, labels).item() == pytest.approx(np.mean(losses), rel=1e-12)
    assert head.plain_loss(features, labels).item() == pytest.approx(np.mean(losses), rel=1e-12)


def test_reduce_gets_losses_target_cosines_and_lengths() -> None:
    torch.manual_seed(0)
    head = SumOfLosses(4, 3, scale=5.0)
    features, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, -1])
    own = head.cosines(features)[:5].gather(1, labels[:5, None])
    losses = torch.nn.functional.cross_entropy(5.0 * head.cosines(features)[:5], labels[:5], reduction="sum")
    expected = losses + 10 * own.sum() + 100 * features[:5].norm(dim=1).sum()
    torch.testing.assert_close(head(features, labels), expected)


def test_a_learnable_scale_is_a_parameter_that_learns() -> None:
    torch.manual_seed(0)
    head = CosineHead(4, 3, scale=2.0, learnable_scale=True)
    assert "scale" in dict(head.named_parameters()) and "scale" not in dict(CosineHead(4, 3).named_parameters())
    optimizer = torch.optim.SGD([head.scale], lr=1.0)
    # Features at their own centres are told better by a larger scale.
    for _ in range(5):
        optimizer.zero_grad()
        head(head.weight.detach(), torch.arange(3)).backward()
        optimizer.step()
    assert head.scale.item() > 2.0


def test_without_rows_everything_gets_a_gradient_of_zero() -> None:
    head = CosineHead(4, 3, learnable_scale=True)
    features = torch.randn(0, 4, requires_grad=True)
    loss = head(features, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0 and not head.weight.grad.any() and not head.scale.grad.any()


def test_angles_of_cosines_beyond_one_and_of_no_other_class() -> None:
    record = angle_record(torch.tensor([1.0001, -1.0001, 0.0]), torch.full((3,), -torch.inf))
    torch.testing.assert_close(record.target_degrees, torch.tensor([0.0, 180.0, 90.0]))
    assert record.nearest_other_degrees.shape == (0,)
