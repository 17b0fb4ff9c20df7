"""How an inversion is searched, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hyperface_lib.training.inversion_views import NO_VIEWS, RandomViews

DISTANCES = ("cosine", "l2")


@dataclass(frozen=True)
class InversionSettings:
    """How to search. The loss is identity + batch_norm_weight * prior + total_variation_weight * variation.

    The identity loss is ArcFace's (closed set), or `scale` times the distance to the wanted embedding (open set), so
    that one weight of the prior means the same in both. Images of a batch are searched together, and the prior
    compares the statistics of the batch, not of each image: a larger batch leaves each image more freedom.
    `levels` and `views` go beyond the paper, as does a total variation above 0; `PAPER_TERMS` is without them.
    """

    steps: int = 150
    learning_rate: float = 0.03
    batch_norm_weight: float = 0.05
    scale: float = 64.0
    margin_radians: float = 0.5
    distance: str = "cosine"
    total_variation_weight: float = 0.0
    levels: int = 5
    start_deviation: float = 0.1
    views: RandomViews = field(default_factory=RandomViews)
    batch_size: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, found {self.distance!r}")
        for name in ("steps", "batch_size", "levels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, found {getattr(self, name)!r}")
        for name in ("learning_rate", "scale", "start_deviation"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)!r}")
        for name in ("batch_norm_weight", "total_variation_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, found {getattr(self, name)!r}")

    def with_changes(self, **changes: Any) -> InversionSettings:
        """Return a copy with some settings replaced."""
        return replace(self, **changes)


PAPER_TERMS = InversionSettings(levels=1, views=NO_VIEWS)
"""Identity loss and batch-norm prior on plain pixels, and nothing else."""
