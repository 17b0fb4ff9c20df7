"""The excess of all pairs on processors that multiply bfloat16: the rectifier runs inside the matrix product.

There the products are so fast that every pass over the cosines counts. oneDNN subtracts the threshold and rectifies
while it writes a product, so the cosines themselves are never in memory. Each pair is seen from both of its ends: one
product more than with the transposed block, but each is contiguous and every row's gradient is written once. A column
of ones beside the points brings the sum of the weights out of the second product, and since W^2 = W (cos - tau), the
sum of squares sum_i x_i . g_i - tau sum W follows from the gradient. Only the maximum takes a pass of its own.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from hyperface_lib.sphere.blocks import row_blocks
from hyperface_lib.sphere.excess import ExcessSums

_ROWS, _COLUMNS = 2048, 1024
_ALIGNMENT = 32
"""bfloat16 numbers in one row of a matrix tile; the second product is widened to a multiple of it."""


@lru_cache(maxsize=1)
def _has_fused_product() -> bool:
    """Say whether this build of torch has oneDNN's product with a rectifier and what it gives is right."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        left, right = torch.eye(2, 32).bfloat16(), torch.ones(3, 32).bfloat16()
        return bool((_rectified(left, right, torch.full((3,), -0.5, dtype=torch.bfloat16)) == 0.5).all())
    except (AttributeError, RuntimeError):
        return False


def rectifies_in_one_pass(device: torch.device, dtype: torch.dtype | None) -> bool:
    """Say whether `rectified_pairs` serves products of `dtype` on `device`."""
    return device.type == "cpu" and dtype == torch.bfloat16 and _has_fused_product()


def _rectified(rows: Tensor, columns: Tensor, bias: Tensor) -> Tensor:
    """Return relu(rows columns^T + bias), (m, k)."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, bias, "relu", [], "")
    return result


def rectified_pairs(points: Tensor, threshold: float) -> ExcessSums:
    """Sum the excess over `threshold` of all pairs of `points`, unit rows (n, d), products in bfloat16.

    The threshold is rounded to bfloat16 first; the sum of squares is exact to a few thousandths.
    """
    count, dimension = points.shape
    shift = torch.tensor(-threshold, dtype=torch.bfloat16)
    threshold = -float(shift)
    padding = _ALIGNMENT - dimension % _ALIGNMENT
    vectors = points.bfloat16()
    # Ones stand beside a copy of one block of columns: on a part of a wider matrix oneDNN is a thousand times slower.
    beside_ones = vectors.new_zeros(min(count, _COLUMNS), dimension + padding)
    beside_ones[:, dimension] = 1
    gradient = torch.empty_like(points)
    largest = torch.zeros((), dtype=torch.int16)
    total = squares = 0.0
    for rows in row_blocks(count, _ROWS):
        sums = points.new_zeros(rows.stop - rows.start, dimension + padding)
        for columns in row_blocks(count, _COLUMNS):
            bias = shift.expand(columns.stop - columns.start).contiguous()
            weights = _rectified(vectors[rows], vectors[columns], bias)
            _drop_self_pairs(weights, rows, columns)
            # Of numbers that are not negative the bit patterns are ordered as the numbers, and integers compare faster.
            largest = torch.maximum(largest, weights.view(torch.int16).max())
            operand = beside_ones[: columns.stop - columns.start]
            operand[:, :dimension] = vectors[columns]
            sums += weights @ operand
        gradient[rows] = sums[:, :dimension]
        total += float(sums[:, dimension].double().sum())
        squares += float(torch.linalg.vecdot(points[rows], gradient[rows]).double().sum())
    excess = float(largest.view(torch.bfloat16))
    squares = max(0.0, squares - threshold * total)
    return ExcessSums(total / 2, squares / 2, gradient, threshold + excess if excess > 0 else -float("inf"), threshold)


def _drop_self_pairs(weights: Tensor, rows: slice, columns: slice) -> None:
    first, last = max(rows.start, columns.start), min(rows.stop, columns.stop)
    if first < last:
        weights[first - rows.start : last - rows.start, first - columns.start : last - columns.start].fill_diagonal_(0)
