"""Every named code is what it says: rows, dimension, unit length, largest cosine, and the bound where it is sharp."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperface_lib.sphere.bounds import cosine_lower_bound
from hyperface_lib.sphere.codes import elementary, exponential_sums, graphs, lattices, quadratic
from hyperface_lib.sphere.codes.catalogue import NAMED_CODES, KnownCode, named_code
from hyperface_lib.sphere.codes.finite_field import PRIMITIVE, BinaryField
from hyperface_lib.sphere.codes.rows import across, derived

SMALL = [code for code in NAMED_CODES if code.size <= 5000]
LARGE = [code for code in NAMED_CODES if code.size > 5000]
SHARP = [
    "icosahedron",
    "Clebsch graph",
    "Schlafli graph",
    "derived from E8",
    "E8 roots",
    "112 from McLaughlin",
    "162 from McLaughlin",
    "Higman-Sims graph",
    "McLaughlin graph",
    "891 from Leech",
    "276 equiangular lines",
    "4600 from Leech",
    "Leech lattice",
]


def largest_cosine(points: np.ndarray) -> float:
    wide = points.astype(np.float64)
    cosines = wide @ wide.T
    np.fill_diagonal(cosines, -2)
    return float(cosines.max())


@pytest.mark.parametrize("code", SMALL, ids=lambda code: code.name)
def test_named_codes_are_what_they_say(code: KnownCode) -> None:
    points = code.points()
    assert points.shape == (code.size, code.dimension)
    assert points.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-14)
    assert largest_cosine(points) == pytest.approx(code.max_cosine, abs=5e-15)
    assert np.linalg.matrix_rank(points) == code.dimension


@pytest.mark.parametrize("code", LARGE, ids=lambda code: code.name)
def test_large_named_codes_from_some_of_their_points(code: KnownCode) -> None:
    points = code.points()
    assert points.shape == (code.size, code.dimension)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    chosen = np.random.default_rng(0).choice(code.size, 40, replace=False)
    cosines = points[chosen] @ points.T
    cosines[np.arange(40), chosen] = -2
    # A wrong point would be a duplicate or a neighbour too close; the nearest is at 60 degrees from every point.
    np.testing.assert_allclose(cosines.max(axis=1), code.max_cosine, atol=1e-6)


@pytest.mark.parametrize("name", SHARP)
def test_sharp_codes_meet_the_bound(name: str) -> None:
    code = named_code(name)
    assert cosine_lower_bound(code.size, code.dimension) == pytest.approx(code.max_cosine, abs=2e-15)


@pytest.mark.parametrize("code", NAMED_CODES, ids=lambda code: code.name)
def test_no_code_is_below_the_bound(code: KnownCode) -> None:
    assert code.max_cosine >= cosine_lower_bound(code.size, code.dimension) - 1e-15


def test_leech_vectors_are_a_lattice_shell() -> None:
    vectors = lattices.leech_vectors().astype(np.int64)
    assert len(np.unique(vectors, axis=0)) == len(vectors) == 196_560
    assert set((vectors**2).sum(axis=1)) == {32}
    # One vector of each shape; the distances of the Leech lattice are the same from all (Conway and Sloane, ch. 10).
    counts = {32: 1, 16: 4600, 8: 47104, 0: 93150, -8: 47104, -16: 4600, -32: 1}
    for row in (0, 5000, 190_000):
        assert dict(zip(*np.unique(vectors @ vectors[row], return_counts=True), strict=True)) == counts
    with pytest.raises(ValueError, match="read-only"):
        lattices.leech_vectors()[0] = 0


def test_golay_words_have_their_weights() -> None:
    words = lattices.golay_words()
    weights = dict(zip(*np.unique(words.sum(axis=1), return_counts=True), strict=True))
    assert weights == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}
    assert len(np.unique(words, axis=0)) == 4096


def test_derived_code_is_at_the_cosines_of_its_formula() -> None:
    points = derived(lattices.e8_roots(), 1 / 2)
    assert set(np.round(points @ points.T, 12).ravel()) == {1.0, -1.0, round(1 / 3, 12), round(-1 / 3, 12)}


def test_across_is_isometric_on_the_complement_and_wants_independent_vectors() -> None:
    rows = np.random.default_rng(1).normal(size=(6, 5))
    rows[:, 0] = 0
    fixed = np.eye(5)[:1]
    kept = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(across(rows, fixed) @ across(rows, fixed).T, kept @ kept.T, atol=1e-14)
    with pytest.raises(ValueError, match="independent"):
        across(rows, np.ones((2, 5)))


@pytest.mark.parametrize("adjacency_code", [graphs.hoffman_singleton, graphs.gewirtz, graphs.hexads, graphs.petersen])
def test_graphs_have_two_distances(adjacency_code: object) -> None:
    points = adjacency_code()  # type: ignore[operator]
    cosines = points @ points.T
    assert len(np.unique(np.round(cosines[~np.eye(len(points), dtype=bool)], 9))) == 2


@pytest.mark.parametrize("m", PRIMITIVE)
def test_binary_fields(m: int) -> None:
    field = BinaryField(m)
    # The polynomial is primitive: its root runs through every element but 0.
    root = 2 if m > 1 else 1
    elements = {int(field.power(np.array(root), exponent)) for exponent in range(1, field.order)}
    assert elements == set(range(1, field.order))
    a, b, c = np.random.default_rng(m).integers(0, field.order, (3, 50))
    np.testing.assert_array_equal(field.multiply(a, b ^ c), field.multiply(a, b) ^ field.multiply(a, c))
    np.testing.assert_array_equal(field.power(a, 3), field.multiply(a, field.multiply(a, a)))
    np.testing.assert_array_equal(field.trace(a ^ b), field.trace(a) ^ field.trace(b))
    assert field.trace(np.arange(field.order)).sum() == field.order // 2


def test_a_field_without_a_polynomial_is_refused() -> None:
    with pytest.raises(ValueError, match="found 4"):
        BinaryField(4)


ENTIRE = [
    (code, shortened, punctured)
    for code in quadratic.quadratic_codes(64)
    for shortened, punctured in ((0, 0), (1, 0), (2, 0), (3, 0), (code.m + 1, 0), (0, 1), (2, 2))
    if code.cut_size(shortened) <= 2048 and code.length - shortened - punctured >= 2
]


@pytest.mark.parametrize(("code", "shortened", "punctured"), ENTIRE)
def test_quadratic_codes_entirely(code: quadratic.QuadraticCode, shortened: int, punctured: int) -> None:
    size = code.cut_size(shortened)
    points = code.points(size, shortened, punctured)
    assert points.dtype == np.float32
    assert points.shape == (size, code.length - shortened - punctured)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    stated = code.cut_cosine(shortened, punctured)
    if punctured:
        assert largest_cosine(points) <= stated + 1e-6
    else:
        assert largest_cosine(points) == pytest.approx(stated, abs=1e-6)


@pytest.mark.parametrize(("m", "terms"), [(7, 1), (7, 2), (8, 0), (8, 1), (9, 1), (9, 2), (10, 0), (10, 1)])
def test_large_quadratic_codes_by_the_rank_of_random_differences(m: int, terms: int) -> None:
    # The largest product of points on two quadratic functions is the largest Walsh coefficient of their difference.
    code = quadratic.QuadraticCode(m, terms)
    generator = np.random.default_rng(m + terms)
    places = np.arange(code.length)
    hadamard = 1.0 - 2.0 * (np.bitwise_count(places[:, None] & places[None, :]) & 1)
    forms = generator.integers(0, code.forms, 40)
    signs = np.array([1 - 2 * code.values(int(form)) for form in forms], dtype=np.float64)
    coefficients = np.abs(hadamard @ (signs[1:] * signs[:-1]).T).max(axis=0)
    assert coefficients.max() <= code.largest_product
    # Parseval: no function is flatter. Kerdock's differences are all bent, Gold's all as flat as m odd allows.
    assert coefficients.min() >= math.sqrt(code.length) - 1e-9
    if code.name.startswith(("Kerdock", "Gold")):
        assert set(coefficients) == {code.largest_product}


@pytest.mark.parametrize(("m", "size"), [(2, 24), (4, 288), (6, 4224)])
def test_kerdock_code_entirely(m: int, size: int) -> None:
    points = quadratic.kerdock_code(m)
    assert points.shape == (size, 1 << m)
    assert size == (1 << m) * ((1 << m) + 2)
    assert largest_cosine(points) == pytest.approx(2.0 ** (-m / 2), abs=1e-6)


def test_kerdock_sizes_and_first_points() -> None:
    assert quadratic.QuadraticCode(8, 0).size + 2 * 256 == 66_048
    points = quadratic.kerdock_code(8, 3000)
    assert largest_cosine(points) == pytest.approx(1 / 16, abs=1e-6)
    assert largest_cosine(points[:512]) == pytest.approx(0, abs=1e-6)


def test_hadamard_pair_is_two_bases() -> None:
    points = quadratic.hadamard_pair(5)
    assert points.shape == (128, 32)
    assert largest_cosine(points) == pytest.approx(32**-0.5, abs=1e-6)


@pytest.mark.parametrize(("prime", "degree"), [(3, 2), (5, 2), (7, 2), (13, 2), (5, 3), (7, 3)])
def test_exponential_sums_entirely(prime: int, degree: int) -> None:
    points = exponential_sums.exponential_sum_code(prime, degree)
    assert points.shape == (exponential_sums.exponential_sum_size(prime, degree), 2 * prime)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    assert largest_cosine(points) <= (degree - 1) / math.sqrt(prime) + 1e-6
    if degree == 2:
        assert largest_cosine(points) == pytest.approx(1 / math.sqrt(prime), abs=1e-6)
        assert largest_cosine(points[: 4 * prime]) == pytest.approx(0, abs=1e-6)


def test_largest_prime() -> None:
    assert [exponential_sums.largest_prime(limit) for limit in (1, 2, 24, 256)] == [None, 2, 23, 251]


@pytest.mark.parametrize(
    "call",
    [
        lambda: quadratic.QuadraticCode(15, 1),
        lambda: quadratic.QuadraticCode(5, 3),
        lambda: quadratic.QuadraticCode(6, -1),
        lambda: quadratic.QuadraticCode(5, 1).points(10, 7),
        lambda: quadratic.QuadraticCode(5, 1).points(10, 0, 32),
        lambda: quadratic.QuadraticCode(5, 1).points(2049),
        lambda: quadratic.QuadraticCode(5, 1).points(1025, 1),
        lambda: quadratic.kerdock_code(5),
        lambda: quadratic.kerdock_code(4, 289),
        lambda: quadratic.hadamard_pair(0),
        lambda: quadratic.hadamard_pair(3, 33),
        lambda: exponential_sums.exponential_sum_code(9),
        lambda: exponential_sums.exponential_sum_code(3, 3),
        lambda: exponential_sums.exponential_sum_code(5, 2, 121),
        lambda: lattices.leech_section(12),
        lambda: lattices.quadruple_kissing(11),
        lambda: named_code("pentakis"),
        lambda: elementary.simplex(1),
    ],
)
def test_impossible_codes_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match="found"):
        call()  # type: ignore[operator]
