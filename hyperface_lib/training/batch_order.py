"""Which images a step sees: a plain shuffle, or a number of images of each of some identities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class BatchOrder(Protocol):
    """Cuts an epoch into batches of numbers of images."""

    def epoch(self, generator: np.random.Generator) -> Numbers:
        """Return the numbers of an epoch's images, batch after batch."""


class ShuffledOrder:
    """Every image once an epoch, in random order; the last short batch is left out."""

    def __init__(self, images: int) -> None:
        self.images = images

    def epoch(self, generator: np.random.Generator) -> Numbers:
        """Return a permutation of the images."""
        return generator.permutation(self.images)


class IdentityOrder:
    """Batches of P different identities with K images each, for losses over pairs and tuples of a batch.

    Every pass shuffles the images of each identity and cuts them into groups of K, the last of them filled up with
    others of the same identity, and with images it has already where there are fewer than K. The groups of an identity
    are spread evenly over the pass, so that one with ten times the images comes ten times as often; a group that would
    bring its identity into a batch for the second time waits for the next batch. Images without a label (-1) are left
    out. `batches` is the number of batches of an epoch, which may be more or less than one pass.

    Source: Hermans et al., In Defense of the Triplet Loss, arXiv 1703.07737, section 2 (PK batches), which draw
    identities without regard to how many images they have. Raises ValueError unless a batch is P >= 2 groups of K >= 2
    and there are P identities.
    """

    def __init__(self, labels: Numbers, batch_size: int, images_per_identity: int, batches: int) -> None:
        if images_per_identity < 2 or batch_size % images_per_identity or batch_size < 2 * images_per_identity:
            raise ValueError(
                f"a batch of identities is 2 or more groups of images_per_identity >= 2 images, found a batch of "
                f"{batch_size} with images_per_identity {images_per_identity}"
            )
        known = np.flatnonzero(labels >= 0)
        order = known[np.argsort(labels[known], kind="stable")]
        starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        self.images_of = np.split(order, starts[1:]) if len(order) else []
        self.group = images_per_identity
        self.identities = batch_size // images_per_identity
        self.batches = batches
        if len(self.images_of) < self.identities:
            raise ValueError(
                f"a batch of {batch_size} with {images_per_identity} images of each identity needs {self.identities} "
                f"identities, found {len(self.images_of)}"
            )

    def epoch(self, generator: np.random.Generator) -> Numbers:
        """Return batches * P * K numbers of images, the groups of a batch one after the other."""
        stream = self._groups(generator)
        waiting: dict[int, list[Numbers]] = {}
        result: list[Numbers] = []
        for _ in range(self.batches):
            batch: dict[int, Numbers] = {}
            for identity in list(waiting)[: self.identities]:
                batch[identity] = waiting[identity].pop(0)
                if not waiting[identity]:
                    del waiting[identity]
            while len(batch) < self.identities:
                identity, images = next(stream)
                if identity in batch:
                    waiting.setdefault(identity, []).append(images)
                else:
                    batch[identity] = images
            result += batch.values()
        return np.concatenate(result)

    def _groups(self, generator: np.random.Generator) -> Iterator[tuple[int, Numbers]]:
        """Give (identity, K numbers) without end, pass after pass."""
        while True:
            groups = [self._cut(images, generator) for images in self.images_of]
            identity = np.repeat(np.arange(len(groups)), [len(one) for one in groups])
            place = np.concatenate([(np.arange(len(one)) + generator.random()) / len(one) for one in groups])
            flat = np.concatenate(groups)
            for row in np.argsort(place, kind="stable"):
                yield int(identity[row]), flat[row]

    def _cut(self, images: Numbers, generator: np.random.Generator) -> Numbers:
        shuffled = generator.permutation(images)
        missing = -len(shuffled) % self.group
        # The last group takes from the beginning of the shuffle, which is another group unless there is one alone.
        return np.concatenate([shuffled, np.resize(shuffled, missing)]).reshape(-1, self.group)
