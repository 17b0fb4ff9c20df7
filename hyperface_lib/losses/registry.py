"""Names of the heads: `create_head` builds one by name and says what it accepts when a name is wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from hyperface_lib.losses.arcface import ArcFaceHead, CosFaceHead, NormalisedSoftmaxHead

HeadBuilder = Callable[..., nn.Module]

_HEADS: dict[str, HeadBuilder] = {
    "norm-softmax": NormalisedSoftmaxHead,
    "arcface": ArcFaceHead,
    "cosface": CosFaceHead,
}


def register_head(name: str, builder: HeadBuilder) -> None:
    """Make `create_head(name, ...)` call `builder`. Raises ValueError if the name is taken."""
    if name in _HEADS and _HEADS[name] is not builder:
        raise ValueError(f"a head named {name!r} is registered already")
    _HEADS[name] = builder


def head_names() -> tuple[str, ...]:
    """Return the names `create_head` knows, sorted."""
    return tuple(sorted(_HEADS))


def create_head(name: str, *, dimension: int, classes: int, **options: object) -> nn.Module:
    """Build the head `name`; head(features (n, dimension), labels (n,)) returns the mean loss.

    Raises ValueError if the name or an option is unknown; the message lists what is known.
    """
    if name not in _HEADS:
        raise ValueError(f"unknown head {name!r}; known heads: {', '.join(head_names())}")
    builder = _HEADS[name]
    known = [key for key in inspect.signature(builder).parameters if key not in ("dimension", "classes")]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(f"head {name!r} has no option {', '.join(unknown)}; its options: {', '.join(known)}")
    return builder(dimension=dimension, classes=classes, **options)
