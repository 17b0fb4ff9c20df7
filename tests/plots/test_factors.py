"""A panel a factor, a line a recogniser, and errors where they are known."""

import numpy as np
import pytest

from hyperface_lib.evaluation import FactorCurve
from hyperface_lib.plots.factors import ACCEPTED, ACCURACY, GENUINE_COSINE, factor_panels


def curve(factor: str, values: list[float], height: float) -> FactorCurve:
    count = len(values)
    accuracy = np.linspace(height, height - 0.2, count)
    return FactorCurve(
        factor=factor,
        values=np.asarray(values),
        genuine_cosine=np.linspace(0.9, 0.5, count),
        genuine_cosine_std=np.full(count, 0.2),
        impostor_cosine=np.zeros(count),
        accuracy=accuracy,
        standard_error=np.sqrt(accuracy * (1 - accuracy) / 50),
        tpr_at_fpr_1e_2=np.linspace(0.8, 0.1, count),
        threshold=0.3,
        identities=25,
    )


CURVES = {
    "one": [curve("yaw_degrees", [60, 0, 30], 0.95), curve("light", [0, 1], 0.9)],
    "two": [curve("yaw_degrees", [0, 30], 0.85)],
}


def test_every_curve_is_drawn_in_the_panel_of_its_factor_and_the_colour_of_its_recogniser() -> None:
    figure = factor_panels(CURVES)
    lines = [(trace.name, trace.xaxis, trace.showlegend, trace.line.color) for trace in figure.data]
    assert [line[:3] for line in lines] == [("one", "x", True), ("one", "x2", False), ("two", "x", True)]
    assert lines[0][3] == lines[1][3] != lines[2][3]
    assert figure.layout.xaxis.title.text == "yaw (degrees)"
    assert figure.layout.xaxis2.title.text == "severity of light from the side"
    assert figure.layout.yaxis.title.text == ACCURACY.name and figure.layout.yaxis2.matches == "y"


def test_values_are_sorted_and_errors_go_with_them() -> None:
    trace = factor_panels(CURVES).data[0]
    shown = CURVES["one"][0]
    assert list(trace.x) == [0, 30, 60]
    assert np.asarray(trace.y) == pytest.approx(100 * shown.accuracy[[1, 2, 0]], abs=1e-2)
    assert np.asarray(trace.error_y.array) == pytest.approx(100 * shown.standard_error[[1, 2, 0]], abs=1e-2)


def test_other_quantities_bring_their_own_errors_or_none() -> None:
    cosine = factor_panels(CURVES, GENUINE_COSINE).data[1]
    assert np.asarray(cosine.y) == pytest.approx([0.9, 0.5], abs=1e-3)
    assert np.asarray(cosine.error_y.array) == pytest.approx(0.2 / 5, abs=1e-3)
    accepted = factor_panels(CURVES, ACCEPTED).data[1]
    assert np.asarray(accepted.y) == pytest.approx([80, 10], abs=1e-2) and accepted.error_y.array is None


def test_panels_wrap_and_nothing_is_refused() -> None:
    many = {"one": [curve(f"factor {number}", [0, 1], 0.9) for number in range(5)]}
    figure = factor_panels(many, columns=2)
    assert len({trace.yaxis for trace in figure.data}) == 5 and figure.layout.height > 3 * 340
    assert figure.layout.xaxis5.title.text == "factor 4"
    with pytest.raises(ValueError, match="found none"):
        factor_panels({"one": []})
