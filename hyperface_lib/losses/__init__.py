"""Margin losses: features and labels in, loss out."""

from hyperface_lib.losses.arcface import ArcFaceHead, CosFaceHead, NormalisedSoftmaxHead, TargetMarginHead
from hyperface_lib.losses.cosine_head import AngleRecord, CosineHead
from hyperface_lib.losses.margins import add_angle, unit_rows
from hyperface_lib.losses.registry import create_head, head_names, register_head

__all__ = [
    "AngleRecord",
    "ArcFaceHead",
    "CosFaceHead",
    "CosineHead",
    "NormalisedSoftmaxHead",
    "TargetMarginHead",
    "add_angle",
    "create_head",
    "head_names",
    "register_head",
    "unit_rows",
]
