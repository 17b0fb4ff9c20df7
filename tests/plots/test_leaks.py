"""Leaks are shown worst first with their angles, and counted at every threshold."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.evaluation import NearestRows, find_leaks
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
    with pytest.raises(ValueError, match="found none"):
        leak_curves({})
    with pytest.raises(ValueError, match="found none"):
        leak_curves({"samples": NearestRows(np.zeros(0, np.int64), np.zeros(0, np.float32))})


def test_a_curve_is_the_share_within_each_angle() -> None:
    angles = np.random.default_rng(0).uniform(20, 80, 5000)
    found = NearestRows(np.zeros(5000, np.int64), np.cos(np.radians(angles)).astype(np.float32))
    figure = leak_curves({"samples": found}, marks_degrees={"1e-3": 41.234})
    (line,) = figure.data
    assert len(line.x) <= 400 and line.y[-1] == 100
    for x, y in zip(line.x, line.y, strict=True):
        assert y / 100 == pytest.approx((angles <= x + 0.02).mean(), abs=1.5e-3)
    assert line.y[0] == pytest.approx(100 / 5000, rel=1e-3) and figure.layout.yaxis.type == "log"
    assert figure.layout.shapes[0].x0 == 41.23 and figure.layout.annotations[0].text == "1e-3"
