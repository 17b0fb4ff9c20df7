"""Histograms and maps draw what they are given, as densities, in units the axis names."""

import numpy as np
import pytest

from hyperface_lib.plots import (
    angle_histograms,
    nearest_neighbour_histogram,
    similarity_histogram,
    spectrum,
    vector_map,
)


def area(bar: object) -> float:
    return float(np.sum(np.asarray(bar.y, dtype=float)) * bar.width)  # type: ignore[attr-defined]


def test_similarity_histogram_has_area_one_whatever_the_number_of_pairs() -> None:
    rng = np.random.default_rng(0)
    figure = similarity_histogram(rng.uniform(0.2, 0.9, 50), rng.normal(0, 0.1, 9000), threshold=0.3)
    genuine, impostor = figure.data[:2]
    assert area(genuine) == pytest.approx(1, abs=1e-3) and area(impostor) == pytest.approx(1, abs=1e-3)
    assert genuine.name == "same person (50)" and impostor.name == "different people (9000)"
    assert np.average(genuine.x, weights=genuine.y) == pytest.approx(0.55, abs=0.08)


def test_the_angle_axis_reads_the_cosine_below_it() -> None:
    axis = similarity_histogram(np.array([0.5]), np.array([0.0])).layout.xaxis2
    for cosine, label in zip(axis.tickvals, axis.ticktext, strict=True):
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) == pytest.approx(float(label.rstrip("°")), abs=0.2)


def test_angle_histograms_share_their_bins() -> None:
    figure = angle_histograms({"before": np.array([10.0, 20.0]), "after": np.array([80.0, 90.0])}, bins=8)
    assert np.array_equal(figure.data[0].x, figure.data[1].x)
    assert figure.data[0].x[0] == pytest.approx(15.0) and figure.data[0].width == pytest.approx(10.0)
    with pytest.raises(ValueError, match="at least one series"):
        angle_histograms({})


def test_constant_angles_still_make_a_picture() -> None:
    assert area(angle_histograms({"one": np.full(5, 60.0)}).data[0]) == pytest.approx(1, rel=0.05)


def test_nearest_neighbour_histogram_marks_the_bound() -> None:
    figure = nearest_neighbour_histogram(np.linspace(60, 70, 100), bound_degrees=72.5)
    assert figure.layout.shapes[0].x0 == 72.5
    assert "72.50" in figure.layout.annotations[0].text


def test_spectrum_ends_at_all_the_variance() -> None:
    shares = spectrum(np.array([3.0, 1.0])).data[0]
    assert list(shares.x) == [1, 2] and list(shares.y) == [75.0, 100.0]


def test_map_names_and_counts_its_layers() -> None:
    figure = vector_map({"gallery": np.zeros((5, 2)), "references": np.ones((2, 2))}, axis_name="principal component")
    assert [trace.name for trace in figure.data] == ["gallery (5)", "references (2)"]
    assert figure.layout.xaxis.title.text == "principal component 1"
    with pytest.raises(ValueError, match=r"'gallery'.*\(5, 3\)"):
        vector_map({"gallery": np.zeros((5, 3))})
