"""Leaks are shown worst first with their angles, and counted at every threshold."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.evaluation import find_leaks, leak_table
from hyperface_lib.plots.leaks import leak_curves, leak_pairs


def turned(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def flat(size: int, count: int, first: int) -> list[np.ndarray]:
    return [np.full((size, size, 3), first + 10 * number, np.uint8) for number in range(count)]


def test_pairs_are_shown_most_similar_first_with_their_angle_and_names() -> None:
    leaks = find_leaks(turned(0, 90, 200), turned(20, 95, 300), 0.9)
    figure = leak_pairs(
        flat(64, 3, 10), flat(112, 3, 150), leaks, names=["a", "b", "c"], real_names=["x", "y", "z"], columns=1
    )
    assert [note.text for note in figure.layout.annotations] == ["5.0° b y", "20.0° a x"]
    assert "2 of 3 leak" in figure.layout.title.text
    source = figure.data[0].source.partition(",")[2]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    # the synthetic image of the first pair is number 1, the real one too; below them the second pair, both number 0
    for (row, column), grey in {(50, 50): 20, (50, 170): 160, (190, 50): 10, (190, 170): 150}.items():
        assert abs(int(sheet[row, column, 0]) - grey) <= 3
    few = leak_pairs(flat(8, 3, 0), flat(8, 3, 0), leaks, count=1)
    assert [note.text for note in few.layout.annotations] == ["5.0°"]


def test_nothing_that_leaks_is_no_figure() -> None:
    with pytest.raises(ValueError, match="found none"):
        leak_pairs(flat(8, 1, 0), flat(8, 1, 0), find_leaks(turned(0), turned(90), 0.9))


def test_a_curve_is_the_share_within_each_angle_beside_that_of_real_people() -> None:
    rng = np.random.default_rng(0)
    images, real = (turned(*rng.uniform(0, 360, count)) for count in (900, 12))
    table = leak_table(images, np.arange(900), real, thresholds_degrees=[4.0, 9.5], comparisons=["samples-centres"])
    line, among_real = leak_curves(table).data
    angles = np.degrees(np.arccos(np.clip((images @ real.T).max(axis=1), -1, 1)))
    assert len(line.x) <= 400 and line.y[-1] == 100 and line.y[0] == pytest.approx(100 / 900, rel=1e-3)
    for x, y in zip(line.x, line.y, strict=True):
        assert y / 100 == pytest.approx((angles <= x + 0.02).mean(), abs=6e-3)
    apart = np.degrees(np.arccos(np.clip((real @ real.T - 2 * np.eye(12)).max(axis=1), -1, 1)))
    assert np.asarray(among_real.x) == pytest.approx(np.sort(apart), abs=0.05)
    assert among_real.line.color == line.line.color and among_real.line.dash == "dot"
    assert [shape.x0 for shape in leak_curves(table).layout.shapes] == [4.0, 9.5]


def test_one_real_person_has_nobody_to_be_similar_to() -> None:
    table = leak_table(turned(0, 10), [0, 1], turned(3), thresholds_degrees=[5])
    assert [line.name for line in leak_curves(table).data] == [
        "samples to samples",
        "samples to centres",
        "centres to centres",
    ]
