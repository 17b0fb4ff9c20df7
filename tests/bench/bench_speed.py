"""How fast the parts are on this machine: `make bench`. Prints; asserts nothing about time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from hyperface_lib.assets import data_folder


def seconds_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of several times; the first call, which compiles and loads, is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def needs(relative: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (data_folder() / relative).exists(), reason=f"data/{relative} is missing: `make models` makes it"
    )


@needs("head/head.npz")
@pytest.mark.parametrize("size", [64, 112])
def test_renderer(size: int) -> None:
    from hyperface_lib.faces import FaceWorld

    world = FaceWorld(size=size)
    count = 192
    seconds = seconds_of(lambda: world.render_batch(range(1, count + 1), range(count), workers=1))
    print(f"\nrenderer, {size} pixels, one process: {count / seconds:.0f} images a second")


@pytest.mark.parametrize("name", ["reference", "judge"])
def test_embedder(name: str) -> None:
    if not (data_folder() / "recognisers" / f"{name}.safetensors").is_file():
        pytest.skip(f"data/recognisers/{name}.safetensors is missing: `make models` trains it")
    from hyperface_lib.embedding import load_embedder

    embedder = load_embedder(name)
    images = np.random.default_rng(0).integers(0, 256, (512, 64, 64, 3), dtype=np.uint8)
    print(f"\nembedder {name}: {len(images) / seconds_of(lambda: embedder.embed(images)):.0f} images a second")


@needs("generator/reference")
def test_generator() -> None:
    from hyperface_lib.synthesis import load_generator

    generator = load_generator("reference")
    vectors = np.random.default_rng(0).standard_normal((128, generator.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seconds = seconds_of(lambda: generator.sample(vectors, list(range(len(vectors)))), repeats=1)
    print(f"\ngenerator, 10 steps: {len(vectors) / seconds:.0f} images a second")
