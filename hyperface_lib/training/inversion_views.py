"""The image that is searched for: how it is held while it is searched, and the random views the network gets of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class RandomViews:
    """Random small changes of an image before every look at it; 0 turns one off.

    An image that has to be right under all of them cannot lean on single pixels of one network, so that what it shows
    carries over to other networks. Beyond the paper.
    """

    flip: float = 0.5  # probability
    shift: float = 0.03  # largest, as a share of the side
    zoom: float = 0.05  # largest, as a share
    tilt_degrees: float = 3.0  # largest
    brightness: float = 0.15  # largest, images being in [-1, 1]
    contrast: float = 0.15  # largest, as a share
    noise: float = 0.05  # standard deviation

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if not getattr(self, name) >= 0:
                raise ValueError(f"RandomViews.{name} must be 0 or more, found {getattr(self, name)!r}")
        if self.flip > 1:
            raise ValueError(f"RandomViews.flip is a probability in 0 .. 1, found {self.flip!r}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return one view of each image (n, 3, h, w), differentiable; `generator` is a CPU one."""
        if self.flip or self.shift or self.zoom or self.tilt_degrees:
            images = self._moved(images, generator)
        if self.contrast or self.brightness:
            gain = 1 + self.contrast * _between(generator, len(images))
            offset = self.brightness * _between(generator, len(images))
            images = images * _column(gain, images) + _column(offset, images)
        if self.noise:
            images = images + self.noise * torch.randn(images.shape, generator=generator).to(images.device)
        return images

    def _moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count = len(images)
        scale = 1 + self.zoom * _between(generator, count)
        angle = math.radians(self.tilt_degrees) * _between(generator, count)
        side = torch.where(torch.rand(count, generator=generator) < self.flip, -1.0, 1.0)
        place = torch.empty(count, 2, 3)
        place[:, 0, 0], place[:, 0, 1] = scale * torch.cos(angle) * side, -scale * torch.sin(angle)
        place[:, 1, 0], place[:, 1, 1] = scale * torch.sin(angle) * side, scale * torch.cos(angle)
        # The grid runs from -1 to 1: a share of the side is twice as much of it.
        place[:, :, 2] = 2 * self.shift * _between(generator, count, 2)
        grid = functional.affine_grid(place.to(images.device), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


NO_VIEWS = RandomViews(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Canvas:
    """Images (n, 3, size, size) in (-1, 1) as tanh of a sum of layers from fine to coarse, all of them searched.

    `levels` layers, each half as large as the one before, enlarged bilinearly. Coarse layers let a step change large
    areas at once: faces are smooth, single pixels are not. One level is plain pixels. Starts from normal noise whose
    sum over the levels has about the standard deviation `deviation`. Raises ValueError if the coarsest would be empty.
    """

    def __init__(
        self,
        count: int,
        size: int,
        levels: int,
        deviation: float,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        if levels < 1 or size >> (levels - 1) < 1:
            raise ValueError(f"levels must be between 1 and {size.bit_length()} for {size} pixels, found {levels}")
        self.size = size
        sides = [size >> level for level in range(levels)]
        noise = [torch.randn(count, 3, side, side, generator=generator) for side in sides]
        self.layers = [(layer * deviation / math.sqrt(levels)).to(device).requires_grad_() for layer in noise]

    def images(self) -> Tensor:
        """Return the images (n, 3, size, size), differentiable in the layers."""
        whole = self.layers[0]
        for layer in self.layers[1:]:
            enlarged = functional.interpolate(layer, size=self.size, mode="bilinear", align_corners=False)
            whole = whole + enlarged
        return torch.tanh(whole)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels of images (n, 3, h, w), down plus across."""
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return down + (images[..., 1:] - images[..., :-1]).abs().mean()


def _between(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(*shape, generator=generator) - 1


def _column(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]
