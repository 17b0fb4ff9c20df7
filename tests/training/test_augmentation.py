from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hyperface_lib.training import NO_AUGMENTATION, Augmentation, augment


def pictures(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def changed(settings: Augmentation, seed: int = 1) -> np.ndarray:
    tensor = augment(pictures(), settings, np.random.default_rng(seed))
    assert tensor.shape == (40, 3, 16, 16) and tensor.dtype == torch.float32
    return ((tensor.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round(3)


def test_nothing_is_changed_without_settings_and_the_source_never() -> None:
    source = pictures()
    before = source.copy()
    assert np.allclose(changed(NO_AUGMENTATION), source, atol=1e-2)
    augment(source, Augmentation(), np.random.default_rng(0))
    assert np.array_equal(source, before)


def test_the_same_generator_gives_the_same_batch() -> None:
    assert np.array_equal(changed(Augmentation()), changed(Augmentation()))
    assert not np.array_equal(changed(Augmentation()), changed(Augmentation(), seed=2))


def test_flip_mirrors_about_the_share_asked_for() -> None:
    result, source = changed(replace(NO_AUGMENTATION, flip=0.5)), pictures().astype(float)
    mirrored = np.array([np.allclose(a, b[:, ::-1], atol=1e-2) for a, b in zip(result, source, strict=True)])
    kept = np.array([np.allclose(a, b, atol=1e-2) for a, b in zip(result, source, strict=True)])
    assert (mirrored ^ kept).all() and 8 < mirrored.sum() < 32


def test_shift_moves_by_at_most_its_reach() -> None:
    result, source = changed(replace(NO_AUGMENTATION, shift_pixels=2)), pictures().astype(float)
    padded = np.pad(source, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moves = set()
    for image, wide in zip(result, padded, strict=True):
        found = [
            (y, x) for y in range(5) for x in range(5) if np.allclose(image, wide[y : y + 16, x : x + 16], atol=0.1)
        ]
        assert len(found) == 1
        moves |= set(found)
    assert len(moves) > 10


def test_grey_takes_the_colour_away() -> None:
    result = changed(replace(NO_AUGMENTATION, grey=1.0))
    assert np.allclose(result, pictures().mean(axis=3, keepdims=True), atol=0.1)


def test_erase_paints_one_rectangle_of_one_colour() -> None:
    result = changed(replace(NO_AUGMENTATION, erase=1.0, erase_largest=0.5))
    for image, source in zip(result, pictures(), strict=True):
        different = ~np.isclose(image, source, atol=0.1).all(axis=2)
        rows, columns = np.flatnonzero(different.any(1)), np.flatnonzero(different.any(0))
        inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(inside.reshape(-1, 3), axis=0).max() < 0.1
        assert inside.shape[0] <= 8 and inside.shape[1] <= 8


def test_brightness_and_contrast_are_one_line_for_an_image() -> None:
    result = changed(replace(NO_AUGMENTATION, brightness=0.2, contrast=0.3))
    for image, source in zip(result, pictures(), strict=True):
        gain, offset = np.polyfit(source.ravel().astype(float), image.ravel(), 1)
        assert 0.7 <= gain <= 1.3 and np.allclose(image, gain * source + offset, atol=0.1)


def test_saturation_moves_pixels_along_their_distance_from_grey() -> None:
    result = changed(replace(NO_AUGMENTATION, saturation=0.5))
    kept = []
    for image, source in zip(result, pictures().astype(float), strict=True):
        colour, before = (values - values.mean(axis=2, keepdims=True) for values in (image, source))
        kept.append(float((colour * before).sum() / (before**2).sum()))
        assert np.allclose(colour, kept[-1] * before, atol=0.1)
        assert np.allclose(image.mean(axis=2), source.mean(axis=2), atol=0.1)
    assert 0.5 <= min(kept) < 0.8 and 1.2 < max(kept) <= 1.5


def test_a_crop_leaves_black_around_what_it_keeps() -> None:
    result = changed(replace(NO_AUGMENTATION, crop=1.0, crop_smallest=0.3, crop_outside="black"))
    areas = []
    for image, source in zip(result, np.maximum(pictures(), 1), strict=True):
        kept = ~np.isclose(image, 0, atol=0.1).all(axis=2)
        rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert np.allclose(image[box], source[box], atol=1.1)
        outside = np.ones((16, 16), bool)
        outside[box] = False
        assert np.allclose(image[outside], 0, atol=0.1)
        tall, wide = (part.stop - part.start for part in box)
        areas.append(tall * wide / 256)
        assert 0.5 < tall / wide < 2
    assert min(areas) > 0.2 and np.ptp(areas) > 0.4


def test_an_enlarged_crop_is_a_part_of_the_image() -> None:
    ramp = np.broadcast_to((np.arange(64, dtype=np.uint8) * 4)[None, None, :, None], (30, 64, 64, 3))
    settings = replace(NO_AUGMENTATION, crop=1.0, crop_smallest=0.3)
    result = ((augment(ramp, settings, np.random.default_rng(3)).numpy() + 1) * 127.5)[:, 0]
    slopes = (result[:, 32, 48] - result[:, 32, 16]) / 32
    # A ramp of 4 a pixel, enlarged along x, has a gentler slope, and never a steeper one.
    assert (slopes < 4.05).all() and slopes.min() < 2.8 and (result >= 0).all()


def test_low_resolution_takes_detail_and_leaves_the_colour() -> None:
    settings = replace(NO_AUGMENTATION, low_resolution=1.0, low_resolution_smallest=0.2)
    result, source = changed(settings), pictures().astype(float)
    detail = np.abs(np.diff(result, axis=2)).mean((1, 2, 3)) / np.abs(np.diff(source, axis=2)).mean((1, 2, 3))
    assert detail.min() < 0.5 and detail.mean() < 0.9
    assert np.abs(result.mean((1, 2)) - source.mean((1, 2))).mean() < 12


def test_new_changes_leave_the_draws_of_the_others_alone() -> None:
    barely = replace(Augmentation(), crop=1e-300, low_resolution=1e-300)
    assert np.array_equal(changed(barely), changed(Augmentation()))


def test_a_part_of_a_batch_changes_as_in_the_whole_batch() -> None:
    settings = Augmentation(
        flip=0.5, grey=0.4, noise=0.7, erase=0.6, saturation=0.4, crop=0.5, low_resolution=0.5, crop_outside="black"
    )
    whole = augment(pictures(), settings, np.random.default_rng(5))
    for places in (np.arange(7, 29), np.array([0, 3, 39]), np.arange(0)):
        part = augment(pictures()[places], settings, np.random.default_rng(5), places, 40)
        assert torch.equal(part, whole[torch.from_numpy(places)])
    with pytest.raises(ValueError, match="places must be 3 numbers below 40"):
        augment(pictures()[:3], settings, np.random.default_rng(5), np.array([1, 2, 40]), 40)
