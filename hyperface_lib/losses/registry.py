"""Names of the heads: `create_head` builds one by name and says what it accepts when a name is wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from hyperface_lib.losses.adaface import AdaFaceHead
from hyperface_lib.losses.arcface import ArcFaceHead
from hyperface_lib.losses.center import CenterHead
from hyperface_lib.losses.circle import CircleHead, CirclePairHead
from hyperface_lib.losses.combined import CombinedMarginHead
from hyperface_lib.losses.contrastive import ContrastiveHead
from hyperface_lib.losses.cosface import CosFaceHead
from hyperface_lib.losses.curricular import CurricularFaceHead
from hyperface_lib.losses.intra_inter import InterHead, IntraHead
from hyperface_lib.losses.magface import MagFaceHead
from hyperface_lib.losses.mining import FocalSoftmaxHead, HardMiningSoftmaxHead, MiningMarginHead
from hyperface_lib.losses.softmax import NormalisedSoftmaxHead, SoftmaxHead
from hyperface_lib.losses.sphereface import SphereFaceHead
from hyperface_lib.losses.sphereface2 import SphereFace2Head
from hyperface_lib.losses.subcenter import SubCenterHead
from hyperface_lib.losses.support_vectors import (
    SupportVectorArcFaceHead,
    SupportVectorCosFaceHead,
    SupportVectorSoftmaxHead,
)
from hyperface_lib.losses.triplet import AngularTripletHead, TripletHead
from hyperface_lib.losses.tuplet import TupletHead

HeadBuilder = Callable[..., nn.Module]

_HEADS: dict[str, HeadBuilder] = {
    "softmax": SoftmaxHead,
    "norm-softmax": NormalisedSoftmaxHead,
    "sphereface": SphereFaceHead,
    "cosface": CosFaceHead,
    "arcface": ArcFaceHead,
    "combined": CombinedMarginHead,
    "subcenter-arcface": SubCenterHead,
    "hm-softmax": HardMiningSoftmaxHead,
    "focal": FocalSoftmaxHead,
    "mining-margin": MiningMarginHead,
    "sv-softmax": SupportVectorSoftmaxHead,
    "sv-am": SupportVectorCosFaceHead,
    "sv-arc": SupportVectorArcFaceHead,
    "curricular": CurricularFaceHead,
    "adaface": AdaFaceHead,
    "magface": MagFaceHead,
    "sphereface2": SphereFace2Head,
    "circle": CircleHead,
    "circle-pairs": CirclePairHead,
    "center": CenterHead,
    "intra": IntraHead,
    "inter": InterHead,
    "triplet": TripletHead,
    "angular-triplet": AngularTripletHead,
    "tuplet": TupletHead,
    "contrastive": ContrastiveHead,
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
