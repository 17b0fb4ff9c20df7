"""Two small recognisers for 64-pixel crops, one for use and one to judge it by.

They differ in stem, depth and activation on purpose: what one learns by accident the other should not share.
Batch normalisation is everywhere, since reconstructing images from a network's statistics needs it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    pool: nn.Module = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the activation follows the first convolution and the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(y)) + self.shortcut(x))


class SmallNet(nn.Module):
    """A residual network of about a million parameters: square RGB crops in [-1, 1] to raw features (n, dimension).

    Made for 64 pixels; sides are multiples of 16 from 32 to 256, and ValueError is raised for any other.
    """

    def __init__(
        self,
        dimension: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        stem_kernel: int,
        stem_stride: int,
        first_stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        image_size: int = 64,
        architecture: str = "small",
    ) -> None:
        super().__init__()
        if image_size % 16 or not 32 <= image_size <= 256:
            raise ValueError(f"{architecture}: image_size must be a multiple of 16 from 32 to 256, found {image_size}")
        self.architecture = architecture
        self.dimension = dimension
        self.image_size = image_size
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], stem_kernel, stem_stride, stem_kernel // 2, bias=False),
            nn.BatchNorm2d(widths[0]),
            activation(),
        )
        blocks: list[nn.Module] = []
        channels, side = widths[0], image_size // stem_stride
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for index in range(depth):
                stride = (first_stride if stage == 0 else 2) if index == 0 else 1
                blocks.append(ResidualBlock(channels, width, stride, activation))
                channels, side = width, side // stride
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(channels * side * side, dimension, bias=False)
        self.features = nn.BatchNorm1d(dimension)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, image_size, image_size) in [-1, 1] to raw features (n, dimension)."""
        x = self.blocks(self.stem(images))
        return self.features(self.project(self.dropout(torch.flatten(x, 1))))


def small(dimension: int = 128, dropout: float = 0.0, image_size: int = 64) -> SmallNet:
    """Build the network of the reference recogniser: 5x5 stem of stride 2, three stages at 16, 8 and 4 pixels."""
    return SmallNet(
        dimension,
        widths=(32, 64, 128),
        depths=(1, 2, 2),
        stem_kernel=5,
        stem_stride=2,
        first_stride=2,
        dropout=dropout,
        image_size=image_size,
        architecture="small",
    )


def small_judge(dimension: int = 128, dropout: float = 0.0, image_size: int = 64) -> SmallNet:
    """Build the network of the judge: 7x7 stem of stride 4, two blocks a stage, a smooth activation."""
    return SmallNet(
        dimension,
        widths=(32, 64, 128),
        depths=(2, 2, 2),
        stem_kernel=7,
        stem_stride=4,
        activation=nn.SiLU,
        dropout=dropout,
        image_size=image_size,
        architecture="small-judge",
    )


def tiny(dimension: int = 64, dropout: float = 0.0, image_size: int = 64) -> SmallNet:
    """Build a network that learns in seconds, for teaching."""
    return SmallNet(
        dimension,
        widths=(16, 32, 64),
        depths=(1, 1, 1),
        stem_kernel=7,
        stem_stride=4,
        dropout=dropout,
        image_size=image_size,
        architecture="tiny",
    )
