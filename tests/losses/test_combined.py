from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.losses import combined_cosine

from .by_hand import batch, build, derivatives_are_right, gradients, margin_losses

MARGINS = [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.0, 0.0), (1.7, -0.3, 0.1), (0.5, 0.2, -0.3), (4.0, 0.1, 0.0)]


@pytest.mark.parametrize(("factor", "radians", "cosine"), MARGINS)
def test_the_loss_is_the_papers_formula(factor: float, radians: float, cosine: float) -> None:
    head = build("combined", scale=10.0, margin_factor=factor, margin_radians=radians, margin_cosine=cosine)
    features, labels = batch()

    def target(theta: float, _: int) -> float:
        return math.cos(factor * theta + radians) - cosine

    assert head(features, labels).item() == pytest.approx(
        margin_losses(head, features, labels, target).mean(), rel=1e-12
    )


@given(
    theta=st.floats(0.01, 3.13),
    factor=st.floats(0.3, 5.0),
    radians=st.floats(-1.0, 1.5),
    cosine=st.floats(-0.5, 0.5),
)
def test_the_monotonic_form_is_the_extension_by_pieces(
    theta: float, factor: float, radians: float, cosine: float
) -> None:
    angle = factor * theta + radians
    k = math.floor(angle / math.pi)
    expected = (-1) ** k * math.cos(angle) - 2 * k - cosine
    found = combined_cosine(
        torch.tensor([math.cos(theta)], dtype=torch.float64), factor, radians, cosine, monotonic=True
    )
    assert found.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("factor", "radians", "cosine"), MARGINS)
def test_the_monotonic_form_falls_all_the_way_without_a_jump(factor: float, radians: float, cosine: float) -> None:
    theta = torch.linspace(0.0, math.pi, 4001, dtype=torch.float64)
    steps = combined_cosine(torch.cos(theta), factor, radians, cosine, monotonic=True).diff()
    assert (steps < 0).sum() >= 3980 and (steps < 1e-9).all()
    assert (steps.abs() < 1.01 * factor * math.pi / 4000).all()


@pytest.mark.parametrize(
    ("name", "options", "same"),
    [
        ("arcface", {"margin_radians": 0.5}, {"margin_radians": 0.5, "margin_cosine": 0.0}),
        ("cosface", {"margin_cosine": 0.35}, {"margin_radians": 0.0, "margin_cosine": 0.35}),
        ("norm-softmax", {}, {"margin_radians": 0.0, "margin_cosine": 0.0}),
        (
            "sphereface",
            {"margin_factor": 1.7, "lambda_base": 0.0, "lambda_minimum": 0.0},
            {"margin_factor": 1.7, "margin_radians": 0.0, "margin_cosine": 0.0, "monotonic": True},
        ),
    ],
)
def test_single_margins_are_special_cases(name: str, options: dict[str, float], same: dict[str, float]) -> None:
    features, labels = batch()
    single = gradients(build(name, scale=20.0, **options), features, labels)
    combined = gradients(build("combined", scale=20.0, **same), features, labels)
    assert combined[0] == pytest.approx(single[0], rel=1e-12)
    assert torch.allclose(combined[1], single[1], atol=1e-12) and torch.allclose(combined[2], single[2], atol=1e-12)


@pytest.mark.parametrize("monotonic", [False, True])
@pytest.mark.parametrize(("factor", "radians", "cosine"), MARGINS)
def test_derivatives(factor: float, radians: float, cosine: float, monotonic: bool) -> None:
    head = build(
        "combined",
        scale=4.0,
        margin_factor=factor,
        margin_radians=radians,
        margin_cosine=cosine,
        monotonic=monotonic,
    )
    assert derivatives_are_right(head, *batch(5))


def test_the_margin_warms_up_from_none_with_the_factor_starting_at_one() -> None:
    features, labels = batch()
    head = build("combined", scale=10.0, margin_factor=2.0, margin_radians=0.4, margin_cosine=0.2)
    head.margin_fraction = 0.25

    def target(theta: float, _: int) -> float:
        return math.cos(1.25 * theta + 0.1) - 0.05

    expected = margin_losses(head, features, labels, target).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)
    head.margin_fraction = 0.0
    assert head(features, labels).item() == pytest.approx(
        build("norm-softmax", scale=10.0)(features, labels).item(), rel=1e-12
    )


def test_factors_that_are_no_factor_are_refused() -> None:
    for factor in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="margin_factor must be"):
            build("combined", margin_factor=factor)
