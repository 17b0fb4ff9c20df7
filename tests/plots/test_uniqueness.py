"""Densities are those of the counts, curves those of the scores; the worst are shown beside whom they resemble."""

import numpy as np
import pytest

from hyperface_lib.evaluation import AngleDistribution, DatasetScores, score_dataset
from hyperface_lib.plots.uniqueness import (
    angle_distributions,
    genuine_impostor_angles,
    unique_identity_curve,
    worst_identities,
)


@pytest.fixture
def scores() -> DatasetScores:
    """Identities 0 and 2 are one person; 1 is another."""
    rng = np.random.default_rng(0)
    vectors = np.eye(6)[np.repeat([0, 3, 0], 3)] + 0.05 * rng.normal(size=(9, 6))
    return score_dataset(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat([0, 1, 2], 3), [20, 60])


def test_densities_have_the_area_of_one_and_lie_where_the_angles_are() -> None:
    figure = angle_distributions({"a": AngleDistribution.of([10.2, 10.4, 50.5]), "none": AngleDistribution.of([])})
    (bars,) = figure.data
    assert bars.name == "a (3)"
    assert np.asarray(bars.x)[np.asarray(bars.y) > 0] == pytest.approx([10.5, 50.5])
    assert np.asarray(bars.y).sum() == pytest.approx(1, abs=1e-4) and bars.y[0] == pytest.approx(2 / 3, abs=1e-4)
    with pytest.raises(ValueError, match="found none"):
        angle_distributions({"none": AngleDistribution.of([])})


def test_the_three_kinds_of_pairs_are_drawn_with_thresholds(scores: DatasetScores) -> None:
    figure = genuine_impostor_angles(scores, marks_degrees={"strict": 40})
    assert [bars.name for bars in figure.data] == [
        "one identity (9)",
        "two identities (27)",
        "two identities' centres (3)",
    ]
    assert figure.layout.shapes[0].x0 == 40 and figure.layout.annotations[0].text == "strict"


def test_the_curve_counts_unique_identities(scores: DatasetScores) -> None:
    traces = {trace.name: trace for trace in unique_identity_curve(scores, name="set").data}
    assert np.asarray(traces["set: unique"].y) == pytest.approx(np.log10([2, 2]), abs=1e-3)


def test_a_row_holds_an_identity_a_gap_and_the_one_nearest_to_it(scores: DatasetScores) -> None:
    images = [np.full((16, 16, 3), 20 * number, np.uint8) for number in range(9)]
    figure = worst_identities(images, np.repeat([0, 1, 2], 3), scores, count=2, each=4)  # type: ignore[arg-type]
    assert figure.layout.meta["images"] == 2 * (4 + 1 + 4)
    labels = figure.layout.yaxis.ticktext
    # the row of identity 0 would show the same two as that of 2, which has more misplaced images
    assert labels[0].startswith("2 | 0,") and labels[0].endswith("2 misplaced")
    assert labels[1].startswith("1 | ")
    with pytest.raises(ValueError, match="9 images"):
        worst_identities(images, np.zeros(3), scores)  # type: ignore[arg-type]
