import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.evaluation import FIVE_BENCHMARKS, BenchmarkTable, Row, accuracies, average_accuracy, borda_count


def row(model: str, name: str, accuracy: float) -> Row:
    return Row(model, "suite", name, accuracy, 0.01, 0.01, 600, "10-fold", float("nan"), 0.1, 0.9, accuracy, 0)


def test_borda_counts_the_beaten_and_half_of_the_tied() -> None:
    table = {"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.8, "y": 0.5}, "c": {"x": 0.7, "y": 0.4}}
    assert borda_count(table) == {"a": 2 + 1.5, "b": 1 + 1.5, "c": 0.0}
    assert list(borda_count(table)) == ["a", "b", "c"]


def test_rounding_dust_is_a_tie() -> None:
    assert borda_count({"a": {"x": 0.1 + 0.2}, "b": {"x": 0.3}}) == {"a": 0.5, "b": 0.5}


def test_a_missing_result_counts_as_beaten_by_all_who_have_one() -> None:
    table = {"a": {"x": 0.9, "y": None}, "b": {"x": 0.8, "y": 0.1}, "c": {"x": float("nan"), "y": 0.3}}
    assert borda_count(table) == {"a": 2.0, "b": 1.0 + 1.0, "c": 0.0 + 2.0}


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=3, max_size=3), min_size=1, max_size=6))
def test_borda_equals_its_definition_pair_by_pair(values: list[list[int | None]]) -> None:
    table = {f"m{i}": {f"s{j}": v for j, v in enumerate(entry)} for i, entry in enumerate(values)}
    expected = {}
    for i, mine in enumerate(values):
        points = 0.0
        for j, other in enumerate(values):
            if i != j:
                for a, b in zip(mine, other, strict=True):
                    points += 0.0 if a is None else 1.0 if b is None or a > b else 0.5 if a == b else 0.0
        expected[f"m{i}"] = points
    assert borda_count(table) == pytest.approx(expected)  # type: ignore[arg-type]


def test_complete_tables_share_a_fixed_number_of_points() -> None:
    values = np.random.default_rng(0).integers(0, 3, (5, 4))
    table = {str(i): {str(j): float(v) for j, v in enumerate(entry)} for i, entry in enumerate(values)}
    assert sum(borda_count(table).values()) == 4 * (5 * 4 / 2)


def test_every_form_of_a_table_gives_the_same_points() -> None:
    table = BenchmarkTable((row("a", "x", 0.9), row("b", "x", 0.8), row("a", "y", 0.1), row("b", "y", 0.2)))
    expected = {"a": 1.0, "b": 1.0}
    for form in (table, table.rows, table.to_records(), table.accuracies()):
        assert borda_count(form) == expected


def test_two_results_of_one_model_on_one_set_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two results of 'a' on 'x'"):
        accuracies([row("a", "x", 0.9), row("a", "x", 0.8)])


def test_the_average_is_over_the_five_and_never_over_fewer() -> None:
    five = [row("a", f"rendered-{name}", k / 10) for k, name in enumerate(FIVE_BENCHMARKS)]
    assert average_accuracy([*five, row("a", "rendered-light", 1.0)]) == {"a": pytest.approx(0.2)}
    short = [row("b", "rendered-lfw", 0.99)]
    averages = average_accuracy([*five, *short])
    assert averages["a"] == pytest.approx(0.2) and math.isnan(averages["b"])
    assert average_accuracy([*five, *short], sets=["rendered-lfw"]) == {"a": 0.0, "b": 0.99}


def test_without_the_five_the_average_is_over_all_sets() -> None:
    assert average_accuracy({"a": {"x": 0.5, "y": 1.0}, "b": {"x": 0.5, "y": 0.5}}) == {"a": 0.75, "b": 0.5}
    assert math.isnan(average_accuracy({"a": {}})["a"])


def test_photographs_and_rendered_sets_are_not_averaged_together() -> None:
    both = {name: 0.5 for name in FIVE_BENCHMARKS} | {f"rendered-{name}": 1.0 for name in FIVE_BENCHMARKS}
    assert math.isnan(average_accuracy({"a": both})["a"])
    assert average_accuracy({"a": both}, sets=FIVE_BENCHMARKS) == {"a": 0.5}


def test_cplfw_is_not_taken_for_lfw() -> None:
    names = ("lfw", "cplfw", "agedb", "calfw", "cfp-fp")
    table = {"a": {**dict.fromkeys(names, 0.5), "other-cplfw": 1.0}}
    assert average_accuracy(table) == {"a": 0.5}


def test_records_are_json_and_data_frames_hold_them() -> None:
    table = BenchmarkTable((row("a", "x", 0.9),)) + BenchmarkTable((row("b", "x", 0.8),))
    records = json.loads(json.dumps(table.to_records(), allow_nan=False))
    assert records[0]["tpr_at_fpr_1e-3"] is None
    wanted = {"model", "suite", "set", "accuracy", "accuracy_std", "pairs", "protocol", "eer", "skipped"}
    assert wanted <= set(records[0])
    pandas = pytest.importorskip("pandas", reason="`make install` installs pandas")
    frame = table.to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and frame["accuracy"].tolist() == [0.9, 0.8]
