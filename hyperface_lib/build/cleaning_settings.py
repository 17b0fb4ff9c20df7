"""What the study of cleaning trains: the rows of its table, its sizes, and its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hyperface_lib.training import Recipe

CLEAN_SET, NOISY_SET, CLEANED_SET = "clean", "noisy", "cleaned"
SUB_CENTER = "sub-center K = 3"
SCALE, MARGIN_RADIANS = 16.0, 0.25
THRESHOLDS_DEGREES = (70.0, 75.0, 80.0)
VALLEY = "valley"
"""The threshold that the angles themselves suggest (`valley_degrees`)."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a head, and the set it is trained on.

    threshold_degrees: of a cleaned set, a number or `VALLEY`; the angles are those of the row `SUB_CENTER`.
    """

    name: str
    head: str = "arcface"
    options: dict[str, Any] = field(default_factory=dict)
    training_set: str = NOISY_SET
    threshold_degrees: float | str | None = None

    def key(self, seed: int) -> str:
        """Return what tells one training from all others."""
        return f"{self.name}, seed {seed}"


@dataclass(frozen=True)
class StudySize:
    """How many people and pictures, how long each training is, and how many pairs each benchmark has."""

    identities: int = 400
    images_per_identity: int = 24
    noise_share: float = 0.38
    steps: int = 1500
    batch_size: int = 64
    pairs: int = 3000
    architecture: str = "tiny"

    @property
    def outsiders(self) -> int:
        """Pictures of people outside the set, each of another one."""
        samples = self.identities * self.images_per_identity
        return round(samples * self.noise_share) - round(round(samples * self.noise_share) / 2)

    def recipe(self, row: Row, seed: int) -> Recipe:
        """Return the recipe of one training; only head and seed differ between trainings."""
        return Recipe(
            architecture=self.architecture,
            head=row.head,
            head_options={"scale": SCALE, "margin_radians": MARGIN_RADIANS, **row.options},
            max_steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=4e-3,
            seed=seed,
        )


FULL = StudySize()
QUICK = StudySize(identities=30, images_per_identity=8, steps=20, pairs=60)


def rows(size: StudySize) -> list[Row]:
    """Return the table's rows; the cleaned ones last, because they need another row's angles."""
    small_loss = {"noise_share": size.noise_share, "ramp_steps": size.steps // 4}
    first = [
        Row("clean ArcFace", training_set=CLEAN_SET),
        Row("ArcFace (K = 1)"),
        Row(SUB_CENTER, "subcenter-arcface", {"sub_centers": 3}),
        Row("sub-center K = 10", "subcenter-arcface", {"sub_centers": 10}),
        Row("sub-center K = 3, softmax", "subcenter-arcface", {"sub_centers": 3, "pooling": "softmax"}),
        Row("sub-center K = 3, regularised", "subcenter-arcface", {"sub_centers": 3, "regulariser_weight": 0.2}),
        Row("small-loss weights", "small-loss-arcface", small_loss),
    ]
    cleaned = [
        Row(f"cleaned at {threshold:g} degrees", training_set=CLEANED_SET, threshold_degrees=threshold)
        for threshold in THRESHOLDS_DEGREES
    ]
    return [*first, *cleaned, Row("cleaned at the valley", training_set=CLEANED_SET, threshold_degrees=VALLEY)]
