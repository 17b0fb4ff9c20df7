"""A training recipe: every choice of a run as plain values, so that it can be printed, stored and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

CROP_OUTSIDE = ("resize", "black")


@dataclass(frozen=True)
class Augmentation:
    """Changes to training images; each is a probability or an amount, 0 turns it off.

    `saturation` is an amount as `brightness` and `contrast` are: pixels move away from or towards their grey value by
    at most that share. `crop` is the probability to keep a part of the image, of `crop_smallest` of its area or more,
    and to enlarge it ("resize") or to leave the rest of the image black ("black", as AdaFace does). `low_resolution` is
    the probability to shrink the image to `low_resolution_smallest` of its side or more and to enlarge it again
    (AdaFace, Kim et al., arXiv 2204.00964, section 4).
    """

    flip: float = 0.5
    shift_pixels: int = 2
    grey: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.1
    noise: float = 0.25
    noise_sigma: float = 0.06
    erase: float = 0.1
    erase_largest: float = 0.35
    saturation: float = 0.0
    crop: float = 0.0
    crop_smallest: float = 0.2
    crop_outside: str = "resize"
    low_resolution: float = 0.0
    low_resolution_smallest: float = 0.2

    def __post_init__(self) -> None:
        for name in ("flip", "grey", "noise", "erase", "crop", "low_resolution"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augmentation {name} is a probability in 0 .. 1, found {getattr(self, name)}")
        for name in ("crop_smallest", "low_resolution_smallest"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"augmentation {name} is a share above 0 and up to 1, found {getattr(self, name)}")
        if not 0 <= self.saturation <= 1:
            raise ValueError(f"augmentation saturation must lie in 0 .. 1, found {self.saturation}")
        if self.crop_outside not in CROP_OUTSIDE:
            raise ValueError(
                f"augmentation crop_outside must be one of {', '.join(CROP_OUTSIDE)}, found {self.crop_outside!r}"
            )
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

    `batch_size` is the number of images of one step of the optimiser, over all processes. `accumulation` is the number
    of parts in which a step works through its batch, one after the other, where memory is short. `learning_rate`
    belongs to `batch_size`: `scaled_to_batch` changes both by the linear rule. With `ema_decay` above 0 an exponential
    moving average of the weights is kept, which is what is verified and saved. `decay_norms_and_biases=False` leaves
    one-dimensional parameters (biases, gains of normalisations) out of the weight decay. A `sample_rate` below 1 trains
    on that share of the class centres a step (Partial FC, An et al., arXiv 2203.15565), spread over the processes.
    `images_per_identity` of 2 or more makes batches of that many images of each of batch_size / images_per_identity
    identities, which losses over pairs and tuples need; 0 shuffles the images.
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
    accumulation: int = 1
    ema_decay: float = 0.0
    decay_norms_and_biases: bool = True
    synchronise_batch_norm: bool = False
    sample_rate: float = 1.0
    images_per_identity: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, found {self.schedule!r}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser must be one of {', '.join(OPTIMISERS)}, found {self.optimiser!r}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be 2 or more (batch normalisation needs two), found {self.batch_size}")
        if self.accumulation < 1 or self.batch_size < 2 * self.accumulation:
            raise ValueError(
                f"accumulation must be 1 or more and leave two images a part, "
                f"found {self.accumulation} parts of a batch of {self.batch_size}"
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be 0 (off) or below 1, found {self.ema_decay}")
        if not 0 < self.sample_rate <= 1:
            raise ValueError(f"sample_rate must lie above 0 and up to 1, found {self.sample_rate}")
        each = self.images_per_identity
        if each and (each < 2 or self.batch_size % each or self.batch_size < 2 * each):
            raise ValueError(
                f"images_per_identity must be 0 (off) or 2 or more and divide batch_size into two groups or more, "
                f"found {each} in a batch of {self.batch_size}"
            )
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

    def scaled_to_batch(self, batch_size: int) -> Recipe:
        """Return a copy for another batch size with the learning rate scaled by the linear rule.

        k times the batch takes k times the learning rate (Goyal et al., arXiv 1706.02677, section 2.1). The rule holds
        for SGD with a warm-up; adaptive optimisers want less, nearer the square root.
        """
        rate = scaled_learning_rate(self.learning_rate, batch_size, self.batch_size)
        return replace(self, batch_size=batch_size, learning_rate=rate)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values fit for JSON.

        A value that later versions added is in it only where it differs from its neutral default, so that a recipe
        stored before has the same content key as the same recipe today.
        """
        values = self.all_values()
        for name, neutral in _ADDED_LATER.items():
            if values[name] == neutral:
                del values[name]
        changes = values["augmentation"]
        for name, neutral in _ADDED_TO_AUGMENTATION_LATER.items():
            if changes[name] == neutral:
                del changes[name]
        return values

    def all_values(self) -> dict[str, Any]:
        """Return every value, those at their neutral defaults too, as plain values."""
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
            values["augmentation"] = _augmentation_from(values["augmentation"])
        if "milestones" in values:
            values["milestones"] = tuple(values["milestones"])
        return cls(**values)

    def describe(self) -> str:
        """Return the effective configuration as aligned text, one value a line."""
        return aligned(self.all_values())


def aligned(values: dict[str, Any]) -> str:
    """Return values as aligned text, one a line; those of a dictionary inside have its name before theirs."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [(f"{key}.{inner}", str(item)) for inner, item in value.items()]
        else:
            lines.append((key, str(value)))
    width = max(len(key) for key, _ in lines)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in lines)


def scaled_learning_rate(learning_rate: float, batch_size: int, reference_batch_size: int) -> float:
    """Return the learning rate for `batch_size` images a step, given the one for `reference_batch_size`.

    The linear rule (Goyal et al., arXiv 1706.02677): rate * batch_size / reference_batch_size. Raises ValueError for
    a batch size below 1.
    """
    if batch_size < 1 or reference_batch_size < 1:
        raise ValueError(f"batch sizes must be 1 or more, found {batch_size} and {reference_batch_size}")
    return learning_rate * batch_size / reference_batch_size


def _augmentation_from(values: dict[str, Any]) -> Augmentation:
    known = {item.name for item in fields(Augmentation)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown augmentation values {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return Augmentation(**values)


_ADDED_LATER: dict[str, Any] = {
    item.name: item.default
    for item in fields(Recipe)
    if item.name
    in (
        "accumulation",
        "ema_decay",
        "decay_norms_and_biases",
        "synchronise_batch_norm",
        "sample_rate",
        "images_per_identity",
    )
}
_ADDED_TO_AUGMENTATION_LATER: dict[str, Any] = {
    item.name: item.default
    for item in fields(Augmentation)
    if item.name.startswith(("saturation", "crop", "low_resolution"))
}
