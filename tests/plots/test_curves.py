"""Training and ROC curves against values worked out by hand."""

import numpy as np
import pytest

from hyperface_lib.plots import roc_curves, roc_points, running_mean, training_curves


def test_running_mean_uses_only_the_past() -> None:
    assert list(running_mean([2, 4, 6, 8], 2)) == [2, 3, 5, 7]
    assert list(running_mean([2, 4, 6, 8], 10)) == [2, 3, 4, 5]
    assert list(running_mean([2, 4], 1)) == [2, 4]


def test_a_run_keeps_its_colour_and_stands_once_in_the_legend() -> None:
    curve = (np.arange(3), np.ones(3))
    figure = training_curves({"loss": {"a": curve, "b": curve}, "accuracy (%)": {"b": curve}})
    assert [(trace.name, trace.showlegend) for trace in figure.data] == [("a", True), ("b", True), ("b", False)]
    assert figure.data[1].line.color == figure.data[2].line.color != figure.data[0].line.color
    assert figure.layout.yaxis2.title.text == "accuracy (%)"
    with pytest.raises(ValueError, match="at least one panel"):
        training_curves({})


def test_roc_of_a_worked_example() -> None:
    false_rate, true_rate = roc_points(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    assert list(false_rate) == [0.0, 0.5, 1.0]
    assert list(true_rate) == [0.5, 1.0, 1.0]


def test_roc_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    same = rng.random(400) < 0.5
    cosines = np.round(rng.normal(0.3 * same, 0.2), 2)
    false_rate, true_rate = roc_points(cosines, same)
    expected_false, expected_true, _ = metrics.roc_curve(same, cosines, drop_intermediate=False)
    assert np.allclose(false_rate, expected_false[1:]) and np.allclose(true_rate, expected_true[1:])


def test_roc_axis_starts_at_one_impostor_pair() -> None:
    rng = np.random.default_rng(3)
    same = np.arange(3000) < 2000
    figure = roc_curves({"net": (rng.normal(same, 1.0), same)})
    assert figure.layout.xaxis.type == "log" and figure.layout.xaxis.range[0] == pytest.approx(-3)
    assert len(figure.data[0].x) <= 301 and np.all(np.diff(figure.data[0].x) >= 0)


@pytest.mark.parametrize("same", [np.ones(4, bool), np.zeros(4, bool), np.ones(3, bool)])
def test_roc_refuses_one_kind_of_pair(same: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pairs of both kinds"):
        roc_points(np.zeros(4), same)
