from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import CLASSES, DIMENSION, batch, build, derivatives_are_right, margin_losses


def psi(theta: float, factor: float) -> float:
    k = math.floor(factor * theta / math.pi)
    return (-1) ** k * math.cos(factor * theta) - 2 * k


@pytest.mark.parametrize("factor", [1.0, 1.35, 1.7, 2.0, 4.0])
def test_psi_alone_is_the_papers_formula_for_any_factor(factor: float) -> None:
    head = build("sphereface", scale=16.0, margin_factor=factor, lambda_base=0.0, lambda_minimum=0.0)
    features, labels = batch()
    expected = margin_losses(head, features, labels, lambda theta, _: psi(theta, factor)).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("iteration", [0, 1, 100, 2000])
def test_lambda_mixes_plain_softmax_in_and_falls_to_its_minimum(iteration: int) -> None:
    head = build("sphereface", scale=16.0)
    head.iteration.fill_(iteration)
    mixed = max(5.0, 1000.0 * (1 + 0.12 * iteration) ** -1)
    assert head.annealing == pytest.approx(mixed, rel=1e-12)
    features, labels = batch()

    def target(theta: float, _: int) -> float:
        return (mixed * math.cos(theta) + psi(theta, 4.0)) / (1 + mixed)

    expected = margin_losses(head, features, labels, target).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


def test_the_schedules_power_and_rate_are_those_of_the_formula() -> None:
    head = build("sphereface", lambda_base=50.0, lambda_gamma=0.5, lambda_power=2.0, lambda_minimum=1.0)
    values = []
    for iteration in range(20):
        head.iteration.fill_(iteration)
        values.append(head.annealing)
    assert values == pytest.approx([max(1.0, 50.0 * (1 + 0.5 * i) ** -2) for i in range(20)])
    assert values[-1] == 1.0


def test_batches_are_counted_in_training_only_and_the_first_one_counts_as_one() -> None:
    head = build("sphereface")
    head(*batch())
    assert head.iteration.item() == 0
    head.train()
    head(*batch())
    head(*batch())
    assert head.iteration.item() == 2
    features, _ = batch()
    head(features, torch.full((len(features),), -1))
    assert head.iteration.item() == 2


@pytest.mark.parametrize("factor", [1.7, 4.0])
def test_derivatives(factor: float) -> None:
    head = build("sphereface", scale=4.0, margin_factor=factor, lambda_base=3.0, lambda_minimum=0.0)
    assert derivatives_are_right(head, *batch(6))


def test_it_agrees_with_pytorch_metric_learning_on_features_as_long_as_the_scale() -> None:
    # Theirs takes the feature's length for the scale, whole factors only and no annealing: a margin of 4 that hardly
    # trains. The rest of its formula is right. The gradient along a feature differs, because ours has a fixed scale.
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.SphereFaceLoss(CLASSES, DIMENSION, margin=4, scale=1).double()
    head = build("sphereface", scale=30.0, lambda_base=0.0, lambda_minimum=0.0)
    theirs.W.data.copy_(head.weight.detach().T)
    features, labels = batch(40)
    features = torch.nn.functional.normalize(features) * 30.0
    loss, other = head(features, labels), theirs(features, labels)
    loss.backward()
    other.backward()
    assert loss.item() == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(head.weight.grad, theirs.W.grad.T, rtol=1e-5, atol=1e-5)


def test_the_instability_of_a_large_factor_is_in_the_derivative_of_the_target() -> None:
    theta = torch.linspace(0.05, math.pi / 2, 500, dtype=torch.float64)
    steepest = {}
    for factor in (1.35, 4.0):
        head = build("sphereface", margin_factor=factor, lambda_base=0.0, lambda_minimum=0.0)
        own = torch.cos(theta).requires_grad_()
        (slope,) = torch.autograd.grad(head.row_rule(own, torch.ones_like(own)).target.sum(), own)
        steepest[factor] = slope.abs().max().item()
    assert steepest[4.0] > 5 * steepest[1.35]


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"margin_factor must be a finite number of at least 1, found 0\.5"):
        build("sphereface", margin_factor=0.5)
    with pytest.raises(ValueError, match="lambda_minimum must be a finite number of at least 0, found nan"):
        build("sphereface", lambda_minimum=np.nan)
