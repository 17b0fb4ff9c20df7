"""Views and canvas: what a random view does to an image, and that coarse layers are smooth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hyperface_lib.training.inversion_views import NO_VIEWS, Canvas, RandomViews, total_variation


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(6, 3, 16, 16, generator=seeded(9)) * 2 - 1


def test_no_views_is_the_image_itself(images: Tensor) -> None:
    assert NO_VIEWS(images, seeded()) is images


def test_a_sure_flip_is_the_mirror_image(images: Tensor) -> None:
    torch.testing.assert_close(replace(NO_VIEWS, flip=1.0)(images, seeded()), images.flip(-1), atol=1e-5, rtol=0)


def test_half_of_the_images_are_flipped() -> None:
    ramp = torch.linspace(-1, 1, 8).expand(400, 3, 8, 8)
    flipped = replace(NO_VIEWS, flip=0.5)(ramp, seeded())[:, 0, 0, 0] > 0
    assert 0.4 < float(flipped.float().mean()) < 0.6


def test_a_shift_moves_by_at_most_its_share_of_the_side() -> None:
    ramp = torch.arange(32.0).expand(200, 3, 32, 32)
    moved = replace(NO_VIEWS, shift=0.125)(ramp, seeded())
    # On a ramp of one step a pixel the change of value in the middle is the shift in pixels.
    pixels = moved[:, 0, 16, 16] - 16
    assert float(pixels.abs().max()) <= 4 + 1e-3 and float(pixels.abs().max()) > 3.5
    assert abs(float(pixels.mean())) < 0.5


def test_zoom_and_tilt_keep_the_middle_and_move_the_rim(images: Tensor) -> None:
    across = torch.linspace(-1, 1, 33).expand(50, 3, 33, 33)
    for views in (replace(NO_VIEWS, zoom=0.2), replace(NO_VIEWS, tilt_degrees=20.0)):
        moved = views(across, seeded())
        torch.testing.assert_close(moved[:, :, 16, 16], across[:, :, 16, 16], atol=1e-5, rtol=0)
        assert float((moved - across)[:, :, 4:28, 4:28].abs().max()) > 0.05


def test_brightness_contrast_and_noise_have_their_size() -> None:
    grey = torch.full((500, 3, 4, 4), 0.5)
    bright = replace(NO_VIEWS, brightness=0.2)(grey, seeded())[:, 0, 0, 0] - 0.5
    assert 0.19 < float(bright.abs().max()) <= 0.2
    contrast = replace(NO_VIEWS, contrast=0.2)(grey, seeded())[:, 0, 0, 0] - 0.5
    assert 0.09 < float(contrast.abs().max()) <= 0.1
    noise = replace(NO_VIEWS, noise=0.1)(grey, seeded()) - 0.5
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)


def test_views_repeat_with_the_seed_and_let_gradients_through(images: Tensor) -> None:
    assert torch.equal(RandomViews()(images, seeded(1)), RandomViews()(images, seeded(1)))
    assert not torch.equal(RandomViews()(images, seeded(1)), RandomViews()(images, seeded(2)))
    images.requires_grad_()
    RandomViews()(images, seeded()).sum().backward()
    assert images.grad is not None and float((images.grad.abs() > 0).float().mean()) > 0.9


@pytest.mark.parametrize(
    ("changes", "message"), [({"shift": -0.1}, "shift must be 0 or more"), ({"flip": 1.5}, "0 .. 1")]
)
def test_impossible_views_are_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        RandomViews(**changes)


def test_one_level_is_plain_pixels() -> None:
    canvas = Canvas(2, 16, 1, 0.3, seeded(4))
    expected = torch.tanh(0.3 * torch.randn(2, 3, 16, 16, generator=seeded(4)))
    assert torch.equal(canvas.images().detach(), expected)


def test_levels_halve_and_the_coarse_ones_reach_far() -> None:
    canvas = Canvas(1, 16, 3, 0.1, seeded())
    assert [tuple(layer.shape) for layer in canvas.layers] == [(1, 3, side, side) for side in (16, 8, 4)]
    canvas.images()[0, 0, 8, 8].backward()
    assert all(layer.grad is not None for layer in canvas.layers)
    before = canvas.images().detach()
    with torch.no_grad():
        canvas.layers[2][0, 0, 1, 1] += 1.0
    changed = (canvas.images() - before).abs()[0, 0] > 1e-4
    assert int(changed.sum()) > 30 and not bool(changed[12:].any())


@pytest.mark.parametrize("levels", [0, 6])
def test_a_canvas_without_a_coarsest_pixel_is_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 5 for 16 pixels"):
        Canvas(1, 16, levels, 0.1, seeded())
    assert Canvas(1, 16, 5, 0.1, seeded()).layers[-1].shape == (1, 3, 1, 1)


def test_total_variation_counts_steps_down_and_across() -> None:
    flat = torch.zeros(1, 1, 4, 4)
    assert float(total_variation(flat)) == 0
    flat[..., 2:] = 1.0  # one step across of the three between four columns
    assert float(total_variation(flat)) == pytest.approx(1 / 3)
    flat[..., 2:, :] += 3.0
    assert float(total_variation(flat)) == pytest.approx(1 / 3 + 1)
