"""Figures of inverted images: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from hyperface_lib.plots.inversion import inversion_gallery, inversion_progress, percentile_strip, sheet_tiles


def flat(levels: list[int]) -> np.ndarray:
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def test_a_sheet_comes_apart_as_it_was_laid_out() -> None:
    sheet = np.zeros((12, 20, 3), np.uint8)
    for row in range(3):
        for column in range(4):
            sheet[row * 4 : row * 4 + 4, column * 5 : column * 5 + 5] = 10 * row + column
    tiles = sheet_tiles(sheet, 3, 4)
    assert tiles.shape == (12, 4, 5, 3)
    assert [int(tile[0, 0, 0]) for tile in tiles] == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert all((tile == tile[0, 0]).all() for tile in tiles)
    with pytest.raises(ValueError, match="5 x 4 images must divide evenly"):
        sheet_tiles(sheet, 5, 4)


def test_a_gallery_has_a_row_for_each_name_and_a_caption_for_each_person() -> None:
    figure = inversion_gallery({"picture": flat([10, 20]), "found": flat([30, 40])}, ["99.5", "100"], title="two")
    assert list(figure.layout.yaxis.ticktext) == ["picture", "found"]
    assert list(figure.layout.xaxis.ticktext) == ["99.5", "100"]
    assert figure.layout.meta == {"images": 4, "pixels": [18, 18]}


def test_a_gallery_refuses_uneven_rows_and_captions() -> None:
    with pytest.raises(ValueError, match="rows of one length"):
        inversion_gallery({"picture": flat([10, 20]), "found": flat([30])})
    with pytest.raises(ValueError, match="rows of one length"):
        inversion_gallery({})
    with pytest.raises(ValueError, match="2 people needs as many captions, found 1"):
        inversion_gallery({"picture": flat([10, 20])}, ["99.5"])


def test_the_course_shows_both_losses_and_leaves_out_a_prior_that_is_off() -> None:
    steps = np.array([3.0, 2.0, 1.0])
    figure = inversion_progress({"with": (steps, 10 * steps), "without": (2 * steps, 0 * steps)})
    assert [trace.name for trace in figure.data] == ["with: identity loss", "with: prior", "without: identity loss"]
    np.testing.assert_allclose(figure.data[1].y, [30, 20, 10])
    np.testing.assert_array_equal(figure.data[0].x, [1, 2, 3])
    assert figure.layout.yaxis.type == "log"
    with pytest.raises(ValueError, match="found none"):
        inversion_progress({})


def test_every_percentile_is_a_dot_and_the_bar_is_their_mean() -> None:
    figure = percentile_strip({"noise": [20.0, 60.0, 40.0], "found": [100.0, 98.0]})
    np.testing.assert_allclose(figure.data[0].x, [20, 60, 40])
    np.testing.assert_allclose(figure.data[1].x, [40, 40])
    np.testing.assert_allclose(figure.data[3].x, [99, 99])
    assert np.abs(np.asarray(figure.data[2].y) - 1).max() < 0.32
    assert list(figure.layout.yaxis.ticktext) == ["noise", "found"]
    assert figure.layout.shapes[0].x0 == 50


@pytest.mark.parametrize("values", [[], [-0.1], [100.5], [float("nan")]])
def test_percentiles_lie_between_0_and_100(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"in 0 \.\. 100"):
        percentile_strip({"a": values})
    with pytest.raises(ValueError, match="at least one group"):
        percentile_strip({})
