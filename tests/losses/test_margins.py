from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.losses import add_angle, unit_rows


@given(angle=st.floats(0.01, 3.13), margin=st.floats(0.0, 1.0))
def test_add_angle_is_the_cosine_of_the_sum(angle: float, margin: float) -> None:
    cosine = torch.tensor([math.cos(angle)], dtype=torch.float64)
    assert add_angle(cosine, margin).item() == pytest.approx(math.cos(angle + margin), abs=1e-9)


def test_add_angle_has_the_analytic_gradient() -> None:
    angles = torch.linspace(0.1, 3.0, 40, dtype=torch.float64)
    cosines = torch.cos(angles).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: add_angle(c, 0.5), (cosines,))
    (gradient,) = torch.autograd.grad(add_angle(cosines, 0.5).sum(), cosines)
    assert torch.allclose(gradient, torch.sin(angles + 0.5) / torch.sin(angles), atol=1e-9)


@pytest.mark.parametrize("value", [1.0, -1.0, 1.0 - 2**-24, 1.0 + 2**-23, -1.0 - 2**-23])
def test_add_angle_is_finite_at_and_just_beyond_the_ends(value: float) -> None:
    cosine = torch.tensor([value], dtype=torch.float32, requires_grad=True)
    shifted = add_angle(cosine, 0.5)
    shifted.backward()
    assert torch.isfinite(shifted).all() and torch.isfinite(cosine.grad).all()
    assert shifted.item() == pytest.approx(math.cos(math.acos(max(-1, min(1, value))) + 0.5), abs=2e-3)


def test_monotonic_variant_falls_over_the_whole_half_circle_and_the_plain_one_does_not() -> None:
    cosines = torch.cos(torch.linspace(0.01, math.pi - 0.01, 500, dtype=torch.float64))
    assert (add_angle(cosines, 0.5, monotonic=True).diff() < 0).all()
    assert (add_angle(cosines, 0.5).diff() > 0).any()


def test_unit_rows_have_length_one_and_zero_rows_stay_zero_without_gradient() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    unit = unit_rows(rows)
    assert torch.allclose(unit, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    unit.sum().backward()
    assert torch.isfinite(rows.grad).all()
    assert torch.equal(rows.grad[1], torch.zeros(2))
