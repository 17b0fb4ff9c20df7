"""What has to be said beside a report's tables: sources, and why nothing is compared across recipes or worlds."""

from __future__ import annotations

from collections.abc import Sequence

from hyperface_lib.evaluation.published import EVIDENCE, PublishedRow
from hyperface_lib.evaluation.recipes import Recipe
from hyperface_lib.evaluation.report_parts import PUBLISHED, ReportGroup, ReportRow
from hyperface_lib.evaluation.table import FIVE_BENCHMARKS, Row

RENDERED = "rendered"
FULL_PAIRS = dict.fromkeys(FIVE_BENCHMARKS, 6000) | {"cfp-fp": 7000}


def remarks_on_group(
    known: Sequence[PublishedRow], recipe: Recipe, source: str, rows: Sequence[ReportRow]
) -> tuple[str, ...]:
    """Say what the recipe is, where the published rows of a group come from, and what is odd about them."""
    names = {row.model for row in rows if row.origin == PUBLISHED}
    here = [row for row in known if row.name in names and row.recipe == recipe and source in ("", row.source)]
    about = [
        f"Published: {row.source}; {EVIDENCE[row.evidence]}." + (f" {row.source_remarks}" if row.source_remarks else "")
        for row in here
    ]
    described = str(recipe)
    details = [f"{described[0].upper()}{described[1:]}."] if ":" in described else []
    return tuple(dict.fromkeys([*details, *about, *(f"{row.name}: {row.remarks}" for row in here if row.remarks)]))


def remarks_on_report(
    groups: Sequence[ReportGroup], own: Sequence[Row], known: Sequence[PublishedRow], left_out: Sequence[PublishedRow]
) -> tuple[str, ...]:
    """Say what holds for all tables of a report."""
    remarks = []
    if own:
        protocols = ", ".join(dict.fromkeys(row.protocol for row in own))
        remarks.append(f"Accuracies in per cent; measured here: {protocols}, ± the standard deviation over the folds.")
    if len(groups) > 1 or any(not group.recipe.is_stated for group in groups):
        remarks.append(
            "Averages, ranks, Borda counts and best values hold within one table, that is one recipe on one family of "
            "benchmarks; nothing is averaged or ranked across recipes: a better recipe would pass for better data."
        )
    if any(group.is_ranked for group in groups):
        remarks.append(
            "Borda: on each set a point for every row beaten and half a point for every tie, added up; "
            "ties share a rank."
        )
    if any(row.set.startswith(RENDERED) for row in own) and known:
        remarks.append(
            "Rendered benchmarks share nothing but their names with the photographs of published rows: they are never "
            "put into one column, and their numbers are not comparable."
        )
    if known:
        remarks.append("Where published rows stand, values are compared at two decimals, all that is printed of them.")
        short = [
            f"{row.model} on {row.set} ({row.pairs:,})" for row in own if row.pairs < FULL_PAIRS.get(row.set, row.pairs)
        ]
        if short:
            remarks.append(f"Fewer pairs than the 6,000 (cfp-fp 7,000) of published rows: {', '.join(short)}.")
    if left_out:
        names = "; ".join(row.name for row in left_out)
        remarks.append(f"Left out, because no accuracy per set is recorded: {names}.")
    return tuple(remarks)
