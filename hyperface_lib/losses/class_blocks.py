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
BLOCK_ELEMENTS = 1 << 20
# What several passes go over at a time, so that the second and later ones find it in the second-level cache.
CACHED_ELEMENTS = 1 << 16
FEWEST_CLASSES = 128
# Exponents above the shift that are let be: e^40 times a million classes is far from overflow in float32.
HEADROOM = 40.0
_BELOW_ALL = -1e30


@dataclass
class NegativeSums:
    """What the forward pass leaves, per row: sum of exp(logit - shift) over the other classes, and its parts.

    `nearest` is the largest cosine of another class before hard negatives are changed, `weighted` the sum of
    exponentials times cosines (None unless asked for). `kept` holds, block after block, the exponentials times the hard
    negatives' derivative over the centres' lengths (empty unless asked for), `inverse_norms` (classes,) is 1 / length.
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


def _rows_at_once(columns: int) -> int:
    """Return how many rows several passes go over at a time.

    Threads wait for one another at the end of each pass, so that several of them want fewer and longer ones.
    """
    threads = torch.get_num_threads()
    return max(1, CACHED_ELEMENTS * (1 if threads == 1 else 4 * threads) // columns)


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
    found = NegativeSums(
        shift=units.new_full((n,), _BELOW_ALL),
        total=units.new_zeros(n),
        nearest=units.new_full((n,), -torch.inf),
        weighted=units.new_zeros(n) if weigh else None,
        kept=units.new_empty(n * (classes if keep else blocks[0].stop)),
        inverse_norms=weight.new_empty(classes),
    )
    hard = None if negatives is None else _HardLogits(negatives, scale, units)
    size = _rows_at_once(blocks[0].stop)
    scaled = units * scale
    for block, (rows, columns) in zip(blocks, _targets(labels, blocks), strict=True):
        centres, start = weight[block], n * block.start if keep else 0
        logits = found.kept[start : start + n * len(centres)].view(n, len(centres))
        torch.mm(scaled, centres.T, out=logits)
        inverse = found.inverse_norms[block] = inverse_lengths(centres)
        logits.mul_(inverse)
        # Far below every shift, so that its exponential is 0, and finite for the arithmetic of the hard negatives.
        logits[rows, columns] = 2.0 * _BELOW_ALL
        earlier = [
            found.kept[n * one.start : n * one.stop].view(n, -1) for one in blocks if keep and one.stop <= block.start
        ]
        for first in range(0, n, size):
            part = slice(first, first + size)
            _add_rows(found, part, logits[part], hard, earlier)
            if keep:
                logits[part].mul_(inverse)
    if found.weighted is not None:
        found.weighted /= scale
    found.nearest = torch.where(found.nearest > _BELOW_ALL, found.nearest / scale, -torch.inf)
    found.kept = found.kept if keep else found.kept[:0]
    return found


def _add_rows(
    found: NegativeSums,
    rows: slice,
    logits: Tensor,
    hard: _HardLogits | None,
    earlier: list[Tensor],
) -> None:
    """Add some rows of a block to what is found; the logits become what the backward pass needs.

    So few rows that they stay in the second-level cache for all that is done with them.
    """
    largest = logits.amax(dim=1)
    found.nearest[rows] = torch.maximum(found.nearest[rows], largest)
    if hard is not None:
        largest = hard.change(logits, rows, largest)
    shift = found.shift[rows]
    if bool((largest > shift + HEADROOM).any()):
        renewed = torch.maximum(shift, largest)
        factor = (shift - renewed).exp()
        found.total[rows] *= factor
        if found.weighted is not None:
            found.weighted[rows] *= factor
        for block in earlier:
            block[rows].mul_(factor[:, None])
        shift = found.shift[rows] = renewed
    before = logits.clone() if found.weighted is not None else None
    logits.sub_(shift[:, None]).exp_()
    found.total[rows] += logits.sum(dim=1)
    if found.weighted is not None and before is not None:
        # The target is 0 times something finite.
        found.weighted[rows] += torch.linalg.vecdot(logits, before.clamp_(min=_BELOW_ALL))
    if hard is not None:
        hard.times_derivative(logits)


class _HardLogits:
    """The rule of hard negatives on logits L = scale * cosine: L + hard * (L (q L + a) + b), hard being 1 or 0.

    Arithmetic with ones and zeros is several times as fast as masks and `where` on processors.
    """

    def __init__(self, rule: HardNegatives, scale: float, like: Tensor) -> None:
        self.rule = rule
        self.scale = scale
        self.limit = (rule.threshold.detach() * scale).to(like.dtype).clamp(_BELOW_ALL, -_BELOW_ALL)
        self.curve, self.gain = rule.quadratic / scale, rule.slope - 1.0
        self.gain_tensor = like.new_tensor(self.gain)
        self.step_tensor = like.new_tensor(rule.offset * scale)
        self.room = like.new_empty(2, 0)

    def change(self, logits: Tensor, rows: slice, largest: Tensor) -> Tensor:
        """Change the hard ones in place; return the largest of each row, or a little above, and remember the rest."""
        if self.room.shape[1] < logits.numel():
            self.room = logits.new_empty(2, logits.numel())
        hard, other = (one[: logits.numel()].view_as(logits) for one in self.room)
        limit = self.limit[rows]
        torch.gt(logits, limit[:, None], out=hard)
        if self.curve == 0.0:
            torch.add(self.step_tensor, logits, alpha=self.gain, out=other)
            logits.addcmul_(hard, other)
            # The rule rises with the cosine.
            highest = torch.where(largest > limit, largest * self.rule.slope + self.rule.offset * self.scale, largest)
            self._factor, self._times = hard, self.gain
            return highest
        torch.add(self.gain_tensor, logits, alpha=self.curve, out=other)
        other.mul_(hard)
        logits.addcmul_(logits, other)
        if self.rule.offset != 0.0:
            logits.add_(hard, alpha=self.rule.offset * self.scale)
        # The derivative less 1 is hard (2 q L + a) = 2 (hard (q L + a) - hard a / 2).
        self._factor, self._times = other.sub_(hard, alpha=self.gain / 2), 2.0
        return logits.amax(dim=1)

    def times_derivative(self, exponentials: Tensor) -> None:
        """Multiply the exponentials of the logits changed last by the rule's derivative."""
        exponentials.addcmul_(exponentials, self._factor, value=self._times)


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

    The cosines of row i with the raw centres have the gradient row_factors[i] * kept[i], `kept` and `inverse_norms` as
    `sum_negatives` left them.
    """
    n, classes = len(units), len(weight)
    blocks = class_blocks(n, classes)
    to_units = torch.zeros_like(units) if for_units else None
    to_weight = torch.empty_like(weight) if for_weight else None
    weighed = units * row_factors[:, None]
    for block in blocks:
        centres, here = weight[block], kept[n * block.start : n * block.stop].view(n, -1)
        if to_units is not None:
            to_units.addmm_(here, centres)
        if to_weight is not None:
            part = torch.mm(here.T, weighed, out=to_weight[block])
            _project(part, centres, inverse_norms[block])
    return None if to_units is None else to_units.mul_(row_factors[:, None]), to_weight


def _project(gradient: Tensor, centres: Tensor, inverse_norms: Tensor) -> None:
    """Take from the gradient of centres (m, d), already over their lengths, what points along them; in place."""
    size = _rows_at_once(centres.shape[1])
    products = centres.new_empty(min(size, len(centres)), centres.shape[1])
    squares = inverse_norms.square()
    for part, rows, square in zip(gradient.split(size), centres.split(size), squares.split(size), strict=True):
        along = torch.mul(part, rows, out=products[: len(part)]).sum(dim=1).mul_(square)
        part.addcmul_(rows, along[:, None], value=-1.0)
