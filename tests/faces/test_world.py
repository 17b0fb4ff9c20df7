"""Rendering: reproducible in any order, aligned, and every factor does what its name says."""

from pathlib import Path

import numpy as np
import pytest

from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, Identity, Nuisance, contact_sheet
from hyperface_lib.faces.camera import ARCFACE_TEMPLATE, similarity
from hyperface_lib.faces.renderer import Renderer

PLAIN = Nuisance(noise=0.0)


@pytest.fixture(scope="module")
def world() -> FaceWorld:
    return FaceWorld(64)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def test_images_do_not_depend_on_order_batch_or_workers(world: FaceWorld) -> None:
    seeds = list(range(60))
    together = world.render_batch(seeds, seeds, workers=1)
    assert together.shape == (60, 64, 64, 3) and together.dtype == np.uint8
    backwards = world.render_batch(seeds[::-1], seeds[::-1], workers=1)[::-1]
    # the geometry of a batch is one matrix product, whose rounding depends on its shape
    assert np.abs(together.astype(int) - backwards.astype(int)).max() <= 2
    alone = world.render(59, 59)
    assert np.abs(together[59].astype(int) - alone.astype(int)).max() <= 2
    parallel = world.render_batch(np.array(seeds), np.array(seeds), workers=2)
    assert np.array_equal(together, parallel)


def test_same_person_is_closer_than_another_in_the_same_picture(world: FaceWorld) -> None:
    person, other = Identity.random(5), Identity.random(6)
    base = world.render(person, PLAIN)
    assert difference(base, world.render(other, PLAIN)) > 4 * difference(
        base, world.render(person, Nuisance(noise=0.0, gaze_right=0.02))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"yaw_degrees": 30.0},
        {"pitch_degrees": 15.0},
        {"age_years": 75.0},
        {"expression": "surprise"},
        {"gaze_right": 0.05},
        {"light_azimuth_degrees": -80.0},
        {"ambient_strength": 0.2},
        {"glasses": "clear"},
        {"glasses": "dark"},
        {"hat": "beanie"},
        {"hat": "hood"},
        {"hair": "long"},
        {"fringe": 1.0},
        {"beard": 1.0},
        {"makeup": 1.0},
        {"occluder": "mask"},
        {"occluder": "patch"},
        {"camera_metres": 0.4},
        {"exposure_stops": 1.0},
        {"blur_pixels": 2.0},
        {"resolution": 0.2},
        {"noise": 0.05},
        {"shift_x": 0.1},
        {"zoom": 1.2},
        {"tilt_degrees": 10.0},
        {"black_and_white": True},
        {"background_rgb": (0.8, 0.1, 0.1)},
        {"saturation": 0.3},
        {"warmth": 0.3},
        {"age_years": 8.0},
        {"camera_metres": 3.0},
    ],
    ids=str,
)
def test_every_factor_changes_the_picture(world: FaceWorld, change: dict) -> None:  # type: ignore[type-arg]
    person = next(
        p
        for p in map(Identity.random, range(100))
        if p.sex > 0.8 and not p.long_hair and p.baldness < 0.4 and 22 < p.age_years < 40
    )
    before, after = world.render(person, PLAIN), world.render(person, PLAIN.with_changes(**change))
    assert difference(before, after) > 0.25


def test_black_and_white_has_no_colour(world: FaceWorld) -> None:
    image = world.render(3, PLAIN.with_changes(black_and_white=True)).astype(int)
    assert np.ptp(image, axis=2).max() <= 1


def test_roll_is_undone_by_the_alignment(world: FaceWorld) -> None:
    upright = world.landmarks(4, PLAIN)
    rolled = world.landmarks(4, PLAIN.with_changes(roll_degrees=20.0))
    np.testing.assert_allclose(upright, rolled, atol=0.7)


def test_landmarks_fit_the_template_and_move_with_the_picture(world: FaceWorld) -> None:
    for seed in range(6):
        points = world.landmarks(seed, PLAIN)
        assert points.shape == (5, 2)
        assert np.abs(points / 64 - ARCFACE_TEMPLATE).mean() < 0.05
    moved = world.landmarks(0, PLAIN.with_changes(shift_x=0.1)) - world.landmarks(0, PLAIN)
    np.testing.assert_allclose(moved, np.tile([6.4, 0.0], (5, 1)), atol=1e-4)


def test_landmarks_agree_between_sizes() -> None:
    nuisance = Nuisance.random(11, "wide")
    np.testing.assert_allclose(
        FaceWorld(112).landmarks(3, nuisance) / 112, FaceWorld(64).landmarks(3, nuisance) / 64, atol=1e-5
    )


def test_the_pupils_are_where_the_landmarks_say(world: FaceWorld) -> None:
    """Dark glasses darken the picture around the two eye landmarks and hardly at the mouth."""
    clear, dark = FaceWorld(112).render(9, PLAIN), FaceWorld(112).render(9, PLAIN.with_changes(glasses="dark"))
    points = FaceWorld(112).landmarks(9, PLAIN).round().astype(int)
    change = np.abs(clear.astype(int) - dark.astype(int)).sum(2)
    around = [change[y - 3 : y + 4, x - 3 : x + 4].mean() for x, y in points]
    assert min(around[:2]) > 10 * max(around[3:])


def test_profile_keeps_the_face_in_the_picture(world: FaceWorld) -> None:
    """Without the bound on the scale a profile would be blown up: the five points nearly coincide there."""
    for yaw in (-85.0, 85.0):
        points = world.landmarks(2, PLAIN.with_changes(yaw_degrees=yaw))
        mouth_to_eye = points[3:, 1].mean() - points[:2, 1].mean()
        assert 0.25 * 64 < mouth_to_eye < 0.50 * 64


def test_similarity_recovers_a_known_transform() -> None:
    generator = np.random.default_rng(0)
    source = generator.normal(size=(5, 2))
    angle, scale, shift = 0.7, 1.8, np.array([3.0, -2.0])
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found, moved = similarity(source, source @ matrix.T + shift)
    np.testing.assert_allclose(found, matrix, atol=1e-12)
    np.testing.assert_allclose(moved, shift, atol=1e-12)


def test_the_frozen_renderer_still_draws_the_same(world: FaceWorld) -> None:
    """Version 1 of the renderer: four images stored when it was frozen; processors may differ by roundings."""
    images = world.render_batch(range(4), range(4), workers=1).astype(int)
    change = np.abs(images - np.load(Path(__file__).with_name("frozen_renderer_1.npy")))
    assert RENDERER_VERSION == 1
    assert change.mean() < 0.2 and (change > 8).mean() < 0.01, (
        "the renderer changed: raise RENDERER_VERSION and rebuild every artefact"
    )


def test_bad_arguments_get_one_sentence(world: FaceWorld) -> None:
    with pytest.raises(ValueError, match="64 or 112"):
        FaceWorld(100)
    with pytest.raises(ValueError, match="as many nuisances as identities"):
        world.render_batch([1, 2], [1])


def test_contact_sheet() -> None:
    images = np.full((5, 8, 8, 3), 7, np.uint8)
    sheet = contact_sheet(images, columns=3, gap=2)
    assert sheet.shape == (18, 28, 3)
    assert (sheet[:8, :8] == 7).all() and (sheet[10:, 20:] == 255).all()
    with pytest.raises(ValueError, match="found none"):
        contact_sheet([])
    with pytest.raises(ValueError, match="one size"):
        contact_sheet([images[0], np.zeros((4, 4, 3), np.uint8)])


def test_nothing_of_an_earlier_picture_is_left() -> None:
    """Only texels that are seen are painted; whatever an earlier picture left on the others must not show."""
    used, fresh = Renderer(64), Renderer(64)
    people, pictures = [Identity.random(seed) for seed in range(6)], [Nuisance.random(seed) for seed in range(6)]
    used.render(people[:5], pictures[:5])
    used._texture[~used._needed] = 1e3
    np.testing.assert_array_equal(used.render(people[5:], pictures[5:]), fresh.render(people[5:], pictures[5:]))
