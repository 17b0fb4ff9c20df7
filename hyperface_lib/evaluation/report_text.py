"""How a report reads on paper: its groups as tables of cells, in Markdown or LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperface_lib.evaluation.published import RATES
from hyperface_lib.evaluation.table_text import Cell, TextTable, latex_text, markdown_text

if TYPE_CHECKING:
    from hyperface_lib.evaluation.report_parts import Report, ReportGroup, ReportRow

BEST_THRESHOLD_TITLE = "Best-threshold accuracy"


def report_markdown(report: Report) -> str:
    """Write a report as Markdown."""
    return markdown_text(report_tables(report), _closing(report))


def report_latex(report: Report) -> str:
    """Write a report as LaTeX floats."""
    return latex_text(report_tables(report), _closing(report))


def report_tables(report: Report) -> list[TextTable]:
    """Give a table a group and, for groups with measured rows, one of best-threshold accuracies behind it."""
    tables = []
    for group in report.groups:
        tables.append(_group_table(group))
        if any(value.best_threshold is not None for row in group.rows for value in row.values.values()):
            tables.append(_best_threshold_table(group))
    return tables


def _closing(report: Report) -> tuple[str, ...]:
    return (*report.remarks, *(f"Incomplete: {failure}" for failure in report.failures))


def _group_table(group: ReportGroup) -> TextTable:
    about = [name for name in ("identities", "images") if any(getattr(row, name) is not None for row in group.rows)]
    columns = ["model", "from", *about, *group.columns, *(RATES[name] for name in group.rates)]
    columns += ["average"] if group.averaged else []
    if group.is_ranked:
        columns += [*(["rank"] if group.averaged else []), "Borda", "rank by Borda"]
    return TextTable(
        title=group.title,
        columns=tuple(columns),
        numeric=(False, False, *(True,) * (len(columns) - 2)),
        rows=tuple(_cells(group, row, about) for row in group.rows),
        remarks=tuple(one for one in (group.reason, *group.remarks) if one),
    )


def _cells(group: ReportGroup, row: ReportRow, about: list[str]) -> tuple[Cell, ...]:
    cells = [Cell(row.model), Cell(row.origin)]
    cells += [Cell("" if getattr(row, name) is None else f"{getattr(row, name):,}") for name in about]
    for name in (*group.columns, *group.rates):
        value = row.values.get(name)
        if value is None:
            cells.append(Cell(""))
            continue
        detail = "" if value.std is None else f"± {value.std:.2f}"
        cells.append(Cell(f"{value.percent:.2f}", group.is_best(name, value.percent), detail))
    if group.averaged:
        average = row.average
        cells.append(Cell("") if average is None else Cell(f"{average:.2f}", group.is_best("average", average)))
    if group.is_ranked:
        ranks = [row.average_rank] if group.averaged else []
        cells += [Cell("" if rank is None else str(rank)) for rank in ranks]
        cells.append(Cell("" if row.borda is None else f"{row.borda:g}"))
        cells.append(Cell("" if row.borda_rank is None else str(row.borda_rank)))
    return tuple(cells)


def _best_threshold_table(group: ReportGroup) -> TextTable:
    rows = []
    for row in group.rows:
        values = [row.values.get(name) for name in group.columns]
        best = [None if value is None else value.best_threshold for value in values]
        if any(one is not None for one in best):
            rows.append((Cell(row.model), *(Cell("" if one is None else f"{one:.2f}") for one in best)))
    return TextTable(
        title=f"{BEST_THRESHOLD_TITLE}: {group.title}",
        columns=("model", *group.columns),
        numeric=(False, *(True,) * len(group.columns)),
        rows=tuple(rows),
        remarks=(
            "At the one threshold that is best for all pairs, which has seen the answers: what some evaluators print "
            "as accuracy, and never to be put beside the ten-fold accuracies above.",
        ),
    )
