"""Shortest vectors of lattices, and the codes that are derived from them. All have cosines of at most 1/2."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product

import numpy as np

from hyperface_lib.sphere.codes.elementary import root_system_d
from hyperface_lib.sphere.codes.rows import across, derived, unit


def e8_roots() -> np.ndarray:
    """Return the 240 roots of E8, cosine 1/2."""
    halves = [signs for signs in product((0.5, -0.5), repeat=8) if sum(value < 0 for value in signs) % 2 == 0]
    return unit(np.concatenate([root_system_d(8), unit(np.array(halves))]))


def e7_roots() -> np.ndarray:
    """Return the 126 roots of E7, cosine 1/2: those of E8 orthogonal to one of them."""
    roots = e8_roots()
    return across(roots[np.abs(roots @ roots[0]) < 1e-9], roots[0])


def e6_roots() -> np.ndarray:
    """Return the 72 roots of E6, cosine 1/2: those of E8 orthogonal to two of them at 120 degrees."""
    roots = e8_roots()
    second = roots[np.argmax(np.abs(roots @ roots[0] + 0.5) < 1e-9)]
    fixed = np.stack([roots[0], second])
    return across(roots[(np.abs(roots @ fixed.T) < 1e-9).all(axis=1)], fixed)


def e7_minuscule() -> np.ndarray:
    """Return the 56 points in 7 dimensions with cosine 1/3, derived from E8."""
    return derived(e8_roots(), 1 / 2)


def schlaefli() -> np.ndarray:
    """Return the 27 points in 6 dimensions with cosine 1/4 (the lines on a cubic surface), derived from E8 twice."""
    return derived(e7_minuscule(), 1 / 3)


def quadruple_kissing(dimension: int) -> np.ndarray:
    """Return 306 points in 9 dimensions or 500 in 10, cosine 1/2 (Conway and Sloane, chapter 5, section 2.6).

    +-e_i, and (+-1/2)^4 on the blocks of the Steiner quadruple system of 10 points: two blocks share at most 2 points.
    Raises ValueError for another dimension.
    """
    if dimension not in (9, 10):
        raise ValueError(f"the arrangement on quadruples is built in dimension 9 or 10, found {dimension}.")
    starts = [(0, 1, 3, 4), (0, 1, 2, 6), (0, 2, 4, 7)]
    blocks = [sorted((point + turn) % 10 for point in start) for start in starts for turn in range(10)]
    rows = [np.eye(dimension), -np.eye(dimension)]
    signs = np.array(list(product((0.5, -0.5), repeat=4)))
    for block in blocks:
        if max(block) < dimension:
            part = np.zeros((16, dimension))
            part[:, block] = signs
            rows.append(part)
    return np.concatenate(rows)


def coxeter_todd() -> np.ndarray:
    """Return the 756 shortest vectors of the Coxeter-Todd lattice K12, cosine 1/2, in 12 real dimensions.

    Vectors over the Eisenstein integers that lie in the hexacode modulo 2 (Conway and Sloane, chapter 7, example 12):
    2 u e_i for the six units u, and words of weight 4 with a unit of the right class at each place.
    """
    omega = complex(-0.5, np.sqrt(3) / 2)
    classes = [0j, 1 + 0j, omega, omega * omega]
    rows = []
    for place, unit_class, sign in product(range(6), classes[1:], (1, -1)):
        row = np.zeros(6, dtype=complex)
        row[place] = 2 * sign * unit_class
        rows.append(row)
    for word in _hexacode():
        support = np.flatnonzero(word)
        if len(support) == 4:
            for signs in product((1, -1), repeat=4):
                row = np.zeros(6, dtype=complex)
                row[support] = [sign * classes[letter] for sign, letter in zip(signs, word[support], strict=True)]
                rows.append(row)
    complex_rows = np.array(rows)
    return unit(np.concatenate([complex_rows.real, complex_rows.imag], axis=1))


def _hexacode() -> list[np.ndarray]:
    """Return the 64 words (a, b, c, f(1), f(w), f(w^2)), f(x) = a x^2 + b x + c, letters 0, 1, 2 = w, 3 = w^2."""

    def times(a: int, b: int) -> int:
        return 0 if a == 0 or b == 0 else (a - 1 + b - 1) % 3 + 1

    words = []
    for a, b, c in product(range(4), repeat=3):
        # Addition in GF(4) is the exclusive or of the labels, since 1 + w = w^2.
        values = [times(a, times(x, x)) ^ times(b, x) ^ c for x in (1, 2, 3)]
        words.append(np.array([a, b, c, *values]))
    return words


@lru_cache(maxsize=1)
def golay_words() -> np.ndarray:
    """Return the 4,096 words of the extended binary Golay code, int8 (4096, 24), from the residues modulo 23."""
    residues = {k * k % 23 for k in range(23)}
    cyclic = np.zeros((23, 23), dtype=np.int8)
    for turn, k in product(range(23), repeat=2):
        cyclic[turn, k] = (k - turn) % 23 not in residues
    extended = np.concatenate([cyclic, cyclic.sum(axis=1, keepdims=True) % 2], axis=1)
    words = np.zeros((1, 24), dtype=np.int8)
    for row in extended:
        if not (words == row).all(axis=1).any():
            words = np.concatenate([words, words ^ row])
    return words


@lru_cache(maxsize=1)
def leech_vectors() -> np.ndarray:
    """Return the 196,560 shortest vectors of the Leech lattice times sqrt 8, int8: squared length 32.

    Conway and Sloane, chapter 4, section 11: (+-2)^8 on octads with an even number of minus signs, (+-4)^2, and
    (-+3, +-1^23) with the upper signs on words of the Golay code.
    """
    words = golay_words()
    octads = words[words.sum(axis=1) == 8].astype(bool)
    signs = np.array([s for s in product((2, -2), repeat=8) if sum(v < 0 for v in s) % 2 == 0], dtype=np.int8)
    twos = np.zeros((len(octads), len(signs), 24), dtype=np.int8)
    for block, octad in zip(twos, octads, strict=True):
        block[:, octad] = signs
    fours = np.zeros((4 * 276, 24), dtype=np.int8)
    for row, ((i, j), (a, b)) in enumerate(product(combinations(range(24), 2), product((4, -4), repeat=2))):
        fours[row, i], fours[row, j] = a, b
    ones = np.where(words.astype(bool), -1, 1).astype(np.int8)
    threes = np.repeat(ones[:, None, :], 24, axis=1)
    place = np.arange(24)
    threes[:, place, place] *= -3
    vectors = np.concatenate([fours, twos.reshape(-1, 24), threes.reshape(-1, 24)])
    vectors.setflags(write=False)
    return vectors


def leech() -> np.ndarray:
    """Return the 196,560 points of the Leech lattice in 24 dimensions, cosine 1/2, float32 (19 MB)."""
    return leech_vectors().astype(np.float32) / np.float32(np.sqrt(32))


# Vectors on the 8 places of an octad that span the root lattices of rank 1 to 8 inside E8: A1, A2, A3, D4, D5, E6, E7,
# E8. The Leech lattice holds sqrt 2 E8 on every octad.
_UNIT = [tuple(int(place == row) for place in range(8)) for row in range(8)]
_ON_OCTAD: dict[int, list[tuple[int, ...]]] = {
    1: [(1, -1, 0, 0, 0, 0, 0, 0)],
    2: [(1, -1, 0, 0, 0, 0, 0, 0), (0, 1, -1, 0, 0, 0, 0, 0)],
    3: _UNIT[:3],
    4: _UNIT[:4],
    5: _UNIT[:5],
    6: [*_UNIT[:5], (0, 0, 0, 0, 0, 1, 1, 1)],
    7: [*_UNIT[:6], (0, 0, 0, 0, 0, 0, 1, 1)],
    8: _UNIT,
}
# What is orthogonal to an octad is the Barnes-Wall lattice, cut here on half of an octad.
_ON_HALF: dict[int, list[tuple[int, ...]]] = {
    1: [(1, 0, 0, 0)],
    2: [(1, 0, 0, 0), (0, 1, 1, 1)],
    3: [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1)],
}


def _section_vectors(dimension: int) -> np.ndarray:
    """Return 24 - `dimension` vectors to which the laminated lattice in `dimension` is orthogonal."""
    words = golay_words().astype(bool)
    octads = words[words.sum(axis=1) == 8]
    first = octads[0]
    half = octads[(octads & first).sum(axis=1) == 4][0] & ~first
    missing = 24 - dimension
    parts = [(first, _ON_OCTAD[min(missing, 8)]), (half, _ON_HALF.get(missing - 8, []))]
    rows = np.zeros((missing, 24), dtype=np.int64)
    start = 0
    for places, vectors in parts:
        for vector in vectors:
            rows[start, places] = vector
            start += 1
    return rows


def leech_section(dimension: int) -> np.ndarray:
    """Return the shortest vectors of the laminated lattice in `dimension`, 13 to 23, cosine 1/2.

    Sections of the Leech lattice (Conway and Sloane, chapter 6): 4,320 points in 16 dimensions (Barnes-Wall), 93,150 in
    23. Raises ValueError for another dimension.
    """
    if not 13 <= dimension <= 23:
        raise ValueError(f"sections of the Leech lattice are built in dimensions 13 to 23, found {dimension}.")
    vectors = leech_vectors()
    fixed = _section_vectors(dimension)
    return across(vectors[(vectors @ fixed.T == 0).all(axis=1)], fixed)


def _leech_at(fixed: np.ndarray, product_with_fixed: int) -> np.ndarray:
    vectors = leech_vectors()
    chosen = vectors[(vectors @ fixed.T == product_with_fixed).all(axis=1)]
    return across(chosen, fixed)


def leech_4600() -> np.ndarray:
    """Return the 4,600 points in 23 dimensions with cosine 1/3: the Leech vectors at 60 degrees from one."""
    return _leech_at(leech_vectors()[:1].astype(np.int64), 16)


def leech_891() -> np.ndarray:
    """Return the 891 points in 22 dimensions with cosine 1/4: the Leech vectors at 60 degrees from two at 60."""
    fixed = np.zeros((2, 24), dtype=np.int64)
    fixed[0, [0, 1]] = fixed[1, [0, 2]] = 4
    return _leech_at(fixed, 16)


def equiangular_552() -> np.ndarray:
    """Return the 552 points in 23 dimensions with cosine 1/5: 276 equiangular lines.

    The Leech vectors at inner product 3 with a vector of norm 6 (here times 8), seen from it.
    """
    fixed = np.zeros((1, 24), dtype=np.int64)
    fixed[0] = 1
    fixed[0, 0] = 5
    return _leech_at(fixed, 24)


def mclaughlin() -> np.ndarray:
    """Return the 275 points in 22 dimensions with cosine 1/6, derived from the 276 equiangular lines."""
    return derived(equiangular_552(), 1 / 5)


def points_162() -> np.ndarray:
    """Return the 162 points in 21 dimensions with cosine 1/7, derived from McLaughlin's."""
    return derived(mclaughlin(), 1 / 6)


def points_112() -> np.ndarray:
    """Return the 112 points in 21 dimensions with cosine 1/9, derived from McLaughlin's."""
    return derived(mclaughlin(), -1 / 4)
