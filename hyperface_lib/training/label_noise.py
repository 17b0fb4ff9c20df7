"""Label noise of known kinds: which pictures of a training set show somebody else, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLEAN, SWAPPED, OUTSIDER = 0, 1, 2
KINDS = ("clean", "swapped", "outsider")
"""clean: the picture shows the person of its label; swapped: another person of the set; outsider: nobody of the set."""

_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class NoisyLabels:
    """A training set with wrong pictures, and the truth about each of its n samples.

    labels: (n,) classes, as they were. images: (n,) the row of the picture that now stands under the label; rows from n
    on are the outsiders'. kinds: (n,) positions in `KINDS`. people: (n,) the class of the person shown, -1 for an
    outsider.
    """

    labels: NDArray[np.int64]
    images: NDArray[np.int64]
    kinds: NDArray[np.int64]
    people: NDArray[np.int64]

    @property
    def is_clean(self) -> NDArray[np.bool_]:
        """Where the picture shows the person of the label: (n,)."""
        return self.kinds == CLEAN

    @property
    def noise_share(self) -> float:
        """The share of samples whose picture shows somebody else."""
        return float(np.mean(~self.is_clean))


def add_label_noise(
    labels: ArrayLike, outsiders: int, *, share: float = 0.38, swapped_share: float = 0.5, seed: int = 0
) -> NoisyLabels:
    """Put wrong pictures under labels (n,): other people of the set, and outsiders.

    share: of the n samples, rounded to whole ones; which ones is drawn without regard to class, so that some people are
    hit harder. swapped_share: of the noise; the swapped samples pass their pictures round among themselves, so that no
    picture appears twice, every class keeps its size, and nobody keeps a picture of their own. The other noise takes
    pictures n .. n + outsiders - 1, each once; the pictures they replace leave the set. Raises ValueError for shares
    outside 0 .. 1, too few outsiders, unknown labels, or noise that one class would have to swap with itself.
    """
    classes = np.asarray(labels)
    if classes.ndim != 1 or not len(classes) or not np.issubdtype(classes.dtype, np.integer) or classes.min() < 0:
        raise ValueError(f"labels must be one row of integers from 0 on, found {classes.dtype} {classes.shape}")
    for name, value in (("share", share), ("swapped_share", swapped_share)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in 0 .. 1, found {value}")
    count = len(classes)
    noisy = round(count * share)
    swapped = round(noisy * swapped_share)
    if noisy - swapped > outsiders:
        raise ValueError(f"the noise needs {noisy - swapped} pictures of outsiders, found {outsiders}")
    generator = np.random.default_rng([seed, 0x401])
    chosen = generator.permutation(count)[:noisy]
    among, foreign = chosen[:swapped], chosen[swapped:]
    images = np.arange(count)
    images[among] = among[_exchange(classes[among], generator)]
    people = classes[images].astype(np.int64)
    images[foreign] = count + generator.permutation(outsiders)[: len(foreign)]
    people[foreign] = -1
    kinds = np.full(count, CLEAN)
    kinds[among], kinds[foreign] = SWAPPED, OUTSIDER
    return NoisyLabels(classes.astype(np.int64), images, kinds, people)


def _exchange(classes: NDArray[np.integer], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return a random permutation (n,) that gives every place something of another class."""
    count = len(classes)
    if not count:
        return np.empty(0, np.int64)
    largest = int(np.bincount(classes).max())
    if 2 * largest > count:
        raise ValueError(f"{largest} of {count} swapped samples are of one class, which has nobody to swap with")
    order = generator.permutation(count)
    for _ in range(_ROUNDS):
        own = np.flatnonzero(classes[order] == classes)
        if not len(own):
            return order
        for place in own:
            other = int(generator.integers(count))
            order[place], order[other] = order[other], order[place]
    # Few classes: shifting samples sorted by class past the largest class always works, and is less mixed.
    by_class = np.lexsort((generator.random(count), classes))
    order = np.empty(count, np.int64)
    order[by_class] = np.roll(by_class, -largest)
    return order
