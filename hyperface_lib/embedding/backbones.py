"""Backbones by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS, IRESNET_SIZE, iresnet
from hyperface_lib.embedding.small import small, small_judge, tiny

_SMALL: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "small": (small, 128),
    "small-judge": (small_judge, 128),
    "tiny": (tiny, 64),
}


def backbone_names() -> tuple[str, ...]:
    """Return the names `create_backbone` knows."""
    return (*IRESNET_DEPTHS, *_SMALL)


def create_backbone(
    name: str, dimension: int | None = None, dropout: float = 0.0, image_size: int | None = None
) -> nn.Module:
    """Build an untrained backbone: float RGB (n, 3, size, size) in [-1, 1] to raw features (n, dimension).

    It has `.architecture`, `.dimension` and `.image_size`. `dimension` defaults to 512 for IResNets, else to the
    network's own, `image_size` to 112 pixels for IResNets, which take no other, and to 64 for the small networks.
    Raises ValueError if the name is unknown or the size does not fit.
    """
    if name in IRESNET_DEPTHS:
        if image_size not in (None, IRESNET_SIZE):
            raise ValueError(f"{name} takes images of {IRESNET_SIZE} pixels, found {image_size}")
        return iresnet(name, dimension=dimension or 512, dropout=dropout)
    if name in _SMALL:
        builder, default = _SMALL[name]
        return builder(dimension=dimension or default, dropout=dropout, image_size=image_size or 64)
    raise ValueError(f"unknown backbone {name!r}; known: {', '.join(backbone_names())}")
