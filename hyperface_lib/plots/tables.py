"""Benchmark tables, as markdown for a notebook and as figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from hyperface_lib.plots.theme import GREY, color_of, new_figure, rounded

Row = Mapping[str, Any]


class MarkdownTable(str):
    """A markdown table that a notebook shows as a table and print() shows as text."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


def markdown_table(
    rows: Sequence[Row],
    columns: Sequence[str] | None = None,
    *,
    digits: int = 2,
    best: Mapping[str, str] | None = None,
) -> MarkdownTable:
    """Write rows as a markdown table, numbers to `digits` decimals.

    `best`: column -> "max" or "min", whose best number is set in bold.
    """
    if not rows:
        raise ValueError("A table needs at least one row, found none.")
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    marked = {name: _best_value(rows, name, direction) for name, direction in (best or {}).items()}
    numeric = {name: all(isinstance(row.get(name), int | float | None) for row in rows) for name in names}
    lines = [
        "| " + " | ".join(names) + " |",
        "|" + "|".join("---:" if numeric[name] else ":---" for name in names) + "|",
    ]
    for row in rows:
        cells = []
        for name in names:
            text = _cell(row.get(name), digits)
            cells.append(f"**{text}**" if name in marked and row.get(name) == marked[name] else text)
        lines.append("| " + " | ".join(cells) + " |")
    return MarkdownTable("\n".join(lines))


def benchmark_table(
    rows: Sequence[Row],
    *,
    model: str = "model",
    benchmark: str = "set",
    value: str = "accuracy",
    spread: str | None = "accuracy_std",
    digits: int = 2,
) -> MarkdownTable:
    """Pivot long rows (one a model and benchmark) into one line a model, the average last, the best ones bold.

    Cells read "accuracy ± spread" where the rows hold the spread. A model alone is no winner: nothing of it is bold.
    """
    models = list(dict.fromkeys(str(row[model]) for row in rows))
    benchmarks = list(dict.fromkeys(str(row[benchmark]) for row in rows))
    cells = {(str(row[model]), str(row[benchmark])): row for row in rows}
    table: list[dict[str, Any]] = []
    complete = [name for name in models if all((name, each) in cells for each in benchmarks)]
    means = {name: _mean([cells[name, each][value] for each in benchmarks]) for name in complete}
    for name in models:
        line: dict[str, Any] = {model: name}
        for each in benchmarks:
            row = cells.get((name, each))
            top = max(float(cells[other, each][value]) for other in models if (other, each) in cells)
            bold = row is not None and len(models) > 1 and float(row[value]) == top
            line[each] = "" if row is None else _with_spread(row, value, spread, digits, bold=bold)
        average = f"{means[name]:.{digits}f}" if name in means else ""
        wins = len(models) > 1 and name in means and means[name] == max(means.values())
        line["average"] = f"**{average}**" if wins else average
        table.append(line)
    return markdown_table(table, [model, *benchmarks, "average"])


def accuracy_bars(
    rows: Sequence[Row],
    *,
    group: str = "variant",
    category: str = "set",
    value: str = "accuracy",
    spread: str | None = "accuracy_std",
    y_title: str = "accuracy (%)",
    chance: float | None = None,
    title: str = "",
) -> go.Figure:
    """Draw one cluster of bars a category and one bar a group, with error bars where the rows hold a spread."""
    if not rows:
        raise ValueError("Bars need at least one row, found none.")
    groups = list(dict.fromkeys(str(row[group]) for row in rows))
    figure = new_figure(title, "", y_title, height=460)
    for index, name in enumerate(groups):
        chosen = [row for row in rows if str(row[group]) == name]
        errors = [float(row.get(spread) or 0.0) for row in chosen] if spread else []
        figure.add_trace(
            go.Bar(
                x=[str(row[category]) for row in chosen],
                y=rounded([float(row[value]) for row in chosen], 3),
                error_y={"type": "data", "array": rounded(errors, 3), "thickness": 1.5} if any(errors) else None,
                name=name,
                marker={"color": color_of(index)},
            )
        )
    if chance is not None:
        figure.add_hline(y=chance, line={"color": GREY, "dash": "dot"}, annotation_text="chance")
    low = min(float(row[value]) - (float(row.get(spread) or 0.0) if spread else 0.0) for row in rows)
    high = max(float(row[value]) + (float(row.get(spread) or 0.0) if spread else 0.0) for row in rows)
    if low > 0:
        # Bars that start at zero hide differences of a point; the axis says where it starts.
        floor = min(low, chance) if chance is not None else low
        figure.update_yaxes(range=[max(0.0, floor - 0.15 * (high - floor)), high + 0.1 * (high - floor)])
    figure.update_layout(barmode="group", legend={"orientation": "h", "y": -0.1, "yanchor": "top"})
    return figure


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "\\|")


def _best_value(rows: Sequence[Row], name: str, direction: str) -> Any:
    values = [row[name] for row in rows if isinstance(row.get(name), int | float)]
    return (max(values) if direction == "max" else min(values)) if values else None


def _mean(values: Sequence[float]) -> float:
    return sum(float(value) for value in values) / len(values)


def _with_spread(row: Row, value: str, spread: str | None, digits: int, *, bold: bool) -> str:
    text = f"{float(row[value]):.{digits}f}"
    text = f"**{text}**" if bold else text
    return f"{text} ± {float(row[spread]):.{digits}f}" if spread and row.get(spread) is not None else text
