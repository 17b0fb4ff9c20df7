"""Decision regions: boundaries solved by hand, areas on the right side of them, sliders that move them."""

import numpy as np
import pytest

from hyperface_lib.plots.decision_regions import (
    RegionExplorer,
    boundary_degrees,
    decision_regions,
    softmax_boundary_degrees,
)
from hyperface_lib.plots.margins.settings import MarginSettings

THETA = np.linspace(1, 120, 60)


def test_arcface_leaves_a_constant_angle() -> None:
    head = MarginSettings(margin_radians=0.5).head("arcface")
    assert np.allclose(boundary_degrees(head, THETA) - THETA, np.degrees(0.5), atol=1e-3)


def test_sphereface_and_cosface_are_solved_by_hand() -> None:
    sphereface = boundary_degrees(MarginSettings(margin_factor=1.5).head("sphereface"), THETA)
    assert np.allclose(sphereface, np.minimum(1.5 * THETA, 180), atol=1e-3)
    cosface = boundary_degrees(MarginSettings(margin_cosine=0.35).head("cosface"), THETA)
    assert np.allclose(np.cos(np.radians(cosface)), np.cos(np.radians(THETA)) - 0.35, atol=1e-6)


def test_where_no_angle_is_enough_the_boundary_is_the_edge() -> None:
    head = MarginSettings(margin_cosine=1.0).head("cosface")
    assert np.allclose(boundary_degrees(head, np.array([90.5, 120.0, 180.0])), 180.0)


def test_long_centres_take_faces_from_others_under_plain_softmax() -> None:
    assert np.allclose(softmax_boundary_degrees(THETA, 1.0), THETA)
    longer = softmax_boundary_degrees(np.array([60.0]), 2.0)
    assert np.allclose(longer, 0.0, atol=1e-5)  # 2 cos 60 = 1: every theta_2 above 0 is class 1
    assert np.allclose(softmax_boundary_degrees(np.array([60.0]), 0.5), np.degrees(np.arccos(0.25)))


def inside(area: object, x: float, y: float) -> bool:
    """Whether a point lies in a closed polygon, by crossings of a ray."""
    corners = np.stack([np.asarray(area.x, float), np.asarray(area.y, float)], axis=1)  # type: ignore[attr-defined]
    after = np.roll(corners, -1, axis=0)
    crosses = (corners[:, 1] > y) != (after[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = corners[:, 0] + (y - corners[:, 1]) * (after[:, 0] - corners[:, 0]) / (after[:, 1] - corners[:, 1])
    return bool((crosses & (x < at)).sum() % 2)


@pytest.mark.parametrize("name", ["norm-softmax", "sphereface", "cosface", "arcface", "combined"])
def test_areas_are_where_the_loss_is_content(name: str) -> None:
    head = MarginSettings().head(name)
    figure = decision_regions({name: head})
    first, second = figure.data[5], figure.data[6]
    rng = np.random.default_rng(0)
    told = 0
    for theta_1, theta_2 in rng.uniform(3, 177, (300, 2)):
        for area, own, other, place in (
            (first, theta_1, theta_2, (theta_1, theta_2)),
            (second, theta_2, theta_1, (theta_1, theta_2)),
        ):
            near = other > boundary_degrees(head, own + np.array([-2.0, 0.0, 2.0]))
            if near.all() or not near.any():  # elsewhere the drawn line, of straight pieces, may be on either side
                assert inside(area, *place) == near[1]
                told += 1
    assert told > 500


def test_arcface_far_from_both_centres_accepts_either_unless_monotonic() -> None:
    corner = (175.0, 175.0)
    plain = decision_regions({"arcface": MarginSettings().head("arcface")})
    assert inside(plain.data[5], *corner) and inside(plain.data[6], *corner)
    fallback = decision_regions({"arcface": MarginSettings(monotonic=True).head("arcface")})
    assert not inside(fallback.data[5], *corner) and not inside(fallback.data[6], *corner)


def test_sliders_move_the_boundaries() -> None:
    explorer = RegionExplorer(("arcface", "cosface"))
    assert explorer.ui.children[-1] is explorer.figure_widget
    softmax, arcface, cosface = (explorer.figure_widget.data[5 * index + 2] for index in range(3))
    untouched = np.array(cosface.y)
    explorer.controls.radians_slider.value = 0.2
    middle = np.asarray(arcface.x) == 90
    assert np.asarray(arcface.y)[middle] == pytest.approx(90 + np.degrees(0.2), abs=0.02)
    assert np.array_equal(cosface.y, untouched)
    explorer.ratio_slider.value = 2.0
    at_60 = np.asarray(softmax.x) == 60
    assert np.asarray(softmax.y)[at_60] == pytest.approx(0.0, abs=0.01)
    plain = explorer.figure()
    assert np.array_equal(plain.data[7].y, arcface.y) and type(plain).__name__ == "Figure"


def test_only_sliders_that_matter_are_shown() -> None:
    controls = RegionExplorer(("cosface",))._moved()
    assert [control.description for control in controls] == ["margin (cosine)", "|W1| / |W2| (softmax)"]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least one head, found none"):
        decision_regions({})
    with pytest.raises(ValueError, match="length_ratio must be above 0, found 0"):
        decision_regions({"arcface": MarginSettings().head("arcface")}, length_ratio=0)
    with pytest.raises(ValueError, match=r"losses must be among .*arcface.*, found softmax"):
        RegionExplorer(("softmax",))
