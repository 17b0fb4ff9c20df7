"""The figure of a report: every value where it belongs, every group apart."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from hyperface_lib.evaluation import (
    FIVE_BENCHMARKS,
    PublishedRow,
    Recipe,
    Report,
    Row,
    comparison_table,
    load_published,
)
from hyperface_lib.plots import benchmark_table_figure


def rows(model: str, percent: float, prefix: str = "", suite: str = "insightface") -> list[Row]:
    return [
        Row(model, suite, prefix + name, (percent + k) / 100, 0.005, 0.01, 6000, "10-fold", 0.5, 0.1, 0.9, 0.99, 0)
        for k, name in enumerate(FIVE_BENCHMARKS)
    ]


@pytest.fixture
def report() -> Report:
    values = {name: 85.0 + k for k, name in enumerate(FIVE_BENCHMARKS)}
    known = [PublishedRow("<b>A</b>", "synthetic", 1, 1, values, {}, Recipe("ours"), "paper", "source")]
    own = rows("mine", 90) + rows("mine", 95, "rendered-", "rendered")
    return comparison_table(own, known, {"mine": "ours"})


def panel(figure: go.Figure, number: int) -> dict[str, go.Scatter]:
    axis = "x" if number == 1 else f"x{number}"
    return {trace.name: trace for trace in figure.data if (trace.xaxis or "x") == axis}


def test_every_value_stands_on_its_models_line_with_its_spread(report: Report) -> None:
    figure = benchmark_table_figure(report, "title")
    assert list(figure.layout.yaxis.ticktext) == ["mine", "&lt;b&gt;A&lt;/b&gt;"]
    traces = panel(figure, 1)
    for k, name in enumerate(FIVE_BENCHMARKS):
        lines = np.round(traces[name].y).astype(int)
        assert dict(zip(lines, np.round(traces[name].x, 3), strict=True)) == {0: 90 + k, 1: 85 + k}
        measured, published = traces[name].error_x.array
        assert measured == 0.5 and np.isnan(published)
        assert list(traces[name].marker.symbol) == ["circle", "circle-open"]
    assert np.allclose(traces["average"].x, [92, 87])


def test_groups_have_axes_of_their_own_and_ranks_only_where_there_are_some(report: Report) -> None:
    figure = benchmark_table_figure(report)
    rendered = panel(figure, 2)
    assert set(rendered) == {f"rendered-{name}" for name in FIVE_BENCHMARKS} | {"average"}
    assert rendered["rendered-lfw"].marker.color == panel(figure, 1)["lfw"].marker.color
    texts = [one.text for one in figure.layout.annotations]
    assert {"rank 1, Borda 5 (1.)", "rank 2, Borda 0 (2.)"} <= set(texts)
    assert "Rendered benchmarks, recipe ours, not ranked" in texts and "Photographs, recipe ours" in texts
    assert [trace.name for trace in figure.data if trace.showlegend].count("average") == 1


def test_what_ships_can_be_drawn_and_nothing_cannot() -> None:
    report = comparison_table(published=load_published())
    figure = benchmark_table_figure(report)
    assert sum(len(axis.ticktext) for axis in figure.select_yaxes()) == sum(
        bool(set(row.values) & set(FIVE_BENCHMARKS)) for group in report.groups for row in group.rows
    )
    with pytest.raises(ValueError, match="found none"):
        benchmark_table_figure(comparison_table())
