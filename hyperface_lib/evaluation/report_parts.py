"""What a report is made of: values in rows, rows in groups that may be compared, groups in a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperface_lib.evaluation.recipes import Recipe
from hyperface_lib.evaluation.report_text import report_latex, report_markdown

if TYPE_CHECKING:
    import pandas

PUBLISHED, MEASURED = "published", "measured here"


@dataclass(frozen=True)
class Value:
    """A result in per cent; std over the folds, best_threshold and pairs are known of measured accuracies alone."""

    percent: float
    std: float | None = None
    best_threshold: float | None = None
    pairs: int | None = None


@dataclass(frozen=True)
class ReportRow:
    """A model (or, published, the set it was trained on) with its values by column, and its ranks where it has any.

    origin: "published" or "measured here". average: over the five benchmarks, all of them, in per cent. borda: points.
    """

    model: str
    origin: str
    values: Mapping[str, Value]
    average: float | None = None
    average_rank: int | None = None
    borda: float | None = None
    borda_rank: int | None = None
    identities: int | None = None
    images: int | None = None


@dataclass(frozen=True)
class ReportGroup:
    """Rows that share a recipe and a family of benchmarks: inside a group, and nowhere else, rows are ranked.

    columns: the sets of accuracies. rates: keys of `RATES`, which enter no average and no rank. averaged: the sets of
    the average. best: column -> the best value, where there is a comparison. reason: why rows are not ranked.
    """

    title: str
    recipe: Recipe
    columns: tuple[str, ...]
    rates: tuple[str, ...]
    averaged: tuple[str, ...]
    rows: tuple[ReportRow, ...]
    best: Mapping[str, float]
    digits: int
    reason: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def is_ranked(self) -> bool:
        """Whether rows of the group have ranks."""
        return any(row.borda is not None for row in self.rows)

    def is_best(self, column: str, percent: float) -> bool:
        """Whether a value of a column ("average" is one) is its best, ties included."""
        return column in self.best and round(percent, self.digits) == self.best[column]


@dataclass(frozen=True)
class Failure:
    """A set that could not be measured, and why, in one sentence."""

    model: str
    suite: str
    set: str
    reason: str

    def __str__(self) -> str:
        return f"{self.model} on {self.set} failed: {self.reason}"


@dataclass(frozen=True)
class Report:
    """Groups of comparable rows, remarks that hold for the whole, and what could not be measured."""

    groups: tuple[ReportGroup, ...]
    remarks: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    def to_pandas(self) -> pandas.DataFrame:
        """Give one line a row: group, recipe, model, origin, sets (and "SET std", "SET best threshold"), ranks."""
        import pandas

        lines = []
        for group in self.groups:
            for row in group.rows:
                line: dict[str, object] = {
                    "group": group.title,
                    "recipe": group.recipe.name,
                    "model": row.model,
                    "origin": row.origin,
                    "identities": row.identities,
                    "images": row.images,
                }
                for name, value in row.values.items():
                    line[name] = value.percent
                    if row.origin == MEASURED:
                        line |= {f"{name} std": value.std, f"{name} best threshold": value.best_threshold}
                ranks = {name: getattr(row, name) for name in ("average", "average_rank", "borda", "borda_rank")}
                lines.append(line | ranks)
        return pandas.DataFrame(lines)

    def to_markdown(self) -> str:
        """Write a table a group, the best values bold, then the remarks."""
        return report_markdown(self)

    def to_latex(self) -> str:
        """Write a float a group for a document that uses booktabs."""
        return report_latex(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __str__(self) -> str:
        return self.to_markdown()
