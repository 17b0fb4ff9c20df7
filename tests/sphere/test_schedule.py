"""Schedules: where they begin and end, and that every objective has one that serves it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.sphere import OBJECTIVES, cosine_lower_bound, create_objective, default_annealing
from hyperface_lib.sphere.objectives import SoftObjective
from hyperface_lib.sphere.schedule import ALPHA_SCHEDULES, AlphaSchedule, Annealing

FRACTIONS = st.floats(-0.5, 1.5)


@given(fraction=FRACTIONS, later=FRACTIONS)
def test_annealing_falls_between_its_ends_and_stays_there(fraction: float, later: float) -> None:
    schedule = Annealing(0.5, 0.001, 0.04, 0.0002)
    fraction, later = sorted((fraction, later))
    assert 0.5 >= schedule.temperature(fraction) >= schedule.temperature(later) >= 0.001 * (1 - 1e-12)
    assert 0.04 >= schedule.step_length(fraction) >= schedule.step_length(later) >= 0.0002


def test_annealing_at_its_ends_and_half_way() -> None:
    schedule = Annealing(0.4, 0.001, 0.05, 0.001)
    assert (schedule.temperature(0), schedule.step_length(0)) == (0.4, 0.05)
    assert (schedule.temperature(1), schedule.step_length(1)) == pytest.approx((0.001, 0.001))
    assert schedule.temperature(0.5) == pytest.approx(math.sqrt(0.4 * 0.001))
    assert schedule.step_length(0.5) == pytest.approx((0.05 + 0.001) / 2)


def test_another_first_step_scales_all_of_them() -> None:
    schedule = Annealing(0.4, 0.001, 0.05, 0.001)
    longer = schedule.with_first_step(0.1)
    for fraction in (0.0, 0.3, 1.0):
        assert longer.step_length(fraction) == pytest.approx(2 * schedule.step_length(fraction))
        assert longer.temperature(fraction) == schedule.temperature(fraction)


@pytest.mark.parametrize(("n", "dimension"), [(2, 2), (12, 3), (300, 64), (10_000, 512)])
@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "closest-pair"])
def test_every_soft_objective_has_a_default_of_short_steps(objective: str, n: int, dimension: int) -> None:
    schedule = default_annealing(objective, n, dimension)
    assert schedule is not None
    neighbour_angle = math.acos(cosine_lower_bound(n, dimension))
    assert 0 < schedule.last_step_radians < schedule.step_radians < 0.1 * neighbour_angle
    if isinstance(create_objective(objective), SoftObjective):
        assert schedule.end < schedule.start / 50


def test_the_papers_objective_is_not_annealed() -> None:
    assert default_annealing("closest-pair", 100, 8) is None


def test_gaussian_begins_as_the_published_uniformity_loss_and_ends_as_log_sum_exp() -> None:
    gaussian, other = (default_annealing(name, 300, 64) for name in ("gaussian", "log-sum-exp"))
    assert gaussian is not None and other is not None
    assert 1 / gaussian.temperature(0) == 2.0
    assert gaussian.temperature(1) == pytest.approx(2 * other.temperature(1))


@pytest.mark.parametrize(
    ("schedule", "fraction", "factor"),
    [
        (AlphaSchedule(), 0.3, 1.0),
        (AlphaSchedule(4, 1), 0.0, 4.0),
        (AlphaSchedule(4, 1), 0.5, 2.5),
        (AlphaSchedule(4, 1), 1.0, 1.0),
        (AlphaSchedule(1, 0), 1.0, 0.0),
        (AlphaSchedule(0, 1, until=0.5), 0.25, 0.5),
        (AlphaSchedule(0, 1, until=0.5), 0.5, 1.0),
        (AlphaSchedule(0, 1, until=0.5), 0.9, 1.0),
        (AlphaSchedule(3, 1), -0.2, 3.0),
        (AlphaSchedule(3, 1), 1.7, 1.0),
    ],
)
def test_alpha_factors(schedule: AlphaSchedule, fraction: float, factor: float) -> None:
    assert schedule.factor(fraction) == pytest.approx(factor, abs=1e-15)


def test_named_alpha_schedules_all_end_at_the_alpha_asked_for() -> None:
    assert {name: (s.factor(0), s.factor(1)) for name, s in ALPHA_SCHEDULES.items()} == {
        "constant": (1.0, 1.0),
        "falling": (4.0, 1.0),
        "rising": (0.0, 1.0),
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1.0, 1.0, 1.0), "start of the alpha schedule must be at least 0 and finite, found -1.0"),
        ((1.0, math.inf, 1.0), "end of the alpha schedule must be at least 0 and finite, found inf"),
        ((1.0, math.nan, 1.0), "end of the alpha schedule must be at least 0 and finite, found nan"),
        ((1.0, 1.0, 0.0), r"until of the alpha schedule must be in \(0, 1\], found 0.0"),
    ],
)
def test_senseless_alpha_schedules_are_refused(arguments: tuple[float, float, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AlphaSchedule(*arguments)
