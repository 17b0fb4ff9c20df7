"""Margin losses: features and labels in, loss out."""

from hyperface_lib.losses.adaface import AdaFaceHead
from hyperface_lib.losses.arcface import ArcFaceHead
from hyperface_lib.losses.center import CenterHead, CenterLoss
from hyperface_lib.losses.circle import CircleHead, CirclePairHead
from hyperface_lib.losses.combined import CombinedMarginHead, combined_cosine
from hyperface_lib.losses.contrastive import ContrastiveHead
from hyperface_lib.losses.cosface import CosFaceHead
from hyperface_lib.losses.cosine_head import AngleRecord, CosineHead
from hyperface_lib.losses.curricular import CurricularFaceHead
from hyperface_lib.losses.curves import TargetCurve, target_cosine_curve, target_gradient_curve, target_logit_curve
from hyperface_lib.losses.intra_inter import Addition, InterHead, InterLoss, IntraHead, IntraLoss, WithAddition
from hyperface_lib.losses.magface import MagFaceHead
from hyperface_lib.losses.margins import add_angle, angle_of, falling_cosine, unit_rows
from hyperface_lib.losses.miners import AllMiner, HardMiner, Miner, NPairMiner, SemiHardMiner, create_miner
from hyperface_lib.losses.mining import FocalSoftmaxHead, HardMiningSoftmaxHead, MiningMarginHead
from hyperface_lib.losses.observing import ObservingHead
from hyperface_lib.losses.pairwise import TupleHead
from hyperface_lib.losses.registry import create_head, head_names, register_head
from hyperface_lib.losses.softmax import NormalisedSoftmaxHead, SoftmaxHead, smallest_scale
from hyperface_lib.losses.sphereface import SphereFaceHead
from hyperface_lib.losses.sphereface2 import SphereFace2Head
from hyperface_lib.losses.subcenter import SubCenterHead
from hyperface_lib.losses.support_vectors import (
    SupportVectorArcFaceHead,
    SupportVectorCosFaceHead,
    SupportVectorSoftmaxHead,
)
from hyperface_lib.losses.target_margin import TargetMarginHead
from hyperface_lib.losses.triplet import AngularTripletHead, TripletHead
from hyperface_lib.losses.tuplet import TupletHead

__all__ = [
    "AdaFaceHead",
    "Addition",
    "AllMiner",
    "AngleRecord",
    "AngularTripletHead",
    "ArcFaceHead",
    "CenterHead",
    "CenterLoss",
    "CircleHead",
    "CirclePairHead",
    "CombinedMarginHead",
    "ContrastiveHead",
    "CosFaceHead",
    "CosineHead",
    "CurricularFaceHead",
    "FocalSoftmaxHead",
    "HardMiner",
    "HardMiningSoftmaxHead",
    "InterHead",
    "InterLoss",
    "IntraHead",
    "IntraLoss",
    "MagFaceHead",
    "Miner",
    "MiningMarginHead",
    "NPairMiner",
    "NormalisedSoftmaxHead",
    "ObservingHead",
    "SemiHardMiner",
    "SoftmaxHead",
    "SphereFace2Head",
    "SphereFaceHead",
    "SubCenterHead",
    "SupportVectorArcFaceHead",
    "SupportVectorCosFaceHead",
    "SupportVectorSoftmaxHead",
    "TargetCurve",
    "TargetMarginHead",
    "TripletHead",
    "TupleHead",
    "TupletHead",
    "WithAddition",
    "add_angle",
    "angle_of",
    "combined_cosine",
    "create_head",
    "create_miner",
    "falling_cosine",
    "head_names",
    "register_head",
    "smallest_scale",
    "target_cosine_curve",
    "target_gradient_curve",
    "target_logit_curve",
    "unit_rows",
]
