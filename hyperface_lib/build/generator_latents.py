"""What the denoiser learns from: every picture, encoded by the codec and by the reference recogniser."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file

from hyperface_lib.atomic import atomic_path
from hyperface_lib.build.generator_codec import encode_images
from hyperface_lib.synthesis.diffusers_parts import Codec

_ROWS = 4096


def write_latents(target: Path, images: NDArray[np.uint8], codec: Codec, reference: Any, log: logging.Logger) -> None:
    """Write the latents and the vectors of pictures (n, size, size, 3), unless they are there already.

    The file says of which codec and recogniser they are; those of others are made anew.
    """
    described = {
        "embedder_fingerprint": reference.fingerprint,
        "pictures": len(images),
        "codec": _sum(codec),
    }
    if target.exists() and _described(target) == described:
        log.info("latents: they are there")
        return
    started = time.time()
    latents = encode_images(codec, images) * codec.config.scaling_factor
    parts = [images[start : start + _ROWS] for start in range(0, len(images), _ROWS)]
    vectors = torch.from_numpy(np.concatenate([reference.embed(np.array(part)) for part in parts]))
    with atomic_path(target) as temporary:
        save_file(
            {"latents": latents.contiguous(), "vectors": vectors},
            temporary,
            metadata={"described": json.dumps(described)},
        )
    speed = len(images) / (time.time() - started)
    log.info("latents: %d pictures, %.0f img/s, spread %.3f", len(images), speed, latents.std())


def _sum(codec: Codec) -> float:
    """Tell codecs apart by the sum of their weights and their scale."""
    return round(
        float(sum(p.detach().double().abs().sum() for p in codec.parameters())) * codec.config.scaling_factor, 6
    )


def _described(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as opened:
        return json.loads((opened.metadata() or {}).get("described", "{}"))
