"""IResNet, the residual network of the ArcFace papers, with the parameter names of the public checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

IRESNET_SIZE = 112
IRESNET_DEPTHS: dict[str, tuple[int, int, int, int]] = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet200": (6, 26, 60, 6),
}
_WIDTHS = (64, 128, 256, 512)
_EPSILON = 1e-5


class IResNetBlock(nn.Module):
    """Batch norm, 3x3 convolution, batch norm, PReLU, 3x3 convolution (with the stride), batch norm, plus shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps=_EPSILON)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.downsample: nn.Module | None = None
        if shortcut == "subsampled":
            self.downsample = nn.MaxPool2d(1, stride)
        elif shortcut == "projected":
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, eps=_EPSILON)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride); nothing follows the sum."""
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return y + shortcut


class IResNet(nn.Module):
    """112 x 112 RGB in [-1, 1] to raw features (n, dimension) (Deng et al., arXiv 1801.07698, section 3.1).

    `first_shortcut` is "projected" in arcface_torch and "subsampled" in CVLface and AdaFace, where the first block
    keeps its width and its shortcut takes every second pixel. `reverse_channels` is for weights that learned on BGR.
    """

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        dimension: int = 512,
        dropout: float = 0.0,
        architecture: str = "",
        first_shortcut: str = "projected",
        reverse_channels: bool = False,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.dimension = dimension
        self.image_size = IRESNET_SIZE
        self.reverse_channels = reverse_channels
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0], eps=_EPSILON)
        self.prelu = nn.PReLU(_WIDTHS[0])
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], depths[0], first_shortcut)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], depths[1])
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], depths[2])
        self.layer4 = _stage(_WIDTHS[2], _WIDTHS[3], depths[3])
        self.bn2 = nn.BatchNorm2d(_WIDTHS[3], eps=_EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(_WIDTHS[3] * 7 * 7, dimension)
        self.features = nn.BatchNorm1d(dimension, eps=_EPSILON)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)
        # The last scale is held at 1: the length of the features carries no learned factor.
        nn.init.ones_(self.features.weight)
        self.features.weight.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, 112, 112) in [-1, 1] to raw features (n, dimension)."""
        if self.reverse_channels:
            images = images.flip(1)
        x = self.prelu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(torch.flatten(self.bn2(x), 1))
        return self.features(self.fc(x))


def _stage(inputs: int, outputs: int, depth: int, shortcut: str = "projected") -> nn.Sequential:
    first = IResNetBlock(inputs, outputs, 2, shortcut)
    return nn.Sequential(first, *(IResNetBlock(outputs, outputs, 1, "identity") for _ in range(depth - 1)))


def iresnet(name: str, dimension: int = 512, dropout: float = 0.0) -> IResNet:
    """Build an untrained IResNet. Raises ValueError if the name is unknown."""
    if name not in IRESNET_DEPTHS:
        raise ValueError(f"unknown IResNet {name!r}; known: {', '.join(IRESNET_DEPTHS)}")
    return IResNet(IRESNET_DEPTHS[name], dimension, dropout, name)
