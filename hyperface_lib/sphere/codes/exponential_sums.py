"""Codes of exponential sums over prime fields: good in every dimension, where signs need a power of two."""

from __future__ import annotations

import math

import numpy as np


def exponential_sum_size(prime: int, degree: int) -> int:
    """Return the number of points of the code; the axes are counted in degree 2, where they keep the cosine."""
    return 4 * prime * (prime + 1) if degree == 2 else 4 * prime**degree


def exponential_sum_code(prime: int, degree: int = 2, count: int | None = None) -> np.ndarray:
    """Return the first `count` points of the code of polynomials of `degree` modulo `prime`, in 2 `prime` dimensions.

    z_{f,k}(t) = i^k exp(2 pi i f(t) / p) / sqrt p, f a polynomial without constant term, real and imaginary parts side
    by side. By Weil's bound cosines are at most (degree - 1) / sqrt p. Degree 2 gives, with the axes i^k e_t, p + 1
    mutually unbiased bases: 4 p (p + 1) points with the largest cosine 1 / sqrt p (Ivanovic 1981; Wootters and Fields
    1989). Points come one basis after the other, each an orthoplex. float32 (count, 2 p).
    Raises ValueError for a number that is no prime above the degree, a degree below 2 or a count out of range.
    """
    if degree < 2 or not is_prime(prime) or prime <= degree:
        raise ValueError(f"the code needs a degree from 2 and a prime above it, found degree {degree}, prime {prime}.")
    total = exponential_sum_size(prime, degree)
    count = total if count is None else count
    if not 1 <= count <= total:
        raise ValueError(f"the code of degree {degree} modulo {prime} has 1 to {total} points, found count {count}.")
    t = np.arange(prime)
    roots = np.exp(2j * np.pi * t / prime) / math.sqrt(prime)
    linear = np.outer(t, t) % prime
    bases = min(-(-count // (4 * prime)), prime ** (degree - 1))
    out = np.empty((count, 2 * prime), dtype=np.float32)
    for basis in range(bases + 1):
        start = basis * 4 * prime
        if start >= count:
            break
        block = np.eye(prime, dtype=complex)
        if basis < bases:
            block = roots[(linear + _higher_terms(basis, t, prime, degree)) % prime]
        turned = np.concatenate([block, -block, 1j * block, -1j * block])[: count - start]
        out[start : start + len(turned)] = np.concatenate([turned.real, turned.imag], axis=1)
    return out


def _higher_terms(number: int, t: np.ndarray, prime: int, degree: int) -> np.ndarray:
    """Return sum_{k=2..degree} c_k t^k modulo the prime, c_k the digits of `number`."""
    values = np.zeros_like(t)
    power = t
    for _ in range(2, degree + 1):
        number, digit = divmod(number, prime)
        power = power * t % prime
        values = (values + digit * power) % prime
    return values


def is_prime(number: int) -> bool:
    """Say whether `number` is a prime."""
    return number >= 2 and all(number % k for k in range(2, math.isqrt(number) + 1))


def largest_prime(limit: int) -> int | None:
    """Return the largest prime up to `limit`, or None below 2."""
    return next((number for number in range(limit, 1, -1) if is_prime(number)), None)
