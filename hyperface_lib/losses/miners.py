"""Which tuples of a batch a pairwise loss looks at: all, semi-hard, hardest, or one pair a class.

A miner never lists triplets one by one: it yields positive pairs with a mask of their chosen negatives, in blocks of
bounded size. All triplets of a batch of n rows therefore take O(n^2) memory, not O(n^3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Entries of the mask of one block: a few megabytes for each temporary of a loss.
BLOCK_ENTRIES = 2**20
# `Miner.triplets` takes 24 bytes a triplet: at most 240 MB.
LISTED_TRIPLETS = 10_000_000


@dataclass(frozen=True)
class TupleBlock:
    """Positive pairs of rows of a batch of n, each with its negatives; a pair occurs at most once."""

    anchors: Tensor  # (b,) rows
    positives: Tensor  # (b,) rows of the same class, never the anchor itself
    negatives: Tensor  # (b, n) true where the row is a chosen negative


class Miner(ABC):
    """Chooses tuples from distances (n, n) and labels (n,) of known classes. `margin` is in the distances' unit."""

    @abstractmethod
    def blocks(self, distances: Tensor, labels: Tensor, margin: float) -> Iterator[TupleBlock]:
        """Yield the chosen pairs and their negatives in blocks of about BLOCK_ENTRIES mask entries."""

    def pairs(self, distances: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Return masks (n, n) of the chosen positive and negative pairs, for a loss that needs no triplets.

        Unless a miner says otherwise these are the pairs that occur in one of its triplets.
        """
        positive = torch.zeros_like(distances, dtype=torch.bool)
        times = torch.zeros_like(distances, dtype=torch.int32)
        for block in self.blocks(distances, labels, margin):
            used = block.negatives.any(dim=1)
            positive[block.anchors[used], block.positives[used]] = True
            times.index_add_(0, block.anchors, block.negatives.int())
        return positive, times > 0

    def triplets(self, distances: Tensor, labels: Tensor, margin: float = 0.0, limit: int = LISTED_TRIPLETS) -> Tensor:
        """Return the chosen triplets (t, 3) of rows: anchor, positive, negative.

        Raises ValueError if there are more than `limit`; the losses themselves need no list and have no such limit.
        """
        found: list[Tensor] = [labels.new_empty((0, 3), dtype=torch.long)]
        count = 0
        for block in self.blocks(distances, labels, margin):
            count += int(block.negatives.sum())
            if count > limit:
                raise ValueError(f"at most {limit} triplets can be listed, found more in a batch of {len(labels)}")
            pair, negative = block.negatives.nonzero(as_tuple=True)
            found.append(torch.stack([block.anchors[pair], block.positives[pair], negative], dim=1))
        return torch.cat(found)


class AllMiner(Miner):
    """Every positive pair with every row of another class."""

    def blocks(self, distances: Tensor, labels: Tensor, margin: float) -> Iterator[TupleBlock]:
        """Yield all positive pairs that have a negative."""
        del margin
        yield from _all_blocks(labels)

    def pairs(self, distances: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Return all pairs, also those of a row without a positive or without a negative."""
        del distances, margin
        return same_class(labels), labels[:, None] != labels[None, :]


class SemiHardMiner(Miner):
    """Every positive pair with the negatives farther than the positive, yet inside the margin.

    d(a, p) < d(a, n) < d(a, p) + margin (Schroff et al., arXiv 1503.03832, section 3.2). `band` replaces the margin of
    the loss as the width of that shell, in the unit of the loss's distance.
    """

    def __init__(self, band: float | None = None) -> None:
        if band is not None and not band > 0:
            raise ValueError(f"band must be above 0, found {band}")
        self.band = band

    def blocks(self, distances: Tensor, labels: Tensor, margin: float) -> Iterator[TupleBlock]:
        """Yield all positive pairs with their semi-hard negatives, which may be none."""
        width = margin if self.band is None else self.band
        for block in _all_blocks(labels):
            positive = distances[block.anchors, block.positives][:, None]
            rows = distances[block.anchors]
            chosen = block.negatives & (rows > positive) & (rows < positive + width)
            yield TupleBlock(block.anchors, block.positives, chosen)


class HardMiner(Miner):
    """For every row its farthest positive and its nearest negative (batch-hard; Hermans et al., arXiv 1703.07737)."""

    def blocks(self, distances: Tensor, labels: Tensor, margin: float) -> Iterator[TupleBlock]:
        """Yield one triplet for every row that has a positive and a negative."""
        positive, negative = self.pairs(distances, labels, margin)
        rows = (positive.any(dim=1) & negative.any(dim=1)).nonzero().squeeze(1)
        if len(rows):
            yield TupleBlock(rows, positive[rows].int().argmax(dim=1), negative[rows])

    def pairs(self, distances: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Return each row's hardest positive and hardest negative, where it has one."""
        del margin
        same, other = same_class(labels), labels[:, None] != labels[None, :]
        if len(labels) == 0:
            return same, other
        farthest = distances.masked_fill(~same, -torch.inf).argmax(dim=1, keepdim=True)
        nearest = distances.masked_fill(~other, torch.inf).argmin(dim=1, keepdim=True)
        empty = torch.zeros_like(same)
        return empty.scatter(1, farthest, True) & same, empty.scatter(1, nearest, True) & other


class NPairMiner(Miner):
    """The first two rows of each class are a pair; its negatives are the other pairs' second rows (Sohn, NIPS 2016)."""

    def blocks(self, distances: Tensor, labels: Tensor, margin: float) -> Iterator[TupleBlock]:
        """Yield one pair for every class with two rows or more."""
        del margin
        order = torch.argsort(labels, stable=True)
        counts = torch.unique_consecutive(labels[order], return_counts=True)[1]
        first = (counts.cumsum(0) - counts)[counts >= 2]
        if len(first):
            anchors, positives = order[first], order[first + 1]
            negatives = torch.zeros((len(first), len(labels)), dtype=torch.bool, device=distances.device)
            negatives[:, positives] = True
            negatives.scatter_(1, positives[:, None], False)
            yield TupleBlock(anchors, positives, negatives)


_MINERS: dict[str, type[Miner]] = {
    "all": AllMiner,
    "semi-hard": SemiHardMiner,
    "hard": HardMiner,
    "n-pair": NPairMiner,
}


def create_miner(miner: str | Miner) -> Miner:
    """Return the miner of that name, or the object itself. Raises ValueError for an unknown name."""
    if isinstance(miner, Miner):
        return miner
    if miner not in _MINERS:
        raise ValueError(f"miner must be a Miner or one of {', '.join(_MINERS)}, found {miner!r}")
    return _MINERS[miner]()


def same_class(labels: Tensor) -> Tensor:
    """Return the mask (n, n) of pairs of two different rows of one class."""
    same = labels[:, None] == labels[None, :]
    return same.fill_diagonal_(False)


def _all_blocks(labels: Tensor) -> Iterator[TupleBlock]:
    other = labels[:, None] != labels[None, :]
    anchors, positives = (same_class(labels) & other.any(dim=1, keepdim=True)).nonzero(as_tuple=True)
    step = max(1, BLOCK_ENTRIES // max(1, len(labels)))
    for start in range(0, len(anchors), step):
        rows = anchors[start : start + step]
        yield TupleBlock(rows, positives[start : start + step], other[rows])
