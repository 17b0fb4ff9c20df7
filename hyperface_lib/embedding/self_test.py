"""Which order of colours a recogniser expects: tried on faces whose people are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperface_lib.embedding.protocol import Embedder

_CLEAR = 0.02
# How far apart a network must hold a person's faces and other people's in its better order: an untrained one's .03 more
# in one order than in the other says nothing of what it was made for.
_TELLS_APART = 0.1


@dataclass(frozen=True)
class SelfTest:
    """Mean cosines of faces given as RGB, and with red and blue exchanged.

    channel_cosine: of a face with itself in the other order. same_rgb, same_bgr: of two faces of a person.
    other_rgb, other_bgr: of faces of two people; NaN for faces of one person alone.
    """

    channel_cosine: float
    same_rgb: float
    same_bgr: float
    other_rgb: float
    other_bgr: float

    @property
    def gain(self) -> float:
        """How much better RGB holds a person's faces together and people apart than BGR does."""
        apart = 0.0 if np.isnan(self.other_rgb) else self.other_rgb - self.other_bgr
        return self.same_rgb - self.same_bgr - apart

    @property
    def channel_order(self) -> str | None:
        """Return "RGB" or "BGR", the order in which the network tells people apart better.

        None if it is unclear, or if the network tells people apart in neither.
        """
        apart = max(self.same_rgb - self.other_rgb, self.same_bgr - self.other_bgr)
        if abs(self.gain) < _CLEAR or apart < _TELLS_APART:
            return None
        return "RGB" if self.gain > 0 else "BGR"

    @property
    def warning(self) -> str:
        """Return one sentence where the order is unclear or not that of the faces given, else an empty text."""
        if self.channel_order == "RGB":
            return ""
        found = "the network seems to expect BGR" if self.channel_order else "the order of colours is undecided"
        return f"RGB was expected and {found}: {self.describe()}."

    def describe(self) -> str:
        """Return the figures in words."""
        return (
            f"same person {self.same_rgb:.3f} as RGB and {self.same_bgr:.3f} as BGR, other people {self.other_rgb:.3f} "
            f"and {self.other_bgr:.3f}, cos(RGB, BGR) {self.channel_cosine:.3f}"
        )


def self_test(embedder: Embedder, faces: NDArray[np.uint8], people: ArrayLike) -> SelfTest:
    """Embed faces (n, size, size, 3) RGB of `people` (n,) in both orders and compare.

    Two faces of one person are enough; several people decide better, because a network that tells nobody apart holds
    every face together. Raises ValueError unless somebody has two faces.
    """
    numbers = np.asarray(people)
    if numbers.shape != (len(faces),):
        raise ValueError(f"people: one number a face was expected, ({len(faces)},), found {numbers.shape}")
    first, second = np.triu_indices(len(faces), k=1)
    same = numbers[first] == numbers[second]
    if not same.any():
        raise ValueError(f"two faces of one person were expected, found {len(faces)} faces of as many people")
    rgb = embedder.embed(faces).astype(np.float64)
    bgr = embedder.embed(np.ascontiguousarray(faces[..., ::-1])).astype(np.float64)

    def mean(vectors: NDArray[Any], pairs: NDArray[np.bool_]) -> float:
        if not pairs.any():
            return float("nan")
        return float((vectors[first[pairs]] * vectors[second[pairs]]).sum(axis=1).mean())

    return SelfTest(
        channel_cosine=float((rgb * bgr).sum(axis=1).mean()),
        same_rgb=mean(rgb, same),
        same_bgr=mean(bgr, same),
        other_rgb=mean(rgb, ~same),
        other_bgr=mean(bgr, ~same),
    )
