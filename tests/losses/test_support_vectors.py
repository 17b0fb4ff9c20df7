from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from .by_hand import batch, build, cosines_of, derivatives_are_right, gradients

MARGINS: dict[str, Callable[[float], float]] = {
    "sv-softmax": math.cos,
    "sv-am": lambda theta: math.cos(theta) - 0.35,
    "sv-arc": lambda theta: math.cos(theta + 0.5),
}
WITHOUT = {"sv-softmax": "norm-softmax", "sv-am": "cosface", "sv-arc": "arcface"}


def losses_by_hand(head: object, features: torch.Tensor, labels: torch.Tensor, t: float, name: str) -> list[float]:
    """-log(e^{s f} / (e^{s f} + sum_k h e^{s cos_k})) with h = e^{s (t - 1) (cos_k + 1) I_k}, as printed."""
    s, losses = head.scale, []
    for row, label in zip(cosines_of(head, features), labels.tolist(), strict=True):
        f = MARGINS[name](float(np.arccos(row[label])))
        others = 0.0
        for k, cosine in enumerate(row):
            if k != label:
                indicator = 1.0 if cosine > f else 0.0
                others += math.exp(s * (t - 1) * (cosine + 1) * indicator) * math.exp(s * cosine)
        losses.append(-math.log(math.exp(s * f) / (math.exp(s * f) + others)))
    return losses


@pytest.mark.parametrize("t", [1.0, 1.2, 2.0])
@pytest.mark.parametrize("name", MARGINS)
def test_the_loss_is_the_papers_formula(name: str, t: float) -> None:
    head = build(name, scale=8.0, t=t)
    features, labels = batch()
    expected = np.mean(losses_by_hand(head, features, labels, t, name))
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", MARGINS)
def test_the_batch_has_support_vectors_and_others(name: str) -> None:
    head = build(name)
    features, labels = batch()
    cosines, rows = cosines_of(head, features), np.arange(len(labels))
    targets = np.array([MARGINS[name](theta) for theta in np.arccos(cosines[rows, labels])])
    share = (cosines > targets[:, None]).mean()
    assert 0.2 < share < 0.95


@pytest.mark.parametrize("name", MARGINS)
def test_derivatives_flow_through_h_and_not_through_the_mask(name: str) -> None:
    assert derivatives_are_right(build(name, scale=4.0), *batch(6))


@pytest.mark.parametrize("name", MARGINS)
def test_without_emphasis_it_is_the_head_it_is_built_on(name: str) -> None:
    emphasised = gradients(build(name, t=1.0, scale=16.0), *batch())
    base = gradients(build(WITHOUT[name], scale=16.0), *batch())
    assert emphasised[0] == pytest.approx(base[0], rel=1e-12)
    assert torch.allclose(emphasised[1], base[1], atol=1e-12) and torch.allclose(emphasised[2], base[2], atol=1e-12)


@pytest.mark.parametrize(("name", "margin"), [("sv-am", "margin_cosine"), ("sv-arc", "margin_radians")])
def test_without_margin_it_is_sv_softmax_also_while_the_margin_warms_up(name: str, margin: str) -> None:
    expected = build("sv-softmax")(*batch()).item()
    assert build(name, **{margin: 0.0})(*batch()).item() == pytest.approx(expected, rel=1e-12)
    head = build(name)
    head.margin_fraction = 0.0
    assert head(*batch()).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", MARGINS)
def test_t_is_public_codes_t_plus_one(name: str) -> None:
    # Their form of a hard negative: (t' + 1) cos + t'.
    head = build(name, t=1.2)
    own = torch.tensor([-1.0], dtype=torch.float64)
    changed = head.row_rule(own, torch.ones_like(own)).negatives.applied(torch.tensor([[0.3]], dtype=torch.float64))
    assert changed.item() == pytest.approx(1.2 * 0.3 + 0.2, rel=1e-12)


@pytest.mark.parametrize("name", MARGINS)
def test_a_well_classified_sample_is_left_alone_and_a_support_vector_raises_the_loss(name: str) -> None:
    head, base = build(name, t=3.0, scale=8.0), build(WITHOUT[name], scale=8.0)
    with torch.no_grad():
        for each in (head, base):
            each.weight.zero_()
            each.weight[:, :5] = torch.eye(5, dtype=torch.float64)
    right = torch.tensor([[1.0, 0.1, 0, 0, 0, 0]], dtype=torch.float64)
    wrong = torch.tensor([[0.1, 1.0, 0, 0, 0, 0]], dtype=torch.float64)
    label = torch.tensor([0])
    assert head(right, label).item() == pytest.approx(base(right, label).item(), rel=1e-12)
    assert head(wrong, label).item() > base(wrong, label).item() + 1


def test_emphasis_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"t must be a finite number of at least 1, found 0\.2"):
        build("sv-softmax", t=0.2)
