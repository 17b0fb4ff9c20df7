from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.losses import add_angle, angle_of, falling_cosine, unit_rows
from hyperface_lib.losses.margins import check_number


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


def test_a_margin_for_each_row_is_the_same_as_that_margin_alone() -> None:
    cosines = torch.linspace(-0.99, 0.99, 7, dtype=torch.float64)
    margins = torch.linspace(-0.5, 1.2, 7, dtype=torch.float64)
    for monotonic in (False, True):
        alone = [add_angle(c, m.item(), monotonic=monotonic) for c, m in zip(cosines, margins, strict=True)]
        assert torch.allclose(add_angle(cosines, margins, monotonic=monotonic), torch.stack(alone), atol=1e-14)
    assert torch.autograd.gradcheck(lambda m: add_angle(cosines, m), (margins.requires_grad_(),))


def test_angles_are_exact_and_their_slope_is_that_of_the_arccosine() -> None:
    angles = torch.linspace(0.01, 3.13, 50, dtype=torch.float64)
    cosines = torch.cos(angles).requires_grad_()
    assert torch.allclose(angle_of(cosines), angles, atol=1e-12)
    assert torch.autograd.gradcheck(angle_of, (cosines,))
    assert torch.autograd.gradgradcheck(angle_of, (cosines[5:-5].detach().requires_grad_(),))


@pytest.mark.parametrize("value", [1.0, -1.0, 1.0 - 2**-24, 1.0 + 2**-23, -1.0 - 2**-23])
def test_angles_at_and_just_beyond_the_ends_have_a_finite_slope(value: float) -> None:
    cosine = torch.tensor([value], requires_grad=True)
    angle = angle_of(cosine)
    angle.backward()
    assert angle.item() == pytest.approx(math.acos(max(-1.0, min(1.0, value))), abs=1e-3)
    assert -1001 < cosine.grad.item() < -900


def test_the_falling_cosine_falls_for_ever_and_starts_as_the_cosine() -> None:
    angles = torch.linspace(-4.0, 20.0, 3001, dtype=torch.float64)
    values = falling_cosine(angles)
    assert (values.diff() < 1e-12).all()
    first = (angles >= 0) & (angles < math.pi)
    assert torch.allclose(values[first], torch.cos(angles[first]), atol=1e-14)
    whole_turns = falling_cosine(torch.arange(5, dtype=torch.float64) * math.pi)
    assert torch.allclose(whole_turns, 1.0 - 2.0 * torch.arange(5, dtype=torch.float64), atol=1e-12)


def test_numbers_out_of_range_are_named_with_what_was_expected() -> None:
    assert check_number("t", 2, low=1.0) == 2.0
    with pytest.raises(ValueError, match="t must be a finite number of at least 1, found 0"):
        check_number("t", 0, low=1.0)
    with pytest.raises(ValueError, match=r"t must lie in 0 \.\. 1, found inf"):
        check_number("t", math.inf, low=0.0, high=1.0)
    with pytest.raises(ValueError, match="t must be a finite number, found nan"):
        check_number("t", math.nan)
