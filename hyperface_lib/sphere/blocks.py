"""The one traversal everything stands on: the cosines of all pairs, block by block, each pair once.

A sum over pairs sum_{i<j} f(cos_ij) has the gradient G_i = sum_j f'(cos_ij) x_j. Both need the cosines of a pair of row
blocks only once, C = X_I X_J^T with I <= J: G_I += W X_J and G_J += W^T X_I. Nothing of size n x n is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from hyperface_lib.sphere.precision import accumulator_dtype

# A weighing turns a block of cosines (which it may overwrite) into the weights f'(cos) and a vector of sums.
# On the diagonal the cosine is -inf, and must get the weight 0.
Weighing = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class PairSums:
    """What a traversal accumulates: sums over pairs i < j, the gradient (n, d), and the largest cosine."""

    sums: Tensor
    gradient: Tensor
    max_cosine: float


class NearestOthers(NamedTuple):
    """For every point the one nearest to it: its row, and their cosine. Both (n,)."""

    indices: Tensor
    cosines: Tensor


def row_blocks(count: int, size: int | None = None) -> list[slice]:
    """Return slices of nearly equal length, at most `size` rows each."""
    if size is None:
        size = 512 if count <= 4096 else 1024
    number = -(-count // size)
    edges = [count * k // number for k in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def pair_blocks(points: Tensor, block: int | None = None) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield (rows, columns, cosines) over the upper triangle of blocks; self-pairs hold -inf."""
    blocks = row_blocks(len(points), block)
    for number, rows in enumerate(blocks):
        for columns in blocks[number:]:
            cosines = points[rows] @ points[columns].T
            if rows == columns:
                cosines.fill_diagonal_(-torch.inf)
            yield rows, columns, cosines


def largest_cosine(points: Tensor, dtype: torch.dtype | None = None) -> float:
    """Return the largest cosine between two different rows, in the precision `dtype`."""
    operand = points if dtype is None else points.to(dtype)
    return max(float(cosines.max()) for _, _, cosines in pair_blocks(operand))


def accumulate_pairs(
    points: Tensor, weigh: Weighing, *, dtype: torch.dtype | None = None, block: int | None = None
) -> PairSums:
    """Sum a function of all pairs' cosines, with its gradient, in O(n d + block^2) memory.

    `points` (n, d) are unit rows; `dtype` is the precision of the matrix products (sums and gradient stay in the
    points' own). Raises nothing.
    """
    operand = points if dtype is None else points.to(dtype)
    gradient = torch.zeros_like(points)
    total: Tensor | None = None
    largest = torch.full((), -torch.inf, dtype=operand.dtype, device=points.device)
    for rows, columns, cosines in pair_blocks(operand, block):
        largest = torch.maximum(largest, cosines.max())
        weights, sums = weigh(cosines)
        weights = weights.to(operand.dtype)
        sums = sums.to(accumulator_dtype(points.device))
        if rows == columns:
            sums = sums / 2
            gradient[rows] += weights @ operand[columns]
        else:
            gradient[rows] += weights @ operand[columns]
            gradient[columns] += weights.T @ operand[rows]
        total = sums if total is None else total + sums
    assert total is not None
    return PairSums(total, gradient, float(largest))


def nearest_others(points: Tensor, dtype: torch.dtype | None = None) -> NearestOthers:
    """Return for every row of `points` (n, d) the nearest other one, each pair of blocks seen once."""
    operand = points if dtype is None else points.to(dtype)
    cosines = torch.full((len(points),), -torch.inf, dtype=operand.dtype, device=points.device)
    indices = torch.zeros(len(points), dtype=torch.int64, device=points.device)

    def improve(rows: slice, others: slice, block: Tensor) -> None:
        best, where = block.max(dim=1)
        better = best > cosines[rows]
        cosines[rows] = torch.where(better, best, cosines[rows])
        indices[rows] = torch.where(better, where + others.start, indices[rows])

    for rows, columns, block in pair_blocks(operand):
        improve(rows, columns, block)
        if rows != columns:
            improve(columns, rows, block.T)
    return NearestOthers(indices, cosines.to(points.dtype))
