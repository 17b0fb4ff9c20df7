"""Arithmetic in GF(2^m), vectorised."""

from __future__ import annotations

import numpy as np

# Primitive polynomials over GF(2), bit k for x^k.
PRIMITIVE = {
    1: 0b11,
    3: 0b1011,
    5: 0b100101,
    7: 0b10000011,
    9: 0b1000010001,
    11: 0b100000000101,
    13: 0b10000000011011,
}


class BinaryField:
    """GF(2^m), elements as integers whose bits are coefficients; multiplication through discrete logarithms."""

    def __init__(self, m: int) -> None:
        """Raise ValueError for an m without a table entry."""
        if m not in PRIMITIVE:
            raise ValueError(f"a field GF(2^m) is built for m in {', '.join(map(str, PRIMITIVE))}, found {m}.")
        self.m = m
        self.order = 1 << m
        self._powers = np.empty(self.order - 1, dtype=np.int64)
        value = 1
        for exponent in range(self.order - 1):
            self._powers[exponent] = value
            value <<= 1
            if value & self.order:
                value ^= PRIMITIVE[m]
        self._logs = np.zeros(self.order, dtype=np.int64)
        self._logs[self._powers] = np.arange(self.order - 1)
        self._traces = self._trace_table()

    def multiply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the products of the elements `a` and `b` (broadcast)."""
        products = self._powers[(self._logs[a] + self._logs[b]) % (self.order - 1)]
        return np.where((a == 0) | (b == 0), 0, products)

    def power(self, a: np.ndarray, exponent: int) -> np.ndarray:
        """Return the elements `a` to a positive power."""
        return np.where(a == 0, 0, self._powers[self._logs[a] * exponent % (self.order - 1)])

    def trace(self, a: np.ndarray) -> np.ndarray:
        """Return the absolute traces of the elements `a`, 0 or 1."""
        return self._traces[a]

    def _trace_table(self) -> np.ndarray:
        conjugate = np.arange(self.order)
        total = np.zeros(self.order, dtype=np.int64)
        for _ in range(self.m):
            total ^= conjugate
            conjugate = self.power(conjugate, 2)
        return total & 1
