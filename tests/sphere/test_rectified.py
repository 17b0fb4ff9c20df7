"""The excess over a threshold, by the product that rectifies and by the plain traversal, beside its definition."""

from __future__ import annotations

import pytest
import torch

from hyperface_lib.sphere import create_objective, random_points
from hyperface_lib.sphere.arrays import tangent
from hyperface_lib.sphere.excess import excess_of_pairs
from hyperface_lib.sphere.rectified import rectified_pairs, rectifies_in_one_pass
from hyperface_lib.sphere.traversal import LocalPairs

CPU = torch.device("cpu")
needs_fused_product = pytest.mark.skipif(
    not rectifies_in_one_pass(CPU, torch.bfloat16), reason="needs a torch built with oneDNN (pip install torch)"
)


def by_definition(points: torch.Tensor, threshold: float) -> tuple[float, float, torch.Tensor]:
    """Return sum W, sum W^2 over pairs i < j and sum_j W_ij x_j in float64."""
    wide = points.double()
    excess = (wide @ wide.T - threshold).clamp(min=0).fill_diagonal_(0)
    return float(excess.sum()) / 2, float(excess.square().sum()) / 2, excess @ wide


def test_plain_traversal_is_the_definition() -> None:
    points = random_points(90, 17, seed=3, dtype=torch.float64)
    total, squares, gradient = by_definition(points, 0.2)
    found = excess_of_pairs(LocalPairs(), points, 0.2, None)
    assert (found.total, found.squares) == pytest.approx((total, squares), rel=1e-12)
    torch.testing.assert_close(found.gradient, gradient)
    assert found.max_cosine == pytest.approx(float((points @ points.T).fill_diagonal_(-1).max()), abs=1e-12)


@needs_fused_product
# 64 is a multiple of the tile's width, 100 is not; 2,600 points are several blocks of either kind, unevenly.
@pytest.mark.parametrize(("n", "dimension"), [(300, 64), (300, 100), (2600, 64)])
def test_rectifying_product_is_the_definition(n: int, dimension: int) -> None:
    points = random_points(n, dimension, seed=1)
    found = rectified_pairs(points, 0.203)
    total, squares, gradient = by_definition(points, found.threshold)
    assert found.threshold == pytest.approx(0.203, rel=2**-8)
    assert found.total == pytest.approx(total, rel=0.01)
    assert found.squares == pytest.approx(squares, rel=0.03)
    wanted = tangent(points, gradient.float())
    error = torch.linalg.vector_norm(tangent(points, found.gradient) - wanted) / torch.linalg.vector_norm(wanted)
    assert error < 0.02
    largest = float((points @ points.T).fill_diagonal_(-1).max())
    assert found.max_cosine == pytest.approx(largest, abs=0.005)


@needs_fused_product
def test_nothing_above_the_threshold_is_said_and_not_made_up() -> None:
    found = rectified_pairs(random_points(300, 64, seed=2), 0.97)
    assert (found.total, found.squares, found.max_cosine) == (0, 0, -float("inf"))
    assert not found.gradient.any()


@needs_fused_product
def test_hinge_finds_its_window_again_from_a_threshold_above_all_pairs() -> None:
    points = random_points(400, 64, seed=5)
    lost, fresh = create_objective("hinge"), create_objective("hinge")
    for objective in (lost, fresh):
        objective.matmul_dtype = torch.bfloat16
        objective.temperature = 0.05  # type: ignore[attr-defined]
    lost.restore({"last_max": torch.tensor(0.99, dtype=torch.float64)})
    found, wanted = lost.value_and_gradient(points), fresh.value_and_gradient(points)
    assert found.max_cosine == pytest.approx(wanted.max_cosine, abs=0.005)
    assert found.value == pytest.approx(wanted.value, abs=0.005)


def test_other_precisions_take_the_plain_traversal() -> None:
    assert not rectifies_in_one_pass(CPU, None)
    assert not rectifies_in_one_pass(CPU, torch.float32)
    assert not rectifies_in_one_pass(torch.device("meta"), torch.bfloat16)
