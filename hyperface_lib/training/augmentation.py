"""Cheap changes to a batch of crops, drawn from one generator so that a step can be made again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hyperface_lib.training.recipe import Augmentation

_FILTERS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
# The sides of a crop relate as 3:4 to 4:3, the custom of random resized crops.
_LARGEST_RATIO = 4 / 3


class _Part:
    """Some images of a batch: everything is drawn for the whole batch, so that each image's draws are its own."""

    def __init__(self, places: NDArray[np.int64] | None, held: int, count: int | None) -> None:
        if places is None:
            places, count = np.arange(held), held
        if count is None or places.shape != (held,) or (held and not 0 <= places.min() <= places.max() < count):
            raise ValueError(f"places must be {held} numbers below {count}, one for each image, found {places}")
        self.places = places
        self.count = count
        self._held = {int(place): index for index, place in enumerate(places)}

    def chosen(self, draws: NDArray[np.float64], probability: float) -> Iterator[int | None]:
        """Yield, for every image of the batch that is to change, its index here or None if it is held elsewhere."""
        for place in np.flatnonzero(draws < probability):
            yield self._held.get(int(place))


def augment(
    images: NDArray[np.uint8],
    settings: Augmentation,
    generator: np.random.Generator,
    places: NDArray[np.int64] | None = None,
    count: int | None = None,
) -> torch.Tensor:
    """Turn uint8 RGB (n, h, w, 3) into changed float32 (n, 3, h, w) in about [-1, 1], channels last in memory.

    `places` (n,) says which images of a batch of `count` these are, where a batch is shared by several processes: an
    image changes as it would in the whole batch. Raises ValueError if the places do not fit.
    """
    part = _Part(places, len(images), count)
    # A child has a stream of its own: what is drawn from it leaves the draws of `generator` as they are.
    extra = generator.spawn(1)[0]
    moved = _flip_and_shift(images, settings, generator, part)
    _crop(moved, settings, extra, part)
    _lower_resolution(moved, settings, extra, part)
    batch = torch.from_numpy(moved).float().div_(127.5).sub_(1.0)
    gain = 1 + settings.contrast * generator.uniform(-1, 1, part.count)
    offset = settings.brightness * generator.uniform(-1, 1, part.count)
    if settings.contrast or settings.brightness:
        batch.mul_(_column(gain[part.places])).add_(_column(offset[part.places]))
    if settings.saturation:
        kept = 1 + settings.saturation * extra.uniform(-1, 1, part.count)
        grey = batch.mean(dim=-1, keepdim=True)
        batch.sub_(grey).mul_(_column(kept[part.places])).add_(grey)
    for index in part.chosen(generator.random(part.count), settings.grey):
        if index is not None:
            batch[index] = batch[index].mean(dim=-1, keepdim=True)
    for index in part.chosen(generator.random(part.count), settings.noise):
        sigma = settings.noise_sigma * generator.random()
        noise = generator.standard_normal(batch.shape[1:], dtype=np.float32)
        if index is not None:
            batch[index] += torch.from_numpy(noise) * sigma
    _erase(batch, settings, generator, part)
    return batch.permute(0, 3, 1, 2)


def _column(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[:, None, None, None]


def _flip_and_shift(
    images: NDArray[np.uint8], settings: Augmentation, generator: np.random.Generator, part: _Part
) -> NDArray[np.uint8]:
    _, height, width, _ = images.shape
    flips: NDArray[np.bool_] = np.less(generator.random(part.count), settings.flip)[part.places]
    reach = settings.shift_pixels
    shifts = generator.integers(0, 2 * reach + 1, (part.count, 2))[part.places]
    if reach == 0 and not flips.any():
        return np.array(images)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge") if reach else images
    moved = np.empty_like(images)
    for index in range(len(images)):
        top, left = shifts[index]
        crop = padded[index, top : top + height, left : left + width]
        moved[index] = crop[:, ::-1] if flips[index] else crop
    return moved


def _crop(images: NDArray[np.uint8], settings: Augmentation, generator: np.random.Generator, part: _Part) -> None:
    """Keep a rectangle of some images, enlarged to the whole or with black around it."""
    if not settings.crop:
        return
    _, height, width, _ = images.shape
    for index in part.chosen(generator.random(part.count), settings.crop):
        area = generator.uniform(settings.crop_smallest, 1.0)
        ratio = _LARGEST_RATIO ** generator.uniform(-1, 1)
        tall = int(np.clip(round(height * np.sqrt(area / ratio)), 1, height))
        wide = int(np.clip(round(width * np.sqrt(area * ratio)), 1, width))
        top = int(generator.integers(0, height - tall + 1))
        left = int(generator.integers(0, width - wide + 1))
        if index is None:
            continue
        kept = images[index, top : top + tall, left : left + wide].copy()
        if settings.crop_outside == "black":
            images[index] = 0
            images[index, top : top + tall, left : left + wide] = kept
        else:
            images[index] = np.asarray(Image.fromarray(kept).resize((width, height), Image.Resampling.BILINEAR))


def _lower_resolution(
    images: NDArray[np.uint8], settings: Augmentation, generator: np.random.Generator, part: _Part
) -> None:
    """Shrink some images and enlarge them again, each way with a filter drawn for it."""
    if not settings.low_resolution:
        return
    _, height, width, _ = images.shape
    for index in part.chosen(generator.random(part.count), settings.low_resolution):
        share = generator.uniform(settings.low_resolution_smallest, 1.0)
        down, up = (_FILTERS[number] for number in generator.integers(0, len(_FILTERS), 2))
        if index is None:
            continue
        small = (max(1, int(share * width)), max(1, int(share * height)))
        images[index] = np.asarray(Image.fromarray(images[index]).resize(small, down).resize((width, height), up))


def _erase(batch: torch.Tensor, settings: Augmentation, generator: np.random.Generator, part: _Part) -> None:
    """Replace a rectangle of some images by one colour (Zhong et al., arXiv 1708.04896)."""
    _, height, width, _ = batch.shape
    largest = settings.erase_largest
    for index in part.chosen(generator.random(part.count), settings.erase):
        tall = max(1, int(height * generator.uniform(0.1, max(0.1, largest))))
        wide = max(1, int(width * generator.uniform(0.1, max(0.1, largest))))
        top = int(generator.integers(0, height - tall + 1))
        left = int(generator.integers(0, width - wide + 1))
        colour = torch.from_numpy(generator.uniform(-1, 1, 3).astype(np.float32))
        if index is not None:
            batch[index, top : top + tall, left : left + wide] = colour
