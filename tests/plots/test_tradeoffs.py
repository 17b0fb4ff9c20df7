"""Points keep their order and labels; a family without points is an error."""

from __future__ import annotations

import pytest

from hyperface_lib.plots.tradeoffs import trade_off


def test_families_are_lines_of_labelled_points() -> None:
    families = {"pull": [(0.4, 90.0, "0"), (0.9, 98.0, "1")], "alone": [(1.0, 97.0, "gallery")]}
    figure = trade_off(families, x_title="cosine", y_title="rate (%)")
    pull, alone = figure.data
    assert list(pull.x) == pytest.approx([0.4, 0.9], abs=1e-6) and list(pull.text) == ["0", "1"]
    assert "lines" in pull.mode and "lines" not in alone.mode
    assert figure.layout.xaxis.title.text == "cosine"


def test_labels_of_neighbours_look_away_from_each_other() -> None:
    family = [(0.0, 0.0, "far"), (1.0, 1.0, "left"), (1.1, 1.05, "right")]
    sides = trade_off({"a": family}, x_title="", y_title="").data[0].textposition
    assert list(sides) == ["bottom left", "bottom left", "top right"]


def test_labels_look_away_from_points_of_other_families() -> None:
    families = {"one": [(0.0, 0.0, "low"), (10.0, 10.0, "high")], "other": [(9.0, 11.0, "beside")]}
    one, other = trade_off(families, x_title="", y_title="").data
    assert list(one.textposition) == ["bottom left", "bottom right"] and list(other.textposition) == ["top left"]


def test_a_family_without_points_is_named() -> None:
    with pytest.raises(ValueError, match="found empty"):
        trade_off({"empty": []}, x_title="", y_title="")
    with pytest.raises(ValueError, match="found none"):
        trade_off({}, x_title="", y_title="")
