"""Who must go when images leak: the images alone, or their whole identities; as objects that decide image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

KEPT, LEAK, SAME_IDENTITY, TOO_FEW_LEFT = "", "leaks", "its identity leaks", "too few images left"
"""Reasons; an image that is kept has the empty one."""


class ExclusionPolicy(Protocol):
    """Decides from what leaks which images go, and why."""

    def reasons(self, labels: npt.NDArray[np.int64], leaking: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
        """Give the reason (n,) for which every image is excluded, `KEPT` where it stays."""

    def describe(self) -> dict[str, object]:
        """Give the policy as plain values, for the record."""


@dataclass(frozen=True)
class DropImages:
    """Excludes the leaking images, then identities that would be left with fewer than `minimum_images`.

    An identity that had fewer from the beginning stays if nothing of it leaks.
    """

    minimum_images: int = 2

    def __post_init__(self) -> None:
        if self.minimum_images < 1:
            raise ValueError(f"minimum_images: expected at least 1, found {self.minimum_images}")

    def reasons(self, labels: npt.NDArray[np.int64], leaking: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
        """Give the reason (n,) for which every image is excluded, `KEPT` where it stays."""
        _, number = np.unique(labels, return_inverse=True)
        left = np.bincount(number[~leaking], minlength=number.max(initial=-1) + 1)
        touched = np.bincount(number[leaking], minlength=len(left)) > 0
        too_few = (touched & (left < self.minimum_images))[number]
        return np.where(leaking, LEAK, np.where(too_few, TOO_FEW_LEFT, KEPT))

    def describe(self) -> dict[str, object]:
        """Give the policy as plain values, for the record."""
        return {"drop": "images", "minimum_images": self.minimum_images}


@dataclass(frozen=True)
class DropIdentities:
    """Excludes every image of an identity of which at least `minimum_leaks` images leak, and other leaking images.

    With the default of one, identities stay whole: a set with as many images of each keeps that shape.
    """

    minimum_leaks: int = 1

    def __post_init__(self) -> None:
        if self.minimum_leaks < 1:
            raise ValueError(f"minimum_leaks: expected at least 1, found {self.minimum_leaks}")

    def reasons(self, labels: npt.NDArray[np.int64], leaking: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
        """Give the reason (n,) for which every image is excluded, `KEPT` where it stays."""
        _, number = np.unique(labels, return_inverse=True)
        count = np.bincount(number[leaking], minlength=number.max(initial=-1) + 1)
        whole = (count >= self.minimum_leaks)[number]
        return np.where(leaking, LEAK, np.where(whole, SAME_IDENTITY, KEPT))

    def describe(self) -> dict[str, object]:
        """Give the policy as plain values, for the record."""
        return {"drop": "identities", "minimum_leaks": self.minimum_leaks}
