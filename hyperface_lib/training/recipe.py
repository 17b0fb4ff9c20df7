"""A training recipe: every choice of a run as plain values, so that it can be printed, stored and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True)
class Augmentation:
    """Changes to training images; each is a probability or an amount, 0 turns it off."""

    flip: float = 0.5
    shift_pixels: int = 2
    grey: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.1
    noise: float = 0.25
    noise_sigma: float = 0.06
    erase: float = 0.1
    erase_largest: float = 0.35

    def __post_init__(self) -> None:
        for name in ("flip", "grey", "noise", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augmentation {name} is a probability in 0 .. 1, found {getattr(self, name)}")
        if self.shift_pixels < 0:
            raise ValueError(f"augmentation shift_pixels must be 0 or more, found {self.shift_pixels}")


NO_AUGMENTATION = Augmentation(0.0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
SCHEDULES = ("cosine", "poly", "step", "constant")
OPTIMISERS = ("sgd", "adamw")


@dataclass(frozen=True)
class Recipe:
    """How to train a recogniser. The length is `epochs`, or `max_steps` where that is not None.

    The margin grows from 0 to its full size between the fractions `margin_from` and `margin_full` of the run.
    `milestones` are fractions of the run at which the "step" schedule divides the learning rate by ten.
    """

    architecture: str = "small"
    dimension: int = 128
    dropout: float = 0.0
    head: str = "arcface"
    head_options: dict[str, Any] = field(default_factory=lambda: {"scale": 16.0, "margin_radians": 0.25})
    epochs: float = 12.0
    max_steps: int | None = None
    batch_size: int = 64
    optimiser: str = "adamw"
    learning_rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 5e-3
    warmup_steps: int = 100
    schedule: str = "cosine"
    poly_power: float = 1.0
    milestones: tuple[float, ...] = (0.46, 0.77, 0.92)
    final_fraction: float = 0.01
    margin_from: float = 0.3
    margin_full: float = 0.7
    clip_gradient: float | None = 5.0
    precision: str = "auto"
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, found {self.schedule!r}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser must be one of {', '.join(OPTIMISERS)}, found {self.optimiser!r}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be 2 or more (batch normalisation needs two), found {self.batch_size}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, found {self.learning_rate}")
        if self.max_steps is None and not self.epochs > 0:
            raise ValueError(f"epochs must be above 0, found {self.epochs}")
        if not 0 <= self.margin_from <= self.margin_full <= 1:
            raise ValueError(
                f"margin_from and margin_full must satisfy 0 <= from <= full <= 1, "
                f"found {self.margin_from} and {self.margin_full}"
            )

    def steps_per_epoch(self, images: int) -> int:
        """Return the number of steps in one pass over `images` images (the last short batch is left out)."""
        return max(1, images // self.batch_size)

    def total_steps(self, images: int) -> int:
        """Return the number of steps of the whole run."""
        if self.max_steps is not None:
            return self.max_steps
        return max(1, round(self.epochs * self.steps_per_epoch(images)))

    def with_changes(self, **changes: Any) -> Recipe:
        """Return a copy with some values changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values fit for JSON."""
        values = asdict(self)
        values["milestones"] = list(self.milestones)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Read a recipe from plain values. Raises ValueError naming unknown keys."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown recipe values {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        values = dict(values)
        if isinstance(values.get("augmentation"), dict):
            values["augmentation"] = Augmentation(**values["augmentation"])
        if "milestones" in values:
            values["milestones"] = tuple(values["milestones"])
        return cls(**values)

    def describe(self) -> str:
        """Return the effective configuration as aligned text, one value a line."""
        lines: list[tuple[str, str]] = []
        for key, value in self.to_dict().items():
            if isinstance(value, dict):
                lines += [(f"{key}.{inner}", str(item)) for inner, item in value.items()]
            else:
                lines.append((key, str(value)))
        width = max(len(key) for key, _ in lines)
        return "\n".join(f"{key:<{width}}  {value}" for key, value in lines)
