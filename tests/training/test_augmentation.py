from __future__ import annotations

from dataclasses import replace

import numpy as np
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
