"""Torch networks as embedders, and the kit's own recogniser files (safetensors)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from hyperface_lib.atomic import atomic_path
from hyperface_lib.embedding.backbones import create_backbone
from hyperface_lib.embedding.devices import resolve_device
from hyperface_lib.embedding.images import Images, check_images, to_network_input
from hyperface_lib.embedding.protocol import unit_vectors

CENTRES = "class_centers"


def fingerprint_of(tensors: dict[str, Tensor]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over names, shapes and float32 values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        if not tensor.is_floating_point():
            continue
        values = tensor.detach().cpu().float().contiguous().numpy()
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


class NetworkEmbedder:
    """Embed crops with a torch backbone.

    Batches are padded to `batch_size` so that a vector does not depend on how many images came with it. With `flip`
    the raw features of an image and of its mirror image are added before normalising, the custom of the field.
    """

    def __init__(
        self,
        backbone: nn.Module,
        name: str,
        flip: bool = True,
        batch_size: int = 64,
        device: str | torch.device = "auto",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.flip = flip
        self.batch_size = batch_size
        self.device = resolve_device(device)
        self.backbone = backbone.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.dimension: int = int(backbone.dimension)  # type: ignore[arg-type]
        self.image_size: int = int(backbone.image_size)  # type: ignore[arg-type]
        self.metadata = dict(metadata or {})
        self.fingerprint = fingerprint_of(self.backbone.state_dict())

    def preprocess(self, images: Images) -> Tensor:
        """Turn uint8 crops (n, size, size, 3) into the network's input (n, 3, size, size)."""
        return to_network_input(check_images(images, self.image_size), self.device)

    def embed_raw(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return un-normalised features (n, dimension) of uint8 crops (n, size, size, 3).

        Raises ValueError or TypeError if shape or dtype are not those.
        """
        array = check_images(images, self.image_size)
        result = np.empty((len(array), self.dimension), np.float32)
        starts = range(0, len(array), self.batch_size)
        for start in tqdm(starts, disable=not progress, desc=f"embedding ({self.name})"):
            part = array[start : start + self.batch_size]
            result[start : start + len(part)] = self._one_batch(part)
        return result

    def embed(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return unit vectors (n, dimension) of uint8 crops (n, size, size, 3)."""
        return unit_vectors(self.embed_raw(images, progress))

    @torch.inference_mode()
    def _one_batch(self, part: NDArray[np.uint8]) -> NDArray[np.float32]:
        padded = np.zeros((self.batch_size, self.image_size, self.image_size, 3), np.uint8)
        padded[: len(part)] = part
        batch = to_network_input(padded, self.device)
        features = self.backbone(batch)
        if self.flip:
            mirrored = batch.flip(-1).contiguous(memory_format=torch.channels_last)
            features = features + self.backbone(mirrored)
        return features[: len(part)].float().cpu().numpy()


@dataclass(frozen=True)
class Recogniser:
    """A recogniser file's content: the backbone, the class centres it was trained with (or None), its metadata."""

    backbone: nn.Module
    class_centers: Tensor | None
    metadata: dict[str, Any] = field(default_factory=dict)


def save_recogniser(
    path: str | Path,
    backbone: nn.Module,
    class_centers: Tensor | None = None,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """Write a backbone with its metadata; matrices and kernels as float16, statistics and biases as float32.

    `class_centers` (n_classes, dimension) are stored as unit rows in float16. The file appears whole or not at all.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in backbone.state_dict().items():
        if not tensor.is_floating_point():
            continue
        dtype = torch.float16 if tensor.ndim > 1 else torch.float32
        tensors[name] = tensor.detach().cpu().to(dtype).contiguous()
    if class_centers is not None:
        unit = torch.nn.functional.normalize(class_centers.detach().cpu().float(), dim=1)
        tensors[CENTRES] = unit.to(torch.float16).contiguous()
    described: dict[str, Any] = {
        "architecture": str(backbone.architecture),
        "dimension": int(backbone.dimension),  # type: ignore[arg-type]
        "image_size": int(backbone.image_size),  # type: ignore[arg-type]
        **(metadata or {}),
    }
    target = Path(path)
    with atomic_path(target) as temporary:
        save_file(tensors, temporary, metadata={"hyperface_recogniser": json.dumps(described, sort_keys=True)})
        temporary.chmod(0o644)
    return target


def load_recogniser(path: str | Path) -> Recogniser:
    """Read a recogniser file of this kit. Raises FileNotFoundError, or ValueError naming what is wrong with it."""
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"no recogniser file at {source}")
    try:
        with safe_open(source, framework="pt") as stream:
            header = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{source} is not a readable safetensors file: {error}") from error
    if "hyperface_recogniser" not in header:
        raise ValueError(f"{source} is not a recogniser of this kit: its header has no 'hyperface_recogniser' entry")
    metadata = json.loads(header["hyperface_recogniser"])
    centres = tensors.pop(CENTRES, None)
    try:
        architecture, dimension = str(metadata["architecture"]), int(metadata["dimension"])
        image_size = int(metadata["image_size"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source}: expected a header that describes a network, found {error!r}") from error
    backbone = create_backbone(architecture, dimension=dimension, image_size=image_size)
    wanted = {name: value for name, value in backbone.state_dict().items() if value.is_floating_point()}
    missing, surplus = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or surplus:
        raise ValueError(
            f"{source} does not fit architecture {metadata['architecture']!r}: "
            f"missing {missing[:5]}, unexpected {surplus[:5]}"
        )
    backbone.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    return Recogniser(backbone.eval(), None if centres is None else centres.float(), metadata)
