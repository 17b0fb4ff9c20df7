"""Means and spreads over training seeds against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperface_lib.evaluation import averages_over_option, over_seeds, seed_averages

ACCURACIES = {("a", "lfw"): [0.9, 0.8, 0.7], ("a", "cplfw"): [0.6, 0.6, 0.9], ("b", "lfw"): [0.5, 0.5, 0.5]}
RECORDS = [
    {"model": model, "set": name, "seed": seed, "accuracy": value}
    for (model, name), values in ACCURACIES.items()
    for seed, value in enumerate(values)
]


def test_mean_and_sample_deviation_over_seeds() -> None:
    rows = {(row["model"], row["set"]): row for row in over_seeds(reversed(RECORDS))}
    assert rows["a", "lfw"]["accuracy"] == pytest.approx(0.8)
    assert rows["a", "lfw"]["accuracy_std"] == pytest.approx(0.1)
    assert rows["a", "cplfw"]["accuracy_std"] == pytest.approx(math.sqrt(0.03))
    assert rows["b", "lfw"]["accuracy_std"] == 0
    assert {row["seeds"] for row in rows.values()} == {3}
    assert math.isnan(over_seeds(RECORDS[:1])[0]["accuracy_std"])


def test_averages_are_taken_seed_by_seed_over_all_sets() -> None:
    averages = seed_averages([*RECORDS, {"model": "b", "set": "cplfw", "seed": 1, "accuracy": 0.7}])
    np.testing.assert_allclose(averages["a"], [0.75, 0.7, 0.8])
    np.testing.assert_allclose(averages["b"], [0.6])  # its other seeds lack a set


def test_a_seed_told_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a on lfw: expected one result a seed, found seed 0 twice"):
        over_seeds([RECORDS[0], RECORDS[0]])


def test_averages_over_an_option_are_in_order_of_value_and_seed() -> None:
    rows = [
        {"options": {"scale": scale, "margin": 0.1}, "seed": seed, "average": scale / 100 + seed}
        for scale, seed in ((32.0, 1), (8.0, 0), (32.0, 0), (8.0, 1))
    ]
    averages = averages_over_option(rows, "scale")
    assert list(averages) == [8.0, 32.0]
    np.testing.assert_allclose(averages[8.0], [0.08, 1.08])
    np.testing.assert_allclose(averages[32.0], [0.32, 1.32])
    with pytest.raises(ValueError, match="scale = 8: expected one result a seed, found seed 1 twice"):
        averages_over_option([*rows, rows[-1]], "scale")
    with pytest.raises(ValueError, match=r"needs the option 't', found one with \['margin', 'scale'\]"):
        averages_over_option(rows, "t")
