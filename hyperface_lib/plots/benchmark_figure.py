"""A report of benchmarks as a figure: a panel for each group of comparable rows, a line a model, a dot a set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hyperface_lib.evaluation import FIVE_BENCHMARKS, Report, ReportGroup, ReportRow
from hyperface_lib.plots.theme import BLACK, TEMPLATE_NAME, color_of, rounded

_ROW_PIXELS, _PANEL_PIXELS, _TOP_PIXELS, _BOTTOM_PIXELS = 34, 96, 90, 130
_LIFT = 0.13
_FILLED, _OPEN = "circle", "circle-open"


def benchmark_table_figure(report: Report, title: str = "") -> go.Figure:
    """Draw a report of `comparison_table`: dots with the standard deviation over folds, averages, ranks at the right.

    Rows measured here are filled, published ones open. Every group has a panel and an axis of its own, because nothing
    is compared across groups. Raises ValueError when no group holds an accuracy.
    """
    panels = [(group, _drawn(group)) for group in report.groups if _drawn(group)]
    if not panels:
        raise ValueError("A figure of benchmarks needs at least one accuracy, found none.")
    heights = [_ROW_PIXELS * len(rows) for _, rows in panels]
    inner = sum(heights) + _PANEL_PIXELS * (len(panels) - 1)
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        row_heights=heights,
        vertical_spacing=_PANEL_PIXELS / inner if len(panels) > 1 else None,
        subplot_titles=[_panel_title(group) for group, _ in panels],
    )
    figure.update_layout(
        template=TEMPLATE_NAME,
        width=960,
        height=inner + _TOP_PIXELS + _BOTTOM_PIXELS,
        title_text=title or None,
        margin={"l": 40, "r": 170, "t": _TOP_PIXELS, "b": _BOTTOM_PIXELS},
        legend={"orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom"},
    )
    named: set[str] = set()
    for number, (group, rows) in enumerate(panels, start=1):
        for trace in _traces(group, rows):
            trace.showlegend = trace.name not in named
            named.add(trace.name)
            figure.add_trace(trace, row=number, col=1)
        places = list(range(len(rows)))
        figure.update_yaxes(
            tickvals=places,
            ticktext=[escape(row.model) for row in rows],
            range=[len(rows) - 0.4, -0.6],
            row=number,
            col=1,
        )
        figure.update_xaxes(title_text="10-fold accuracy (%)", row=number, col=1)
        for place, row in zip(places, rows, strict=True):
            figure.add_annotation(
                x=1.01,
                xref="x domain" if number == 1 else f"x{number} domain",
                y=place,
                yref="y" if number == 1 else f"y{number}",
                text=_rank_text(row),
                showarrow=False,
                xanchor="left",
            )
    return figure


def _drawn(group: ReportGroup) -> tuple[ReportRow, ...]:
    return tuple(row for row in group.rows if any(name in row.values for name in group.columns))


def _panel_title(group: ReportGroup) -> str:
    return escape(group.title) + ("" if group.is_ranked else ", not ranked")


def _rank_text(row: ReportRow) -> str:
    ranks = [] if row.average_rank is None else [f"rank {row.average_rank}"]
    return ", ".join([*ranks, *([] if row.borda is None else [f"Borda {row.borda:g} ({row.borda_rank}.)"])])


def _traces(group: ReportGroup, rows: Sequence[ReportRow]) -> list[go.Scatter]:
    traces = []
    for column, name in enumerate(group.columns):
        there = [(place, row) for place, row in enumerate(rows) if name in row.values]
        spreads = [_spread(row, name) for _, row in there]
        # Dots of one row stand a little apart, so that their bars can be told from each other.
        lift = _LIFT * (column - (len(group.columns) - 1) / 2)
        traces.append(
            go.Scatter(
                x=rounded([row.values[name].percent for _, row in there], 3),
                y=rounded([place + lift for place, _ in there], 3),
                error_x={"type": "data", "array": rounded(spreads, 3), "thickness": 1.2, "width": 3}
                if not all(math.isnan(spread) for spread in spreads)
                else None,
                mode="markers",
                name=name,
                legendgroup=name,
                marker={
                    "color": color_of(_place_of(name, column)),
                    "size": 9,
                    "symbol": [_symbol(row) for _, row in there],
                },
                customdata=[[escape(row.model), row.origin] for _, row in there],
                hovertemplate="%{customdata[0]} (%{customdata[1]})<br>%{x:.2f} %<extra>" + escape(name) + "</extra>",
            )
        )
    averaged = [(place, row) for place, row in enumerate(rows) if row.average is not None]
    if averaged:
        traces.append(
            go.Scatter(
                x=rounded([row.average or 0.0 for _, row in averaged], 3),
                y=[place for place, _ in averaged],
                mode="markers",
                name="average",
                legendgroup="average",
                marker={"color": BLACK, "size": 24, "symbol": "line-ns-open", "line": {"width": 2}},
                hovertemplate="%{x:.2f} %<extra>average</extra>",
            )
        )
    return traces


def _spread(row: ReportRow, name: str) -> float:
    std = row.values[name].std
    return math.nan if std is None else std


def _symbol(row: ReportRow) -> str:
    return _OPEN if row.origin == "published" else _FILLED


def _place_of(name: str, column: int) -> int:
    """Give a benchmark of the five the same colour in every family."""
    for number, benchmark in enumerate(FIVE_BENCHMARKS):
        if name == benchmark or name.endswith(f"-{benchmark}"):
            return number
    return column
