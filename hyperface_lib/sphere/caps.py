"""Caps of the sphere and what they say about uniform points: exact laws to hold measured angles against.

A cap of angular radius theta in dimension d covers the share I(sin^2 theta; (d - 1) / 2, 1 / 2) / 2 of the sphere, with
theta up to 90 degrees and I the regularised incomplete beta function (S. Li, "Concise formulas for the area and volume
of a hyperspherical cap", 2011). That share is the chance that a uniform point is within theta of a given one: all laws
below follow from it. In 512 dimensions it may be 1e-500, hence the logarithms. A dimension need not be whole, as
effective dimensions are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betaln, gammaln, hyp0f1, hyp2f1

_Values = NDArray[np.float64]

# Below this share the incomplete beta function is near the smallest float, and its logarithm comes from a series.
_LEAST_DIRECT_SHARE = 1e-280
# The logarithm of the smallest angle (as a share of 180 degrees) the inverse looks at, and its number of halvings.
_LEAST_LOG_ANGLE = -700.0
_HALVINGS = 70


class Measured(NamedTuple):
    """A number of some points, and the same number expected of as many independent uniform ones."""

    value: float
    uniform: float


def _checked(angle_degrees: ArrayLike, dimension: float) -> _Values:
    angles = np.asarray(angle_degrees, dtype=np.float64)
    if not dimension >= 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    outside = ~((angles >= 0) & (angles <= 180))
    if outside.any():
        raise ValueError(f"an angle must be between 0 and 180 degrees, found {angles[outside].flat[0]:g}.")
    return angles


def log_cap_area_fraction(angle_degrees: ArrayLike, dimension: float) -> _Values:
    """Return the natural logarithm of the share of the sphere within `angle_degrees` of a point.

    Any shape of angles; -inf at 0. Exact where the share itself would be zero in float64.
    Raises ValueError for an angle outside [0, 180] or a dimension below 2.
    """
    angles = _checked(angle_degrees, dimension)
    half = (dimension - 1) / 2
    acute = np.radians(np.minimum(angles, 180 - angles))
    # The smaller of the two squares is the argument: it keeps its digits near 0 and near 90 degrees.
    share = 0.5 * np.where(
        acute < math.pi / 4,
        betainc(half, 0.5, np.sin(acute) ** 2),
        betaincc(0.5, half, np.cos(acute) ** 2),
    )
    with np.errstate(divide="ignore"):
        logarithm = np.atleast_1d(np.log(share))
    tiny = np.atleast_1d((share < _LEAST_DIRECT_SHARE) & (acute > 0))
    logarithm[tiny] = _log_small_share(np.atleast_1d(acute)[tiny], half)
    return np.where(angles <= 90, logarithm.reshape(angles.shape), np.log1p(-share))[()]


def _log_small_share(acute_radians: _Values, half: float) -> _Values:
    """I_x(a, 1/2) = x^a sqrt(1 - x) F(a + 1/2, 1; a + 1; x) / (a B(a, 1/2)), in logarithms."""
    sines = np.sin(acute_radians)
    series = hyp2f1(half + 0.5, 1.0, half + 1, sines**2)
    logarithm = 2 * half * np.log(sines) + np.log(np.cos(acute_radians)) + np.log(series)
    return logarithm - math.log(2 * half) - betaln(half, 0.5)


def cap_area_fraction(angle_degrees: ArrayLike, dimension: float) -> _Values:
    """Return the share of the sphere within `angle_degrees` of a point, between 0 and 1, in the shape of the angles.

    Raises ValueError for an angle outside [0, 180] or a dimension below 2.
    """
    return np.exp(log_cap_area_fraction(angle_degrees, dimension))


def cap_angle_degrees(log_fraction: ArrayLike, dimension: float) -> _Values:
    """Return the angular radius in degrees of the cap whose share of the sphere has the logarithm `log_fraction`.

    The inverse of `log_cap_area_fraction`, by bisection of the angle's logarithm: relative error about 1e-12 up to 90
    degrees. Raises ValueError for a positive logarithm or a dimension below 2.
    """
    target = np.asarray(log_fraction, dtype=np.float64)
    if not (target <= 0).all():
        raise ValueError(f"the logarithm of a share must be at most 0, found {float(target.max()):g}.")
    low, high = np.full(target.shape, _LEAST_LOG_ANGLE), np.zeros(target.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = log_cap_area_fraction(180 * np.exp(middle), dimension) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (180 * np.exp(high))[()]


def pair_angle_density(angle_degrees: ArrayLike, dimension: float) -> _Values:
    """Return the density, per degree, of the angle between two uniform points: sin^{d-2}, normalised.

    Raises ValueError for an angle outside [0, 180] or a dimension below 2.
    """
    sines = np.sin(np.radians(_checked(angle_degrees, dimension)))
    with np.errstate(divide="ignore"):
        # In the plane the power is 0, and the density flat up to both ends.
        power = 0.0 if dimension == 2 else (dimension - 2) * np.log(np.maximum(sines, 0))
    return (math.radians(1) * np.exp(power - betaln((dimension - 1) / 2, 0.5)) * np.ones_like(sines))[()]


def marginal_distribution(cosines: ArrayLike, dimension: float) -> _Values:
    """Return the share of uniform points whose inner product with a fixed direction is at most `cosines`.

    Their density is proportional to (1 - t^2)^{(d-3)/2}. Any shape. Raises ValueError for a dimension below 2.
    """
    values = np.clip(np.asarray(cosines, dtype=np.float64), -1, 1)
    if not dimension >= 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    return (0.5 + 0.5 * np.sign(values) * betainc(0.5, (dimension - 1) / 2, values**2))[()]


def _checked_others(others: float) -> float:
    if not others >= 1:
        raise ValueError(f"others must be at least 1, found {others}.")
    return others


def nearest_angle_density(angle_degrees: ArrayLike, others: float, dimension: float) -> _Values:
    """Return the density, per degree, of the angle from a point to the nearest of `others` uniform points.

    With A the share of a cap it is others (1 - A)^(others - 1) dA; among n uniform points, others = n - 1.
    Raises ValueError for an angle outside [0, 180], fewer than 1 other or a dimension below 2.
    """
    remaining = np.log1p(-np.minimum(cap_area_fraction(angle_degrees, dimension), 1 - 1e-16))
    return _checked_others(others) * pair_angle_density(angle_degrees, dimension) * np.exp((others - 1) * remaining)


def nearest_angle_quantile(share: ArrayLike, others: float, dimension: float) -> _Values:
    """Return the angle in degrees that the nearest of `others` uniform points stays below with chance `share`.

    Raises ValueError for a share outside [0, 1], fewer than 1 other or a dimension below 2.
    """
    shares = np.asarray(share, dtype=np.float64)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"a share must be between 0 and 1, found {shares}.")
    with np.errstate(divide="ignore"):
        logarithms = np.log(-np.expm1(np.log1p(-shares) / _checked_others(others)))
    return cap_angle_degrees(logarithms, dimension)


@lru_cache(maxsize=64)
def _nearest_quadrature(others: float, dimension: float) -> tuple[_Values, _Values]:
    """Return angles in degrees and weights that average a function of the angle to the nearest of `others` points."""
    # The quantile is q = 1 / (1 + exp(-pi sinh u)); log(1 - q) is kept, as q itself rounds to 1.
    grid = np.arange(-76, 77) / 20
    log_remaining = -np.logaddexp(0.0, math.pi * np.sinh(grid))
    log_passed = -np.logaddexp(0.0, -math.pi * np.sinh(grid))
    weights = np.cosh(grid) * np.exp(log_remaining + log_passed)
    angles = cap_angle_degrees(np.log(-np.expm1(log_remaining / others)), dimension)
    return angles, weights / weights.sum()


def nearest_angle_mean(function: Callable[[_Values], _Values], others: float, dimension: float) -> float:
    """Return the mean of `function` of the angle (degrees) to the nearest of `others` uniform points.

    Double-exponential quadrature over the quantiles (Takahasi and Mori, 1974), at home with a logarithm's pole at 0.
    Raises ValueError for fewer than 1 other or a dimension below 2.
    """
    angles, weights = _nearest_quadrature(_checked_others(others), dimension)
    return float(weights @ function(angles))


def expected_nearest_angle_degrees(n: int, dimension: float) -> float:
    """Return the mean angle in degrees from one of `n` uniform points to the nearest other one; exact.

    Raises ValueError for n < 2 or a dimension below 2.
    """
    return nearest_angle_mean(lambda angles: angles, n - 1, dimension)


def expected_nearest_cosine(others: int, dimension: float) -> float:
    """Return the mean cosine from a point to the nearest of `others` uniform points; exact.

    Raises ValueError for fewer than 1 other or a dimension below 2.
    """
    return nearest_angle_mean(lambda angles: np.cos(np.radians(angles)), others, dimension)


def uniform_gaussian_potential(t: float, dimension: float) -> float:
    """Return the mean of exp(-t |x - y|^2) over uniform x, y: exp(-2 t) 0F1(; d / 2; t^2).

    exp(kappa cos) averages to the hypergeometric 0F1(; d / 2; kappa^2 / 4), the von Mises-Fisher normaliser, with
    kappa = 2 t. Raises ValueError for a dimension below 2.
    """
    if not dimension >= 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    return math.exp(-2 * t) * float(hyp0f1(dimension / 2, t * t))


def uniform_riesz_energy(exponent: float, dimension: float) -> float:
    """Return the mean of |x - y|^-exponent over uniform x, y; infinite from exponent = d - 1 on.

    2^{d-2-s} Gamma(d/2) Gamma((d-1-s)/2) / (sqrt(pi) Gamma(d-1-s/2)); Borodachov, Hardin and Saff, "Discrete energy on
    rectifiable sets", 2019. Raises ValueError for an exponent that is not positive or a dimension below 2.
    """
    if not exponent > 0 or not dimension >= 2:
        raise ValueError(f"exponent must be positive and dimension at least 2, found {exponent} and {dimension}.")
    if exponent >= dimension - 1:
        return math.inf
    logarithm = (
        (dimension - 2 - exponent) * math.log(2)
        + gammaln(dimension / 2)
        + gammaln((dimension - 1 - exponent) / 2)
        - 0.5 * math.log(math.pi)
        - gammaln(dimension - 1 - exponent / 2)
    )
    return math.exp(float(logarithm))


def uniform_participation_ratio(n: int, dimension: int) -> float:
    """Return the participation ratio E[(tr S)^2] / E[tr S^2] of the covariance S of `n` uniform points.

    With m the mean and M the second moment, tr S = 1 - m.m and tr S^2 = tr M^2 - 2 m.M m + (m.m)^2; different cosines
    are uncorrelated, of variance 1 / d. It is 1 for two points, and tends to d. Raises ValueError for n < 2.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, found {n}.")
    d = dimension
    fourth = 1 / n**2 + 2 * (n - 1) / (d * n**3)
    squared_trace = 1 - 2 / n + fourth
    trace_of_square = (1 + (n - 1) / d) / n - 2 * (1 + (n - 1) / d) / n**2 + fourth
    return squared_trace / trace_of_square
