"""One set of margins for all losses, and which loss reads which of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from hyperface_lib.losses import create_head

# What each loss reads from the settings; everything else is its paper's own.
OPTIONS: dict[str, tuple[str, ...]] = {
    "softmax": (),
    "norm-softmax": ("scale",),
    "sphereface": ("scale", "margin_factor", "softmax_share", "gradient"),
    "cosface": ("scale", "margin_cosine"),
    "arcface": ("scale", "margin_radians", "gradient", "monotonic"),
    "combined": ("scale", "margin_radians", "margin_cosine", "gradient", "monotonic"),
    "subcenter-arcface": ("scale", "margin_radians", "gradient", "monotonic"),
    "hm-softmax": ("scale",),
    "focal": ("scale",),
    "mining-margin": ("scale", "margin_radians", "gradient", "monotonic"),
    "sv-softmax": ("scale", "t"),
    "sv-am": ("scale", "margin_cosine", "t"),
    "sv-arc": ("scale", "margin_radians", "t", "gradient", "monotonic"),
    "curricular": ("scale", "margin_radians", "gradient", "monotonic"),
    "adaface": ("scale", "margin_radians", "gradient"),
    "magface": ("scale", "gradient", "monotonic"),
    "sphereface2": ("scale", "margin_cosine", "gradient"),
    "circle": ("scale", "margin_cosine", "gradient"),
}


@dataclass(frozen=True)
class MarginSettings:
    """What the sliders hold: scale s, a margin in each of its units, the emphasis t, and how gradients pass.

    `margin_radians` is added to an angle (ArcFace), `margin_cosine` taken from a cosine (CosFace), `margin_factor`
    multiplies an angle (SphereFace), `t` weighs support vectors (SV-Softmax). `softmax_share` is SphereFace's lambda
    held still: how many parts of plain softmax are mixed with one part of its margin.
    """

    scale: float = 64.0
    margin_radians: float = 0.5
    margin_cosine: float = 0.35
    margin_factor: float = 1.7
    softmax_share: float = 0.0
    t: float = 1.2
    gradient: str = "exact"
    monotonic: bool = False

    def options(self, name: str) -> dict[str, Any]:
        """Return the options of the loss `name`. Raises ValueError for one that no explorer shows."""
        if name not in OPTIONS:
            raise ValueError(f"loss must be one of {', '.join(OPTIONS)}, found {name!r}")
        options = {option: getattr(self, option) for option in OPTIONS[name]}
        if "softmax_share" in options:
            options |= {"lambda_base": 0.0, "lambda_minimum": options.pop("softmax_share")}
        return options

    def head(self, name: str, dimension: int = 2, classes: int = 8) -> nn.Module:
        """Build the loss `name` with these settings."""
        return create_head(name, dimension=dimension, classes=classes, **self.options(name))
