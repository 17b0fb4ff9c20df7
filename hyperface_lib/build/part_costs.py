"""The measured parts of a run besides packing: images a second, operations of networks, notebooks at their smallest."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hyperface_lib.embedding.backbones import create_backbone
from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS, IRESNET_SIZE
from hyperface_lib.synthesis.diffusers_parts import AutoencoderKL, UNet2DConditionModel

Row = dict[str, Any]
NOTEBOOKS = ("01", "02", "03", "04", "05")
_SMALL_SIZE = 64
_SMALLEST_PROFILE = "ci"

# Run in a process of its own, so that the peak of memory is that of its kernel.
_ONE_NOTEBOOK = """
import json, resource, sys
from hyperface_lib import pipeline
number, profile = sys.argv[1:]
plan = pipeline.plan_run(profile, first=number, last=number)
result = pipeline.execute_plan(plan)
if result.failed is not None:
    raise SystemExit(str(result.failed.failure))
unit = 1 if sys.platform == "darwin" else 1024
peak = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"seconds": result.seconds, "memory_bytes": peak}))
"""


def per_second(work: Callable[[], object], count: int, seconds: float) -> Row:
    """Return how many of `count` things a second `work` does, repeated for about `seconds` after a first time."""
    work()
    begun, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - begun < seconds:
        work()
        times += 1
    passed = time.perf_counter() - begun
    return {"per_second": count * times / passed, "count": count * times}


def noise_images(count: int, size: int) -> NDArray[np.uint8]:
    """Return `count` images (count, size, size, 3) of noise: what networks cost does not depend on what is shown."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def parts(quick: bool) -> dict[str, Callable[[], Row]]:
    """Return how each part is measured, by name."""
    seconds = 2.0 if quick else 10.0
    found: dict[str, Callable[[], Row]] = {}
    for size in (_SMALL_SIZE, IRESNET_SIZE):
        found[f"render {size}"] = partial(_render, size, seconds)
    for name in ("reference", "judge"):
        found[f"embed {name}"] = partial(_embed_shipped, name, seconds)
    found["embed small"] = partial(_embed_untrained, "small", _SMALL_SIZE, 256, seconds)
    found["embed iresnet50"] = partial(_embed_untrained, "iresnet50", IRESNET_SIZE, 16, seconds)
    for steps in (2, 10):
        found[f"draw reference, {steps} steps"] = partial(_draw, steps, seconds)
    for name in ("tiny", "small"):
        found[f"train {name} {_SMALL_SIZE}"] = partial(_train, name, 128, _SMALL_SIZE, 40 if quick else 200)
    for name in ("iresnet18", "iresnet50"):
        found[f"train {name} {IRESNET_SIZE}"] = partial(_train, name, 512, IRESNET_SIZE, 2 if quick else 6)
    found["write png"] = partial(_write_png, seconds)
    return found


def _render(size: int, seconds: float) -> Row:
    from hyperface_lib.faces import FaceWorld

    world, count = FaceWorld(size=size), 256
    return per_second(lambda: world.render_batch(range(1, count + 1), range(count)), count, seconds)


def _embed_shipped(name: str, seconds: float) -> Row:
    from hyperface_lib.embedding import load_embedder

    embedder, images = load_embedder(name, flip=False), noise_images(512, _SMALL_SIZE)
    return per_second(lambda: embedder.embed(images), len(images), seconds)


def _embed_untrained(name: str, size: int, count: int, seconds: float) -> Row:
    from hyperface_lib.embedding import NetworkEmbedder

    embedder = NetworkEmbedder(create_backbone(name).eval(), name, flip=False, batch_size=min(count, 64))
    images = noise_images(count, size)
    return per_second(lambda: embedder.embed(images), count, seconds)


def _draw(steps: int, seconds: float) -> Row:
    from hyperface_lib.synthesis import load_generator

    generator: Any = load_generator("reference")
    vectors = np.random.default_rng(0).standard_normal((64, generator.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = per_second(
        lambda: generator.sample(vectors, list(range(len(vectors))), steps=steps, guidance=1.5), len(vectors), seconds
    )
    return row | {"steps": steps}


def _train(name: str, dimension: int, size: int, steps: int) -> Row:
    from hyperface_lib.training import Recipe, create_trainer
    from hyperface_lib.training.callbacks import Every

    batch, count = 64, 256
    images, labels = noise_images(count, size), np.arange(count) % 32
    recipe = Recipe(architecture=name, dimension=dimension, batch_size=batch, max_steps=steps + 1)
    trainer = create_trainer(images, labels, recipe)
    times: list[float] = []
    trainer.callbacks.append(Every(1, lambda _: times.append(time.perf_counter())))
    trainer.fit()
    return {"per_second": batch * steps / (times[-1] - times[0]), "count": batch * steps}


def _write_png(seconds: float) -> Row:
    from PIL import Image

    from hyperface_lib.faces import FaceWorld

    faces = FaceWorld(size=_SMALL_SIZE).render_batch(range(1, 65), range(64))
    sizes: list[int] = []

    def write() -> None:
        for face in faces:
            file = io.BytesIO()
            Image.fromarray(face).save(file, format="png")
            sizes.append(file.tell())

    return per_second(write, len(faces), seconds) | {"bytes_per_pixel": float(np.mean(sizes)) / _SMALL_SIZE**2}


def operations(module: nn.Module, *inputs: torch.Tensor, method: str = "forward") -> int:
    """Return the operations of matrix products and convolutions in one call; on "meta" nothing is computed for it."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        getattr(module, method)(*inputs)
    return counter.get_total_flops()


def networks() -> dict[str, Callable[[], Row]]:
    """Return how operations and parameters of every network that a profile may name are counted, by name."""
    found: dict[str, Callable[[], Row]] = {"arc2face": _stable_diffusion}
    for name in ("tiny", "small", "small-judge", *IRESNET_DEPTHS):
        found[name] = partial(_backbone, name)
    return found


def _backbone(name: str) -> Row:
    with torch.device("meta"):
        backbone: Any = create_backbone(name).eval()
        done = operations(backbone, torch.empty(1, 3, backbone.image_size, backbone.image_size))
    return {"operations": done, "parameters": _size(backbone), "image_size": backbone.image_size}


def _stable_diffusion() -> Row:
    """Count the parts of Stable Diffusion 1.5 (Rombach et al. 2022), of which Arc2Face is made, at 512 pixels."""
    with torch.device("meta"):
        denoiser = UNet2DConditionModel(sample_size=64, cross_attention_dim=768).eval()
        codec = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
        ).eval()
        latent = torch.empty(1, 4, 64, 64)
        once = operations(denoiser, latent, torch.empty(1), torch.empty(1, 77, 768))
        decoding = operations(codec, latent, method="decode")
    return {
        "operations": once,
        "decoding_operations": decoding,
        "parameters": _size(denoiser) + _size(codec),
        "image_size": 512,
    }


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class SmallestRun:
    """The notebooks at the sizes of the smallest profile, one after the other, in a folder that is thrown away.

    Everything is made anew: nothing comes out of a cache.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._done: list[str] = []

    def measure(self, number: str) -> Row:
        """Return seconds, peak memory and disk of a notebook; those before it are run first where they were not.

        Raises RuntimeError when one fails.
        """
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="hyperface-costs-")
        for before in NOTEBOOKS[: NOTEBOOKS.index(number)]:
            if before not in self._done:
                self._execute(before, Path(self._folder.name))
        return self._execute(number, Path(self._folder.name))

    def _execute(self, number: str, folder: Path) -> Row:
        environment = os.environ | {"HYPERFACE_RUNS": str(folder / "runs"), "HYPERFACE_CACHE": str(folder / "cache")}
        before = _bytes_below(folder)
        command = [sys.executable, "-c", _ONE_NOTEBOOK, number, _SMALLEST_PROFILE]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(f"notebook {number} at its smallest failed: {last}")
        self._done.append(number)
        row: Row = json.loads(done.stdout.splitlines()[-1])
        return row | {"profile": _SMALLEST_PROFILE, "disk_bytes": _bytes_below(folder) - before}


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
