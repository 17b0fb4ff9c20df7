"""One table for many models, own ones beside published ones: what may be compared stands together, the rest apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hyperface_lib.evaluation.published import RATES, PublishedRow
from hyperface_lib.evaluation.ranking import TIE, rank_models
from hyperface_lib.evaluation.recipes import Recipe
from hyperface_lib.evaluation.report_parts import (
    MEASURED,
    PUBLISHED,
    Failure,
    Report,
    ReportGroup,
    ReportRow,
    Value,
)
from hyperface_lib.evaluation.report_remarks import RENDERED, remarks_on_group, remarks_on_report
from hyperface_lib.evaluation.table import FIVE_BENCHMARKS, Row

PUBLISHED_DIGITS = 2


def comparison_table(
    measured: Iterable[Row] = (),
    published: Iterable[PublishedRow] = (),
    recipes: Mapping[str, Recipe | str] | None = None,
    failures: Iterable[Failure] = (),
) -> Report:
    """Put own results and published ones into one report, grouped by recipe and family of benchmarks.

    measured: a BenchmarkTable or its rows. recipes: model -> the recipe it was trained by, or the name of a published
    row's; a model whose recipe is not stated is listed and not ranked, as are published rows without one. Ranks, Borda
    count and best values are given among the rows of a group that have all its sets; a mean over the five benchmarks
    where a row has all five of one family. Rendered benchmarks are a family of their own and never share a column with
    photographs. Beside published rows values are compared at two decimals, all that is known of them.

    Raises ValueError for two results of one model on one set, and for a set of a rendered suite that bears the name of
    a benchmark of photographs.
    """
    own, known = tuple(measured), tuple(published)
    named = {row.recipe.name: row.recipe for row in known if row.recipe.is_stated}
    stated = {
        model: given if isinstance(given, Recipe) else named.get(given, Recipe(given))
        for model, given in (recipes or {}).items()
    }
    entries: dict[tuple[Recipe, str, str], list[ReportRow]] = {}
    for (model, family), values in _measured_values(own).items():
        recipe = stated.get(model, Recipe())
        entries.setdefault((recipe, "" if recipe.is_stated else MEASURED, family), []).append(
            ReportRow(model, MEASURED, values)
        )
    left_out = []
    for row in known:
        values = {name: Value(percent) for name, percent in {**row.accuracies, **row.true_positive_rates}.items()}
        if not values:
            left_out.append(row)
            continue
        key = (row.recipe, "" if row.recipe.is_stated else row.source, "")
        entries.setdefault(key, []).append(
            ReportRow(row.name, PUBLISHED, values, identities=row.identities, images=row.images)
        )
    groups = tuple(
        _group(recipe, source, family, rows, remarks_on_group(known, recipe, source, rows))
        for (recipe, source, family), rows in entries.items()
    )
    return Report(groups, remarks_on_report(groups, own, known, left_out), tuple(failures))


def _measured_values(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Value]]:
    """Collect (model, family) -> set -> value, leaving out what is nan."""
    collected: dict[tuple[str, str], dict[str, Value]] = {}
    for row in rows:
        if row.suite.startswith(RENDERED) and not row.set.startswith(RENDERED):
            raise ValueError(
                f"The set {row.set!r} of the rendered suite {row.suite!r} must say in its name that it is rendered, "
                f"{RENDERED}-{row.set}: it is not the photographs of that name."
            )
        values = collected.setdefault((row.model, _family(row)), {})
        if row.set in values:
            raise ValueError(f"The table holds two results of {row.model!r} on {row.set!r}.")
        if not math.isnan(row.accuracy):
            best = None if math.isnan(row.best_threshold_accuracy) else 100 * row.best_threshold_accuracy
            values[row.set] = Value(100 * row.accuracy, 100 * row.accuracy_std, best, row.pairs)
    return collected


def _family(row: Row) -> str:
    """Give the prefix a benchmark of the five bears ("" for photographs), or the suite of any other set."""
    for name in FIVE_BENCHMARKS:
        if row.set == name or row.set.endswith(f"-{name}"):
            return row.set[: len(row.set) - len(name)]
    return f"suite {row.suite}"


def _group(
    recipe: Recipe, source: str, family: str, rows: Sequence[ReportRow], remarks: tuple[str, ...]
) -> ReportGroup:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    rates = tuple(name for name in RATES if name in names)
    five = tuple(family + name for name in FIVE_BENCHMARKS)
    in_five = [name for name in five if name in names]
    columns = tuple(in_five) or tuple(name for name in names if name not in rates)
    averaged: tuple[str, ...] = ()
    if columns == five or (not in_five and len(columns) > 1):
        averaged = columns
    averages = {
        number: math.fsum(row.values[name].percent for name in averaged) / len(averaged)
        for number, row in enumerate(rows)
        if averaged and all(name in row.values for name in averaged)
    }
    digits = PUBLISHED_DIGITS if any(row.origin == PUBLISHED for row in rows) else TIE
    complete = {
        str(number): {name: row.values[name].percent for name in columns}
        for number, row in enumerate(rows)
        if columns and all(name in row.values for name in columns)
    }
    reason = ""
    if not recipe.is_stated:
        reason = "Not ranked: how these were trained is not stated, and a rank across recipes compares nothing."
    elif len(complete) < 2:
        reason = "Not ranked: fewer than two rows have all these sets."
    ranking = None if reason else rank_models(complete, averaged, digits)
    placed = []
    for number, row in enumerate(rows):
        row = replace(row, average=averages.get(number))
        if ranking is not None and str(number) in complete:
            row = replace(
                row,
                average_rank=ranking.average_ranks.get(str(number)),
                borda=ranking.borda[str(number)],
                borda_rank=ranking.borda_ranks[str(number)],
            )
        placed.append(row)
    best: dict[str, float] = {}
    if ranking is not None:
        placed.sort(key=_place)
        for name in (*columns, *rates):
            values = [round(row.values[name].percent, digits) for row in rows if name in row.values]
            if len(values) > 1:
                best[name] = max(values)
        if len(averages) > 1:
            best["average"] = max(round(value, digits) for value in averages.values())
    title = f"{_family_title(family, columns)}, recipe {recipe.name}" + (
        f" ({source.partition(',')[0]})" if source else ""
    )
    return ReportGroup(title, recipe, columns, rates, averaged, tuple(placed), best, digits, reason, remarks)


def _place(row: ReportRow) -> tuple[float, float]:
    return (row.average_rank or math.inf, row.borda_rank or math.inf)


def _family_title(family: str, columns: Sequence[str]) -> str:
    if not family:
        return "Photographs" if columns else "Photographs, IJB"
    if family.startswith(RENDERED):
        return "Rendered benchmarks"
    return family[:1].upper() + family[1:].rstrip("-")
