"""The table of results: one row a model and set, what can be averaged of it, and the ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperface_lib.evaluation.verification import PairScores

if TYPE_CHECKING:
    import pandas

    from hyperface_lib.evaluation.ijb import IjbResult

FIVE_BENCHMARKS = ("lfw", "cplfw", "agedb", "calfw", "cfp-fp")
"""The five the field averages; a set belongs to one when its name is it or ends in a hyphen and it."""


@dataclass(frozen=True)
class Row:
    """The result of one model on one set; rates are fractions, nan where they cannot be told.

    accuracy, accuracy_std: mean and population standard deviation over the folds. standard_error: the larger of the
    binomial one and the one from the folds. pairs: those scored. skipped: photographs without a face found (the middle
    of the photograph stands in) or unreadable (their pairs are left out, which `pairs` shows).
    """

    model: str
    suite: str
    set: str
    accuracy: float
    accuracy_std: float
    standard_error: float
    pairs: int
    protocol: str
    tpr_at_fpr_1e_3: float
    eer: float
    auc: float
    best_threshold_accuracy: float
    skipped: int

    def to_record(self) -> dict[str, Any]:
        """Give the row as a flat dictionary; nan becomes None, which JSON can hold."""
        record = {key.replace("fpr_1e_3", "fpr_1e-3"): value for key, value in asdict(self).items()}
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in record.items()}


@dataclass(frozen=True)
class BenchmarkTable:
    """Rows, with the scores behind them (`scores[model, set]`) and the photographs that could not be used.

    templates: the results on IJB-B and IJB-C, which have no accuracy and no row.
    """

    rows: tuple[Row, ...]
    scores: Mapping[tuple[str, str], PairScores] = field(default_factory=dict)
    problems: Mapping[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    templates: tuple[IjbResult, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __add__(self, other: BenchmarkTable) -> BenchmarkTable:
        return BenchmarkTable(
            self.rows + other.rows,
            {**self.scores, **other.scores},
            {**self.problems, **other.problems},
            self.templates + other.templates,
        )

    def to_records(self) -> list[dict[str, Any]]:
        """Give the rows as dictionaries, ready for JSON."""
        return [row.to_record() for row in self.rows]

    def to_dataframe(self) -> pandas.DataFrame:
        """Give the rows as a pandas table."""
        import pandas

        return pandas.DataFrame(self.to_records())

    def accuracies(self) -> dict[str, dict[str, float]]:
        """Give model -> set -> accuracy."""
        return accuracies(self)

    @property
    def average(self) -> dict[str, float]:
        """Model -> its average accuracy (see `average_accuracy`)."""
        return average_accuracy(self)


Accuracies = BenchmarkTable | Iterable[Row] | Iterable[Mapping[str, Any]] | Mapping[str, Mapping[str, float | None]]


def accuracies(table: Accuracies) -> dict[str, dict[str, float]]:
    """Bring any table of results into model -> set -> accuracy, leaving out what is missing (None or nan).

    table: a BenchmarkTable, rows, records with "model", "set" and "accuracy", or model -> set -> accuracy.
    Raises ValueError when a model has two results on one set.
    """
    entries: list[tuple[str, str, float | None]]
    result: dict[str, dict[str, float]]
    if isinstance(table, Mapping):
        entries = [(str(model), str(name), value) for model, row in table.items() for name, value in row.items()]
        result = {str(model): {} for model in table}
    else:
        records = [row.to_record() if isinstance(row, Row) else row for row in table]
        entries = [(str(record["model"]), str(record["set"]), record["accuracy"]) for record in records]
        result = {model: {} for model, _, _ in entries}
    seen: set[tuple[str, str]] = set()
    for model, name, value in entries:
        if (model, name) in seen:
            raise ValueError(f"The table holds two results of {model!r} on {name!r}.")
        seen.add((model, name))
        if value is not None and not math.isnan(value):
            result[model][name] = float(value)
    return result


def average_accuracy(table: Accuracies, sets: Iterable[str] | None = None) -> dict[str, float]:
    """Average every model over the same sets: model -> mean accuracy, nan for a model that lacks one of them.

    sets: names; without them the five benchmarks of the field where the table has all five of one kind, else all its
    sets. An average over fewer sets than its neighbours' is never given: it would not compare. Nor is one over two
    kinds: a table with all five of photographs and all five rendered has none without `sets`.
    """
    values = accuracies(table)
    wanted = list(sets) if sets is not None else _averaged_sets({name for row in values.values() for name in row})
    return {
        model: float(np.mean([row[name] for name in wanted]))
        if wanted and all(n in row for n in wanted)
        else float("nan")
        for model, row in values.items()
    }


def _averaged_sets(names: set[str]) -> list[str]:
    families: dict[str, list[str]] = {}
    for name in names:
        for benchmark in FIVE_BENCHMARKS:
            if name == benchmark or name.endswith(f"-{benchmark}"):
                families.setdefault(name[: len(name) - len(benchmark)], []).append(name)
    complete = [members for members in families.values() if len(members) == len(FIVE_BENCHMARKS)]
    if len(complete) > 1:
        return []
    return sorted(complete[0]) if complete else sorted(names)


def borda_count(table: Accuracies) -> dict[str, float]:
    """Rank models over all sets by Borda count: model -> points, most first.

    On each set a model gets one point for every model it beats and half a point for every model it ties with (equal to
    1e-9: ties share their average rank), so the best of M models gets M - 1. A model without a result on a set gets no
    points there and counts as beaten by every model that has one. Points add up over the sets; models of equal points
    stand in the order of the table. `table` is anything `accuracies` takes.
    """
    from scipy.stats import rankdata  # scipy.stats takes long to import and is wanted here alone

    values = accuracies(table)
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    points = dict.fromkeys(values, 0.0)
    for name in names:
        present = [model for model in values if name in values[model]]
        ranks = rankdata([round(values[model][name], 9) for model in present], method="average")
        missing = len(values) - len(present)
        for model, rank in zip(present, ranks, strict=True):
            points[model] += float(rank) - 1.0 + missing
    return dict(sorted(points.items(), key=lambda item: -item[1]))
