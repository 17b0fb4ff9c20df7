"""Embedders by one line of text."""

from __future__ import annotations

from typing import Any

import torch

from hyperface_lib.assets import asset
from hyperface_lib.embedding.backbones_layouts import load_backbone
from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS
from hyperface_lib.embedding.networks import NetworkEmbedder, load_recogniser
from hyperface_lib.embedding.protocol import Embedder

SHIPPED = ("reference", "judge")
SPECIFICATIONS = (
    *SHIPPED,
    "dlib",
    *(f"{name}:PATH" for name in IRESNET_DEPTHS),
    "net:PATH",
    "onnx:PATH",
    "pack:FOLDER",
)


def load_embedder(spec: str, device: str | torch.device = "auto", flip: bool = True) -> Embedder:
    """Load an embedder: "reference", "judge", "dlib", "iresnet50:PATH", "net:PATH", "onnx:PATH" or "pack:FOLDER".

    With `flip` the features of an image and its mirror image are added. Raises ValueError for an unknown text,
    FileNotFoundError where the file is absent; both messages are one sentence.
    """
    if not isinstance(spec, str):
        raise TypeError(f"an embedder is named by text such as 'reference', found {type(spec).__name__}")
    kind, separator, path = spec.partition(":")
    if spec in SHIPPED:
        return _network(str(asset(f"recognisers/{spec}.safetensors")), spec, device, flip)
    if spec == "dlib":
        from hyperface_lib.embedding.dlib_embedder import DlibEmbedder

        dlib_embedder: Embedder = DlibEmbedder()
        return dlib_embedder
    if separator and path:
        if kind == "net":
            return _network(path, spec, device, flip)
        if kind in IRESNET_DEPTHS:
            return _iresnet(kind, path, spec, device, flip)
        if kind in ("onnx", "pack"):
            from hyperface_lib.embedding.onnx_embedder import OnnxEmbedder, load_pack

            return OnnxEmbedder(path, name=spec, flip=flip) if kind == "onnx" else load_pack(path, flip)
    raise ValueError(f"unknown embedder {spec!r}; known: {', '.join(SPECIFICATIONS)}")


def _network(path: str, name: str, device: str | torch.device, flip: bool) -> NetworkEmbedder:
    recogniser = load_recogniser(path)
    metadata: dict[str, Any] = recogniser.metadata
    return NetworkEmbedder(recogniser.backbone, name, flip=flip, device=device, metadata=metadata)


def _iresnet(kind: str, path: str, name: str, device: str | torch.device, flip: bool) -> NetworkEmbedder:
    backbone = load_backbone(path)
    if backbone.architecture != kind:
        raise ValueError(f"{path} holds an {backbone.architecture}, expected an {kind}")
    return NetworkEmbedder(backbone, name, flip=flip, batch_size=16, device=device)
