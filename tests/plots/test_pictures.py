"""Contact sheets and grids of pairs: the picture stored in the figure is the picture given."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.plots import hardest_pairs, image_data_uri, image_grid, picture_pairs, show_images


def decoded(uri: str) -> np.ndarray:
    kind, _, text = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def flat_images(grey_levels: list[int], size: int = 16) -> np.ndarray:
    return np.stack([np.full((size, size, 3), level, np.uint8) for level in grey_levels])


def test_data_uri_holds_the_picture() -> None:
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, 12:] = (200, 100, 50)
    back = decoded(image_data_uri(image, quality=95)).astype(int)
    assert back.shape == image.shape
    assert np.abs(back[:, :8]).max() <= 12
    assert np.abs(back[:, 16:] - (200, 100, 50)).max() <= 12


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)])
def test_data_uri_refuses_what_is_not_an_rgb_image(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"):
        image_data_uri(image)


def test_grid_puts_every_image_in_reading_order() -> None:
    images = flat_images([10, 20, 30, 40, 50], size=4)
    sheet = image_grid(images, columns=3, gap=1)
    assert sheet.shape == (9, 14, 3)
    corners = [sheet[0, 0, 0], sheet[0, 5, 0], sheet[0, 10, 0], sheet[5, 0, 0], sheet[5, 5, 0]]
    assert corners == [10, 20, 30, 40, 50]
    assert (sheet[5:, 10:] == 255).all() and (sheet[4] == 255).all()


def test_grid_refuses_nothing_and_mixed_sizes() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        image_grid([], 3)
    with pytest.raises(ValueError, match="share one shape"):
        image_grid([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)], 2)


def test_sheet_stays_small_and_labels_its_rows() -> None:
    figure = show_images(flat_images([40] * 12), columns=4, row_labels=["a", "b", "c"], title="twelve")
    assert list(figure.layout.yaxis.ticktext) == ["a", "b", "c"]
    assert decoded(figure.data[0].source).shape == (3 * 18 - 2, 4 * 18 - 2, 3)
    assert len(figure.to_json()) < 20_000


def test_a_finished_sheet_is_shown_as_it_is() -> None:
    figure = show_images(np.full((30, 50, 3), 90, np.uint8))
    assert decoded(figure.data[0].source).shape == (30, 50, 3)


def test_pairs_stand_side_by_side_above_their_captions() -> None:
    figure = picture_pairs(flat_images([0, 0]), flat_images([250, 250]), ["one", "two"], columns=2)
    sheet = decoded(figure.data[0].source).astype(int)
    assert sheet[8, 4, 0] < 20 and sheet[8, 28, 0] > 230
    assert [note.text for note in figure.layout.annotations] == ["one", "two"]
    assert figure.layout.annotations[0].x == 16


def test_pairs_refuse_uneven_lists() -> None:
    with pytest.raises(ValueError, match="found 2, 1 and 2"):
        picture_pairs(flat_images([0, 0]), flat_images([0]), ["one", "two"])


class FourPairs:
    is_same = np.array([True, True, False, False])

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, bool]:
        image = np.full((16, 16, 3), 60 * index, np.uint8)
        return image, image, bool(self.is_same[index])


@pytest.mark.parametrize(("same", "first_pair", "caption"), [(True, 1, "cos 0.20"), (False, 3, "cos 0.80")])
def test_hardest_pairs_come_first(same: bool, first_pair: int, caption: str) -> None:
    figure = hardest_pairs(FourPairs(), np.array([0.9, 0.2, 0.1, 0.8]), same=same)
    assert figure.layout.annotations[0].text == caption
    assert abs(int(decoded(figure.data[0].source)[8, 8, 0]) - 60 * first_pair) < 12


def test_hardest_pairs_need_a_cosine_for_each() -> None:
    with pytest.raises(ValueError, match="found 3 for 4"):
        hardest_pairs(FourPairs(), np.zeros(3), same=True)


def test_a_wide_sheet_fits_the_page_and_a_small_one_keeps_its_pixels() -> None:
    wide = show_images(flat_images([40] * 15, size=150), columns=15)
    small = show_images(flat_images([40] * 4, size=64), columns=4)
    assert wide.layout.width < 1100 < wide.layout.meta["pixels"][0]
    assert small.layout.width >= small.layout.meta["pixels"][0]
