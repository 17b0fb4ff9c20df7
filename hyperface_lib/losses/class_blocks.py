"""Softmax over the negatives of a batch and its gradient, a block of classes after the other.

A block of cosines is made, changed and exponentiated while it lies in the cache; only its exponentials stay, and they
are all the backward pass needs: (n, classes) numbers once, where the usual way holds cosines, logits, probabilities
and normalised centres. The row's shift keeps exponentials in range. It comes from the first block and is renewed only
when a later cosine would get out of range, so that the kept blocks of a row share one factor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperface_lib.losses.row_rule import HardNegatives

SMALLEST_NORM = 1e-6
# n times a block's classes: large enough for products at full speed, small enough to stay near the processor.
BLOCK_ELEMENTS = 1 << 19
# What several passes go over at a time, so that the second and later ones find it in the second-level cache.
CACHED_ELEMENTS = 1 << 17
FEWEST_CLASSES = 128
# Exponents above the shift that are let be: e^40 times a million classes is far from overflow in float32.
HEADROOM = 40.0
_BELOW_ALL = -1e30


@dataclass
class NegativeSums:
    """What the forward pass leaves, per row: sum of exp(logit - shift) over the other classes, and its parts.

    `nearest` is the largest cosine of another class before hard negatives are changed, `weighted` the sum of
    exponentials times cosines (None unless asked for), `kept` the exponentials times the hard negatives' derivative,
    block after block (empty unless asked for), `inverse_norms` (classes,) those of the centres.
    """

    shift: Tensor
    total: Tensor
    nearest: Tensor
    weighted: Tensor | None
    kept: Tensor
    inverse_norms: Tensor


def inverse_lengths(vectors: Tensor) -> Tensor:
    """Return 1 / length of the rows of (n, d); 0 for rows that count as zero."""
    norms = torch.linalg.vector_norm(vectors, dim=1)
    return torch.where(norms > SMALLEST_NORM, norms.clamp_min(SMALLEST_NORM).reciprocal(), 0.0)


def class_blocks(rows: int, classes: int) -> list[slice]:
    """Return the blocks of classes that a batch of `rows` is worked on in."""
    size = max(FEWEST_CLASSES, BLOCK_ELEMENTS // max(rows, 1))
    return [slice(start, min(start + size, classes)) for start in range(0, classes, size)]


def _targets(labels: Tensor, blocks: list[slice]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for every block which rows have their target in it, and at which of its columns."""
    ordered, rows = labels.sort()
    edges = torch.tensor([0, *(block.stop for block in blocks)], device=labels.device)
    cuts = torch.searchsorted(ordered, edges).tolist()
    for block, start, stop in zip(blocks, cuts, cuts[1:], strict=False):
        yield rows[start:stop], ordered[start:stop] - block.start


def sum_negatives(
    units: Tensor,
    weight: Tensor,
    labels: Tensor,
    scale: float,
    negatives: HardNegatives | None,
    keep: bool,
    weigh: bool,
) -> NegativeSums:
    """Sum exp(scale * cosine) over the classes other than the label.

    `units` (n, d) are unit rows, `weight` (classes, d) centres of any length, a label of -1 has its class elsewhere.
    """
    n, classes = len(units), len(weight)
    blocks = class_blocks(n, classes)
    shift, nearest = units.new_full((n,), _BELOW_ALL), units.new_full((n,), -torch.inf)
    total, weighted = units.new_zeros(n), units.new_zeros(n) if weigh else None
    inverse_norms = weight.new_empty(classes)
    kept = units.new_empty(n * (classes if keep else blocks[0].stop))
    scaled = units * scale
    for block, (rows, columns) in zip(blocks, _targets(labels, blocks), strict=True):
        centres, start = weight[block], n * block.start if keep else 0
        logits = kept[start : start + n * len(centres)].view(n, len(centres))
        torch.mm(scaled, centres.T, out=logits)
        inverse = inverse_norms[block] = inverse_lengths(centres)
        logits.mul_(inverse)
        # Below every cosine, and finite for the arithmetic of the hard negatives.
        logits[rows, columns] = -2.0 * scale
        largest = logits.amax(dim=1)
        torch.maximum(nearest, largest, out=nearest)
        change = None if negatives is None else _change(logits, negatives, scale)
        logits[rows, columns] = -torch.inf
        if negatives is not None:
            largest = logits.amax(dim=1)
        if bool((largest > shift + HEADROOM).any()):
            renewed = torch.maximum(shift, largest)
            factor = (shift - renewed).exp()
            total *= factor
            if weighted is not None:
                weighted *= factor
            if keep:
                _rescale(kept[:start], n, blocks, factor)
            shift = renewed
        before = logits.clone() if weigh else None
        logits.sub_(shift[:, None]).exp_()
        total += logits.sum(dim=1)
        if weighted is not None and before is not None:
            before[rows, columns] = 0.0
            weighted += torch.linalg.vecdot(logits, before)
        if change is not None and keep:
            logits.addcmul_(logits, change)
    if weighted is not None:
        weighted /= scale
    nearest = torch.where(nearest > -1.5 * scale, nearest / scale, -torch.inf)
    return NegativeSums(shift, total, nearest, weighted, kept if keep else kept[:0], inverse_norms)


def _change(logits: Tensor, rule: HardNegatives, scale: float) -> Tensor:
    """Change the hard ones of logits = scale * cosines in place; return the derivative less 1 (0 for the others)."""
    # Hard is 1, the others 0. Arithmetic is several times as fast as masks and `where` on processors.
    threshold = (rule.threshold.detach() * scale).to(logits.dtype).clamp(_BELOW_ALL, -_BELOW_ALL)
    derivative = torch.empty_like(logits)
    size = max(1, CACHED_ELEMENTS // logits.shape[1])
    for part, limit, gain in zip(logits.split(size), threshold.split(size), derivative.split(size), strict=True):
        hard = (part - limit[:, None]).mul_(torch.finfo(logits.dtype).max).clamp_(0.0, 1.0)
        torch.mul(hard, rule.slope - 1.0, out=gain)
        if rule.quadratic == 0.0:
            part.addcmul_(gain, part)
        else:
            curved = hard.mul(part).mul_(rule.quadratic / scale)
            gain.add_(curved)
            part.addcmul_(gain, part)
            gain.add_(curved)
        if rule.offset != 0.0:
            part.add_(hard, alpha=rule.offset * scale)
    return derivative


def _rescale(kept: Tensor, n: int, blocks: list[slice], factor: Tensor) -> None:
    """Multiply the rows of the blocks kept so far by `factor` (n,)."""
    for block in blocks:
        part = kept[n * block.start : n * block.stop]
        if not len(part):
            return
        part.view(n, -1).mul_(factor[:, None])


def negatives_gradient(
    units: Tensor,
    weight: Tensor,
    kept: Tensor,
    inverse_norms: Tensor,
    row_factors: Tensor,
    for_units: bool,
    for_weight: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of units (n, d) and of centres (classes, d), projected past the centres' lengths.

    The cosines of row i have the gradient row_factors[i] * kept[i], `kept` and `inverse_norms` as `sum_negatives` left.
    """
    n, classes = len(units), len(weight)
    blocks = class_blocks(n, classes)
    to_units = torch.zeros_like(units) if for_units else None
    to_weight = torch.empty_like(weight) if for_weight else None
    weighed = units * row_factors[:, None]
    scratch = torch.empty_like(kept[: n * blocks[0].stop])
    for block in blocks:
        centres, here = weight[block], kept[n * block.start : n * block.stop].view(n, -1)
        over_norms = torch.mul(here, inverse_norms[block], out=scratch[: here.numel()].view_as(here))
        if to_units is not None:
            to_units.addmm_(over_norms, centres)
        if to_weight is not None:
            part = torch.mm(over_norms.T, weighed, out=to_weight[block])
            _project(part, centres, inverse_norms[block])
    return None if to_units is None else to_units.mul_(row_factors[:, None]), to_weight


def _project(gradient: Tensor, centres: Tensor, inverse_norms: Tensor) -> None:
    """Take from the gradient of centres (m, d), already over their lengths, what points along them; in place."""
    size = max(1, CACHED_ELEMENTS // centres.shape[1])
    products = centres.new_empty(min(size, len(centres)), centres.shape[1])
    squares = inverse_norms.square()
    for part, rows, square in zip(gradient.split(size), centres.split(size), squares.split(size), strict=True):
        along = torch.mul(part, rows, out=products[: len(part)]).sum(dim=1).mul_(square)
        part.addcmul_(rows, along[:, None], value=-1.0)
