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
    "bgr:SPEC",
)
_TAKES_BGR = (*IRESNET_DEPTHS, "onnx", "pack")


def load_embedder(spec: str, device: str | torch.device = "auto", flip: bool = True) -> Embedder:
    """Load an embedder: "reference", "judge", "dlib", "iresnet50:PATH", "net:PATH", "onnx:PATH" or "pack:FOLDER".

    "bgr:" before the four kinds of others' networks is for weights that learned on BGR, as AdaFace's: images are RGB
    all the same. With `flip` the features of an image and its mirror image are added. Raises ValueError for an unknown
    text, FileNotFoundError where the file is absent; both messages are one sentence.
    """
    if not isinstance(spec, str):
        raise TypeError(f"an embedder is named by text such as 'reference', found {type(spec).__name__}")
    kind, separator, path = spec.partition(":")
    channel_order = "RGB"
    if kind == "bgr" and path.partition(":")[0] in _TAKES_BGR:
        channel_order = "BGR"
        kind, separator, path = path.partition(":")
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
            return _iresnet(kind, path, spec, device, flip, channel_order)
        if kind in ("onnx", "pack"):
            from hyperface_lib.embedding.onnx_embedder import OnnxEmbedder, load_pack

            if kind == "onnx":
                return OnnxEmbedder(path, name=spec, flip=flip, channel_order=channel_order)
            return load_pack(path, flip, channel_order)
    raise ValueError(f"unknown embedder {spec!r}; known: {', '.join(SPECIFICATIONS)}")


def _network(path: str, name: str, device: str | torch.device, flip: bool) -> NetworkEmbedder:
    recogniser = load_recogniser(path)
    metadata: dict[str, Any] = recogniser.metadata
    return NetworkEmbedder(recogniser.backbone, name, flip=flip, device=device, metadata=metadata)


def _iresnet(
    kind: str, path: str, name: str, device: str | torch.device, flip: bool, channel_order: str
) -> NetworkEmbedder:
    backbone = load_backbone(path, color_space=channel_order)
    if backbone.architecture != kind:
        raise ValueError(f"{path} holds an {backbone.architecture}, expected an {kind}")
    return NetworkEmbedder(backbone, name, flip=flip, batch_size=16, device=device)
