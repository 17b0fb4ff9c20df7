"""A generator of random weights, small enough to draw in milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.conditioning import Conditioning
from hyperface_lib.synthesis.diffusers_parts import CodecShape, DenoiserShape, create_codec, create_denoiser
from hyperface_lib.synthesis.reference_generator import ReferenceGenerator

DIMENSION = 16
NAMES = ("yaw_degrees", "pitch_degrees", "age_years", "never_varies", "smile")
TINY_CODEC = CodecShape(widths=(16, 16, 16, 32), encoder_layers=(0, 1, 1, 1), decoder_layers=(0, 1, 1, 1))
TINY_DENOISER = DenoiserShape(widths=(32, 64), embedding_width=64, head_width=16)
DESCRIPTION = {"embedder_name": "toy", "embedder_fingerprint": "0123456789abcdef", "image_size": 64}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def unit_rows(count: int, dimension: int = DIMENSION, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def toy_nuisance(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal([0, 5, 40, 3, 0.5], [20, 8, 15, 0, 0.2], (count, len(NAMES)))
    return vectors.astype(np.float32)


@pytest.fixture(scope="session")
def conditioning() -> Conditioning:
    return Conditioning.fitted(toy_nuisance(200), NAMES, DIMENSION, bank_size=50)


@pytest.fixture(scope="session")
def make_generator(conditioning: Conditioning) -> Callable[..., ReferenceGenerator]:
    def make(batch_size: int = 4, **metadata: object) -> ReferenceGenerator:
        torch.manual_seed(0)
        denoiser = create_denoiser(conditioning.length, shape=TINY_DENOISER)
        codec = create_codec(TINY_CODEC)
        # Random weights hardly listen to their condition: make this one audible.
        with torch.no_grad():
            for layer in denoiser.class_embedding.children():
                if isinstance(layer, torch.nn.Linear):
                    layer.weight.mul_(4)
            codec.decoder.conv_out.conv.weight.mul_(2)
        return ReferenceGenerator(
            denoiser, codec, conditioning, {**DESCRIPTION, **metadata}, name="toy", device="cpu", batch_size=batch_size
        )

    return make


@pytest.fixture(scope="session")
def generator(make_generator: Callable[..., ReferenceGenerator]) -> ReferenceGenerator:
    return make_generator()


@pytest.fixture
def references() -> IdentityVectors:
    ids = [f"packed-{number}" for number in range(5)]
    return IdentityVectors(unit_rows(5), ids, DESCRIPTION["embedder_name"], DESCRIPTION["embedder_fingerprint"])
