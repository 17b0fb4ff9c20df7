"""Target curves: what is drawn is the formula, scale included, and the widgets redraw it."""

import numpy as np
import pytest

from hyperface_lib.plots.margin_curves import (
    CURVE_LOSSES,
    THETA_DEGREES,
    CurveExplorer,
    logit_curve,
    other_logit_curve,
    slope_curve,
    target_curves,
)
from hyperface_lib.plots.margins.settings import OPTIONS, MarginSettings

THETA = np.radians(THETA_DEGREES)
COUNT = len(CURVE_LOSSES)


def psi(theta: np.ndarray, factor: float) -> np.ndarray:
    turns = np.floor(factor * theta / np.pi)
    return (-1) ** turns * np.cos(factor * theta) - 2 * turns


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("norm-softmax", MarginSettings(scale=30), 30 * np.cos(THETA)),
        ("cosface", MarginSettings(scale=30, margin_cosine=0.4), 30 * (np.cos(THETA) - 0.4)),
        ("arcface", MarginSettings(scale=30, margin_radians=0.7), 30 * np.cos(THETA + 0.7)),
        ("sphereface", MarginSettings(scale=30, margin_factor=3.0), 30 * psi(THETA, 3.0)),
        (
            "sphereface",
            MarginSettings(scale=30, margin_factor=4.0, softmax_share=5),
            5 * (5 * np.cos(THETA) + psi(THETA, 4.0)),
        ),
        (
            "combined",
            MarginSettings(scale=30, margin_radians=0.3, margin_cosine=0.2),
            30 * (np.cos(THETA + 0.3) - 0.2),
        ),
    ],
)
def test_logits_are_the_formulas(name: str, settings: MarginSettings, expected: np.ndarray) -> None:
    assert np.allclose(logit_curve(settings.head(name), THETA_DEGREES), expected, atol=1e-5)


def test_slopes_are_exact_or_let_through() -> None:
    exact = MarginSettings(margin_radians=0.5).head("arcface")
    through = MarginSettings(margin_radians=0.5, gradient="detached").head("arcface")
    assert np.allclose(slope_curve(exact, THETA_DEGREES), -64 * np.sin(THETA + 0.5), atol=1e-4)
    assert np.allclose(slope_curve(through, THETA_DEGREES), -64 * np.sin(THETA), atol=1e-4)
    fallback = MarginSettings(margin_radians=0.5, monotonic=True).head("arcface")
    assert slope_curve(exact, THETA_DEGREES).max() > 0 > slope_curve(fallback, THETA_DEGREES).max()


def test_support_vectors_get_higher_logits_and_others_keep_theirs() -> None:
    settings = MarginSettings(scale=32, margin_radians=0.5, t=1.3)
    curve = other_logit_curve(settings.head("sv-arc"), THETA_DEGREES, 60.0)
    cosines = np.cos(THETA)
    hard = cosines > np.cos(np.radians(60) + 0.5)
    assert 0 < hard.sum() < len(hard)
    assert np.allclose(curve, 32 * np.where(hard, 1.3 * cosines + 0.3, cosines), atol=1e-5)
    assert np.allclose(other_logit_curve(settings.head("arcface"), THETA_DEGREES, 60.0), 32 * cosines, atol=1e-5)


def test_losses_that_treat_classes_or_samples_apart_are_dashed_or_dotted() -> None:
    names = ("arcface", "sv-arc", "curricular", "focal", "hm-softmax")
    figure = target_curves({name: MarginSettings().head(name) for name in names})
    assert [trace.line.dash for trace in figure.data[:5]] == ["solid", "dash", "dash", "dot", "dot"]


def test_a_third_panel_needs_an_angle_and_a_figure_a_head() -> None:
    heads = {"arcface": MarginSettings().head("arcface"), "cosface": MarginSettings().head("cosface")}
    assert len(target_curves(heads).data) == 4
    with_others = target_curves(heads, target_degrees=45.0)
    assert len(with_others.data) == 7 and with_others.data[-1].x == (45.0, 45.0)
    with pytest.raises(ValueError, match="at least one head, found none"):
        target_curves({})


@pytest.mark.parametrize("name", CURVE_LOSSES)
def test_every_loss_has_finite_curves(name: str) -> None:
    figure = target_curves({name: MarginSettings().head(name)}, target_degrees=60.0)
    assert all(np.isfinite(np.asarray(trace.y)).all() for trace in figure.data)
    assert len(figure.data[0].y) == len(THETA_DEGREES)


def test_every_option_a_loss_reads_changes_something() -> None:
    changed = {
        "scale": {"scale": 30.0},
        "margin_radians": {"margin_radians": 0.9},
        "margin_cosine": {"margin_cosine": 0.6},
        "margin_factor": {"margin_factor": 3.0},
        "softmax_share": {"softmax_share": 3.0},
        "t": {"t": 1.7},
        "gradient": {"gradient": "detached"},
        "monotonic": {"monotonic": True},
    }
    for name in CURVE_LOSSES:
        before = MarginSettings().head(name)
        for option in OPTIONS[name]:
            after = MarginSettings(**changed[option]).head(name)  # type: ignore[arg-type]
            same = [
                np.allclose(curve(before, THETA_DEGREES, *rest), curve(after, THETA_DEGREES, *rest))
                for curve, rest in ((logit_curve, ()), (slope_curve, ()), (other_logit_curve, (60.0,)))
            ]
            # For features of middle length AdaFace's margin is a cosine, whose two gradients are the same.
            assert not all(same) or (name, option) == ("adaface", "gradient"), (name, option)


def test_unknown_losses_are_refused() -> None:
    with pytest.raises(ValueError, match=r"loss must be one of .*arcface.*, found 'hinge'"):
        MarginSettings().head("hinge")
    with pytest.raises(ValueError, match=r"losses must be among .*arcface.*, found hinge"):
        CurveExplorer(("hinge",))


def test_sliders_move_the_curves_that_read_them() -> None:
    explorer = CurveExplorer(("cosface", "arcface"))
    assert explorer.ui.children[-1] is explorer.figure_widget
    data = explorer.figure_widget.data
    arcface, cosface = (CURVE_LOSSES.index(name) for name in ("arcface", "cosface"))
    before = [np.array(data[index].y) for index in (arcface, cosface)]
    explorer.controls.radians_slider.value = 0.8
    assert np.allclose(data[arcface].y, 64 * np.cos(THETA + 0.8), atol=1e-2)
    assert not np.allclose(data[arcface].y, before[0]) and np.array_equal(data[cosface].y, before[1])
    explorer.controls.scale_slider.value = 10
    assert np.allclose(data[cosface].y, 10 * (np.cos(THETA) - 0.35), atol=1e-2)
    explorer.controls.gradient_choice.value = "detached"
    assert np.allclose(data[COUNT + arcface].y, -10 * np.sin(THETA), atol=1e-2)


def test_buttons_show_and_hide_losses() -> None:
    explorer = CurveExplorer(("arcface",))
    shown = {trace.name for trace in explorer.figure_widget.data[:COUNT] if trace.visible}
    assert shown == {"arcface"}
    explorer.buttons.buttons["sv-arc"].value = True
    explorer.buttons.buttons["arcface"].value = False
    visible = [trace.name for trace in explorer.figure_widget.data[: 3 * COUNT] if trace.visible]
    assert visible == ["sv-arc"] * 3
    explorer.target_slider.value = 30
    assert explorer.figure_widget.data[-1].x == (30, 30)
    edge = np.asarray(explorer.figure_widget.data[2 * COUNT + CURVE_LOSSES.index("sv-arc")].y) / 64 - np.cos(THETA)
    assert np.abs(THETA_DEGREES[edge > 0.01].max() - (30 + np.degrees(0.5))) < 1.6


def test_the_plain_picture_has_the_chosen_losses_only_and_is_small() -> None:
    explorer = CurveExplorer(("arcface", "cosface"))
    figure = explorer.figure()
    assert type(figure).__name__ == "Figure"
    assert {trace.name for trace in figure.data} == {"arcface", "cosface", "angle to the own centre"}
    assert len(figure.to_json()) < 20_000


def test_with_no_loss_chosen_the_live_picture_is_empty_and_the_plain_one_says_so() -> None:
    explorer = CurveExplorer(("arcface",))
    explorer.buttons.buttons["arcface"].value = False
    assert not any(trace.visible for trace in explorer.figure_widget.data[: 3 * COUNT])
    with pytest.raises(ValueError, match="at least one head"):
        explorer.figure()
