"""Tables and bars: cells, bold winners, averages only over complete rows."""

import pytest

from hyperface_lib.plots import accuracy_bars, benchmark_table, markdown_table

ROWS = [
    {"model": "packed", "set": "lfw", "accuracy": 91.0, "accuracy_std": 1.5},
    {"model": "packed", "set": "agedb", "accuracy": 81.0, "accuracy_std": 2.0},
    {"model": "random", "set": "lfw", "accuracy": 89.0, "accuracy_std": 1.0},
]


def test_markdown_table_aligns_numbers_and_marks_the_best() -> None:
    table = markdown_table([{"name": "a|b", "angle": 71.256}, {"name": "c", "angle": 70.0}], best={"angle": "max"})
    assert table.splitlines() == ["| name | angle |", "|:---|---:|", "| a\\|b | **71.26** |", "| c | 70.00 |"]
    assert table._repr_markdown_() == str(table)
    with pytest.raises(ValueError, match="at least one row"):
        markdown_table([])


def test_a_gap_in_a_column_of_numbers_keeps_it_a_column_of_numbers() -> None:
    table = markdown_table([{"name": "a", "angle": None}, {"name": "b", "angle": 70.0}])
    assert table.splitlines()[1:] == ["|:---|---:|", "| a |  |", "| b | 70.00 |"]


def test_a_model_alone_is_no_winner() -> None:
    assert "**" not in benchmark_table([row for row in ROWS if row["model"] == "random"])


def test_benchmark_table_pivots_and_averages_complete_rows_only() -> None:
    lines = benchmark_table(ROWS).splitlines()
    assert lines[0] == "| model | lfw | agedb | average |"
    assert lines[2] == "| packed | **91.00** ± 1.50 | **81.00** ± 2.00 | **86.00** |"
    assert lines[3] == "| random | 89.00 ± 1.00 |  |  |"


def test_bars_carry_their_error_bars() -> None:
    figure = accuracy_bars(ROWS, group="model", chance=50.0)
    assert [bar.name for bar in figure.data] == ["packed", "random"]
    assert list(figure.data[0].error_y.array) == [1.5, 2.0]
    assert figure.layout.yaxis.range[0] < 50 < 92.5 < figure.layout.yaxis.range[1]
    with pytest.raises(ValueError, match="at least one row"):
        accuracy_bars([])
