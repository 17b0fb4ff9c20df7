"""Images to unit vectors: backbones, embedders, detection and alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperface_lib.embedding.alignment import align_face
from hyperface_lib.embedding.backbones import backbone_names, create_backbone
from hyperface_lib.embedding.backbones_layouts import load_backbone
from hyperface_lib.embedding.load import load_embedder
from hyperface_lib.embedding.networks import NetworkEmbedder, Recogniser, load_recogniser, save_recogniser
from hyperface_lib.embedding.protocol import Embedder, unit_vectors
from hyperface_lib.embedding.self_test import SelfTest, self_test

if TYPE_CHECKING:
    from hyperface_lib.embedding.photographs import PhotographProblem, PhotographVectors, embed_photographs

# Names whose modules need a face detector: imported when first asked for.
_LATE = ("PhotographProblem", "PhotographVectors", "embed_photographs")

__all__ = [
    "Embedder",
    "NetworkEmbedder",
    "PhotographProblem",
    "PhotographVectors",
    "Recogniser",
    "SelfTest",
    "align_face",
    "backbone_names",
    "create_backbone",
    "embed_photographs",
    "load_backbone",
    "load_embedder",
    "load_recogniser",
    "save_recogniser",
    "self_test",
    "unit_vectors",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        from hyperface_lib.embedding import photographs

        return getattr(photographs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
