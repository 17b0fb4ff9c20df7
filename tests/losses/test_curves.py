from __future__ import annotations

import math

import numpy as np
import pytest

from hyperface_lib.losses import create_head, target_cosine_curve, target_gradient_curve, target_logit_curve

THETA = np.linspace(0.02, math.pi - 0.02, 157)


def psi(theta: np.ndarray, factor: float) -> np.ndarray:
    k = np.floor(factor * theta / math.pi)
    return (-1) ** k * np.cos(factor * theta) - 2 * k


def circle(theta: np.ndarray) -> np.ndarray:
    return (1.25 - np.cos(theta)) * (np.cos(theta) - 0.75)


@pytest.mark.parametrize(
    ("name", "options", "expected", "scale"),
    [
        ("softmax", {}, np.cos(THETA), 1),
        ("norm-softmax", {}, np.cos(THETA), 64),
        ("focal", {}, np.cos(THETA), 64),
        ("sv-softmax", {}, np.cos(THETA), 32),
        ("arcface", {}, np.cos(THETA + 0.5), 64),
        ("subcenter-arcface", {}, np.cos(THETA + 0.5), 64),
        ("curricular", {}, np.cos(THETA + 0.5), 64),
        ("sv-arc", {}, np.cos(THETA + 0.5), 32),
        ("mining-margin", {}, np.cos(THETA + 0.5), 64),
        ("cosface", {"scale": 30.0}, np.cos(THETA) - 0.35, 30),
        ("sv-am", {}, np.cos(THETA) - 0.35, 32),
        ("combined", {}, np.cos(THETA + 0.3) - 0.2, 64),
        ("sphereface", {"lambda_base": 0.0, "lambda_minimum": 0.0}, psi(THETA, 4), 64),
        ("sphereface", {"lambda_base": 0.0}, (5 * np.cos(THETA) + psi(THETA, 4)) / 6, 64),
        ("magface", {}, np.cos(THETA + 0.625), 64),
        ("adaface", {}, np.cos(THETA) - 0.4, 64),
        ("sphereface2", {}, 2 * ((np.cos(THETA) + 1) / 2) ** 3 - 1.4, 40),
        ("circle", {}, circle(THETA), 256),
    ],
)
def test_a_curve_is_the_papers_target(name: str, options: dict[str, float], expected: np.ndarray, scale: float) -> None:
    curve = target_logit_curve(name, THETA, **options)
    assert np.allclose(curve.cosine, expected, atol=1e-6)
    assert np.allclose(curve.logit, scale * expected, atol=1e-4)
    # Kinks have no derivative; everywhere else central differences agree.
    smooth = np.gradient(curve.logit, THETA)[1:-1]
    close = np.isclose(curve.exact_derivative[1:-1], smooth, atol=0.02 * scale)
    assert close.mean() > 0.95


def test_the_detached_derivative_is_that_of_the_cosine_and_the_exact_one_that_of_the_sum() -> None:
    curve = target_logit_curve("arcface", THETA)
    assert np.allclose(curve.detached_derivative, -64 * np.sin(THETA), atol=1e-9)
    assert np.allclose(curve.exact_derivative, -64 * np.sin(THETA + 0.5), atol=1e-9)
    circle_curve = target_logit_curve("circle", THETA)
    assert np.allclose(circle_curve.detached_derivative, -256 * np.sin(THETA) * (1.25 - np.cos(THETA)), atol=1e-9)


def test_a_heads_own_state_and_mode_are_followed() -> None:
    head = create_head("arcface", dimension=8, classes=3, gradient="detached")
    head.margin_fraction = 0.5
    assert np.allclose(target_cosine_curve(head, THETA), np.cos(THETA + 0.25), atol=1e-12)
    assert np.allclose(target_gradient_curve(head, THETA), -np.sin(THETA), atol=1e-12)
    assert head.angles is None and head.weight.grad is None


def test_lengths_move_the_curves_of_adaface_and_magface() -> None:
    adaface = create_head("adaface", dimension=4, classes=2)
    adaface.norm_mean.fill_(20.0)
    adaface.norm_spread.fill_(1.0)
    assert np.allclose(target_cosine_curve(adaface, THETA, norms=1.0)[:100], np.cos(THETA + 0.4)[:100], atol=1e-6)
    assert np.allclose(target_cosine_curve(adaface, THETA, norms=90.0)[50:], np.cos(THETA - 0.4)[50:] - 0.8, atol=1e-6)
    magface = create_head("magface", dimension=4, classes=2)
    norms = np.linspace(10, 110, len(THETA))
    margins = 0.45 + 0.35 * (norms - 10) / 100
    assert np.allclose(target_cosine_curve(magface, THETA, norms=norms), np.cos(THETA + margins), atol=1e-9)


def test_the_ends_are_finite() -> None:
    for name in ("arcface", "combined", "sphereface", "adaface", "magface", "sphereface2", "circle"):
        curve = target_logit_curve(name, [0.0, 1e-9, math.pi])
        assert np.isfinite(curve.logit).all() and np.isfinite(curve.exact_derivative).all()


def test_what_has_no_target_and_angles_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a head with class centres, found TripletHead"):
        target_logit_curve("triplet", THETA)
    head = create_head("arcface", dimension=2, classes=2)
    for angles in ([-0.1], [3.2], [math.nan]):
        with pytest.raises(ValueError, match=r"theta_radians must lie in 0 \.\. pi"):
            target_cosine_curve(head, angles)
    with pytest.raises(ValueError, match=r"one row of angles, found shape \(\)"):
        target_cosine_curve(head, 1.0)
    with pytest.raises(ValueError, match="norms must be lengths of at least 0, found -1"):
        target_cosine_curve(head, [1.0], norms=-1)
