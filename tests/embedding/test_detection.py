from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.embedding import detection
from hyperface_lib.embedding.alignment import ARCFACE_TEMPLATE, similarity_transform
from hyperface_lib.embedding.detection import (
    ArcFaceCropper,
    DlibChipCropper,
    FaceBox,
    TrueFivePointCropper,
    central_box,
    choose_face,
    detect_faces,
    eyes_and_nose_base,
    five_points,
    import_dlib,
    model_file,
    require_photo_models,
)

HAS_PHOTOS = all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))
needs_photos = pytest.mark.skipif(not HAS_PHOTOS, reason="dlib is not installed: run make install")


@pytest.fixture(scope="module")
def astronaut():
    return pytest.importorskip("skimage.data", reason="run make install").astronaut()


@pytest.fixture(scope="module")
def box(astronaut):
    return choose_face(detect_faces(astronaut), *astronaut.shape[:2])


def square(x, y, side, confidence=1.0):
    return FaceBox(x - side / 2, y - side / 2, x + side / 2, y + side / 2, confidence)


def test_the_face_that_holds_the_middle_wins_over_a_larger_one():
    central, large = square(70, 75, 40), square(190, 100, 95)
    assert choose_face([large, central], 150, 150) is central


def test_of_two_in_the_middle_the_larger_wins():
    small, large = square(75, 75, 20), square(75, 75, 60)
    assert choose_face([small, large], 150, 150) is large


def test_without_one_in_the_middle_size_counts_against_distance():
    near_small, far_large, near_large = square(40, 75, 20), square(10, 10, 60), square(110, 75, 60)
    assert choose_face([near_small, far_large, near_large], 150, 150) is near_large
    assert choose_face([near_small, far_large], 150, 150) is near_small


def test_a_doubtful_detection_does_not_win_over_a_sure_one():
    sure, doubtful = square(20, 20, 30, confidence=1.2), square(60, 20, 30, confidence=0.1)
    assert choose_face([doubtful, sure], 150, 150) is sure


def test_no_boxes_no_face():
    assert choose_face([], 150, 150) is None


@pytest.mark.parametrize(("height", "width"), [(250, 250), (100, 400), (400, 100)])
def test_the_central_box_lies_inside_and_in_the_middle(height, width):
    box = central_box(height, width)
    assert box.left >= 0
    assert box.top >= 0
    assert box.right <= width
    assert box.bottom <= height
    assert box.contains(width / 2, height / 2)
    assert box.side == pytest.approx(0.42 * min(height, width))


@needs_photos
def test_finds_the_astronaut_on_her_eyes_and_nose(astronaut, box):
    # Read off the photograph by hand: her eyes at (203, 102) and (247, 104), the base of her nose at (225, 134).
    points = eyes_and_nose_base(astronaut, box)
    np.testing.assert_allclose(points, [[203, 102], [247, 104], [225, 134]], atol=3)


@needs_photos
def test_the_true_five_points_agree_with_the_three(astronaut, box):
    points = five_points(astronaut, box)
    assert points.shape == (5, 2)
    np.testing.assert_allclose(points[:2], eyes_and_nose_base(astronaut, box)[:2], atol=2)
    assert points[0, 0] < points[2, 0] < points[1, 0]
    assert points[3, 0] < points[4, 0]
    assert points[2, 1] < points[3:, 1].min()


@needs_photos
@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0, 4.0])
def test_a_face_is_found_at_any_resolution_in_the_pixels_of_the_photograph(astronaut, box, factor):
    side = round(512 * factor)
    image = np.asarray(Image.fromarray(astronaut).resize((side, side), Image.Resampling.LANCZOS))
    found = choose_face(detect_faces(image), side, side)
    assert found is not None
    np.testing.assert_allclose(
        (eyes_and_nose_base(image, found) + 0.5) / factor - 0.5, eyes_and_nose_base(astronaut, box), atol=3
    )


@needs_photos
@pytest.mark.parametrize("image", [np.zeros((200, 300, 3), np.uint8), np.full((1, 1, 3), 9, np.uint8)])
def test_nothing_is_found_where_there_is_no_face(image):
    assert detect_faces(image) == []


@needs_photos
def test_the_arcface_crop_has_the_eyes_where_the_template_has_them(astronaut, box):
    crop = ArcFaceCropper(112).crop(astronaut, box)
    assert crop.shape == (112, 112, 3)
    in_crop = FaceBox(20, 25, 92, 97)
    eyes = eyes_and_nose_base(crop, in_crop)[:2]
    np.testing.assert_allclose(eyes, ARCFACE_TEMPLATE[:2], atol=3)


@needs_photos
def test_the_crop_from_three_points_is_near_that_from_five(astronaut, box):
    three = similarity_transform(
        eyes_and_nose_base(astronaut, box), detection.EYES_AND_NOSE_BASE, detection.EYES_AND_NOSE_WEIGHTS
    )
    five = similarity_transform(five_points(astronaut, box), ARCFACE_TEMPLATE)
    corners = np.array([[180, 60, 1], [270, 60, 1], [180, 160, 1], [270, 160, 1]])
    assert np.linalg.norm(corners @ (three - five).T, axis=1).mean() < 4
    assert TrueFivePointCropper(112).crop(astronaut, box).shape == (112, 112, 3)


@needs_photos
@pytest.mark.parametrize("size", [64, 128])
def test_crops_of_other_sizes_show_the_same_face(astronaut, box, size):
    crop = ArcFaceCropper(size).crop(astronaut, box)
    reference = Image.fromarray(ArcFaceCropper(112).crop(astronaut, box))
    if size == 128:  # insightface's 128-pixel template adds 8 pixels left and right: compare the middle
        shown, expected = crop[:112, 8:120], np.asarray(reference)
    else:
        shown, expected = crop, np.asarray(reference.resize((size, size), Image.Resampling.BOX))
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.97


@needs_photos
def test_the_dlib_chip_is_dlibs_own(astronaut, box):
    import dlib

    rectangle = dlib.rectangle(*(round(edge) for edge in (box.left, box.top, box.right, box.bottom)))
    shape = dlib.shape_predictor(str(model_file(detection.LANDMARK_MODEL)))(astronaut, rectangle)
    expected = dlib.get_face_chip(astronaut, shape, 150, 0.25)
    chip = DlibChipCropper().crop(astronaut, box)
    assert chip.shape == (150, 150, 3)
    assert np.corrcoef(chip.ravel(), expected.ravel())[0, 1] > 0.97


@needs_photos
def test_a_face_beyond_the_border_is_cut_all_the_same(astronaut):
    cut = np.ascontiguousarray(astronaut[:, 205:])
    crop = ArcFaceCropper(112).crop(cut, FaceBox(-30, 76, 60, 166))
    assert crop.shape == (112, 112, 3)
    assert crop.any()


@pytest.mark.parametrize("module", ["dlib", "face_recognition_models"])
def test_a_missing_extra_is_one_sentence_with_the_command(monkeypatch, module):
    if module == "face_recognition_models":
        monkeypatch.setattr(detection, "import_dlib", lambda: None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hyperface-kit\[photos\]' or make install\.$"):
        require_photo_models()


@needs_photos
def test_a_package_without_the_model_names_the_file():
    import_dlib()
    with pytest.raises(FileNotFoundError, match=r"absent\.dat"):
        model_file("absent.dat")
