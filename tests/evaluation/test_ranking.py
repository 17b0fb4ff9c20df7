"""Ranks and Borda points, derived again pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperface_lib.evaluation import competition_ranks, rank_models

TABLES = st.integers(1, 4).flatmap(
    lambda sets: st.lists(st.lists(st.integers(0, 3), min_size=sets, max_size=sets), min_size=1, max_size=6)
)


def test_ties_share_the_better_rank() -> None:
    assert competition_ranks({"a": 3.0, "b": 5.0, "c": 3.0, "d": 1.0}) == {"a": 2, "b": 1, "c": 2, "d": 4}
    assert competition_ranks({}) == {}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_a_rank_is_one_more_than_the_number_of_larger_values(values: list[int]) -> None:
    named = {f"m{number}": float(value) for number, value in enumerate(values)}
    expected = {f"m{number}": 1 + sum(other > value for other in values) for number, value in enumerate(values)}
    assert competition_ranks(named) == expected


@given(TABLES)
def test_borda_and_ranks_equal_their_definitions(values: list[list[int]]) -> None:
    sets = [f"s{number}" for number in range(len(values[0]))]
    table = {f"m{number}": dict(zip(sets, map(float, row), strict=True)) for number, row in enumerate(values)}
    ranking = rank_models(table, averaged=sets)
    grid = np.array(values)
    # [i, k] compares i with k on every set; a model ties with itself, which is taken off again.
    wins = (grid[:, None] > grid[None]).sum(axis=(1, 2))
    ties = (grid[:, None] == grid[None]).sum(axis=(1, 2)) - len(sets)
    points = wins + ties / 2
    means = grid.mean(axis=1)
    for number in range(len(values)):
        model = f"m{number}"
        assert ranking.borda[model] == points[number]
        assert ranking.borda_ranks[model] == 1 + (points > points[number]).sum()
        assert ranking.average_ranks[model] == 1 + (means > means[number] + 1e-9).sum()
        for column, name in enumerate(sets):
            assert ranking.set_ranks[name][model] == 1 + (grid[:, column] > grid[number, column]).sum()
    assert math.isclose(sum(ranking.borda.values()), len(sets) * math.comb(len(values), 2))


def test_average_and_borda_may_disagree() -> None:
    # b wins two sets by a little, a one by much.
    ranking = rank_models({"a": {"x": 90, "y": 80, "z": 80}, "b": {"x": 50, "y": 81, "z": 81}}, ["x", "y", "z"])
    assert ranking.average_ranks == {"a": 1, "b": 2}
    assert ranking.borda_ranks == {"a": 2, "b": 1}


def test_values_are_ties_at_the_decimals_that_are_known() -> None:
    table = {"published": {"x": 98.67}, "measured": {"x": 98.6749}}
    assert rank_models(table, ["x"], digits=2).borda == {"published": 0.5, "measured": 0.5}
    assert rank_models(table, ["x"], digits=2).average_ranks == {"published": 1, "measured": 1}
    assert rank_models(table, ["x"]).borda == {"published": 0.0, "measured": 1.0}


def test_without_an_average_there_are_no_ranks_by_it() -> None:
    assert rank_models({"a": {"x": 1.0}, "b": {"x": 2.0}}).average_ranks == {}


def test_rows_over_different_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="found none of 'b' on 'y'"):
        rank_models({"a": {"x": 1.0, "y": 2.0}, "b": {"x": 1.0}})
