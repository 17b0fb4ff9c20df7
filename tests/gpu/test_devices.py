"""The same results on an accelerator as on the processor; skipped where there is none (`make test-gpu`)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperface_lib.assets import data_folder

DEVICE = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE is None, reason="no accelerator here: run `make test-gpu` on a machine that has one"),
]


def needs(relative: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (data_folder() / relative).exists(), reason=f"data/{relative} is missing: `make models` makes it"
    )


@pytest.mark.parametrize("objective", ["riesz", "hinge", "log-sum-exp", "mean-nearest", "koleo", "gaussian"])
@pytest.mark.parametrize("method", ["riemannian-adam", "sgd", "minibatch-adam"])
def test_packing_reaches_the_same_angle(objective: str, method: str) -> None:
    from hyperface_lib.sphere import pack

    asked = {"use_known_codes": False, "max_steps": 200, "objective": objective, "method": method}

    def angle(device: str) -> float:
        return pack(n=200, dimension=32, device=device, **asked).min_angle_degrees  # type: ignore[arg-type]

    assert angle(str(DEVICE)) == pytest.approx(angle("cpu"), abs=0.7)


def test_a_backbone_gives_the_same_features() -> None:
    from hyperface_lib.embedding import create_backbone

    network = create_backbone("small", dimension=128).eval()
    images = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = network(images)
        found = network.to(DEVICE)(images.to(DEVICE)).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@needs("recognisers/reference.safetensors")
def test_the_shipped_recogniser_gives_the_same_vectors() -> None:
    from hyperface_lib.embedding import load_embedder

    images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    there, here = (load_embedder("reference", device=str(device)).embed(images) for device in (DEVICE, "cpu"))
    assert (there * here).sum(axis=1).min() > 0.999


@needs("generator/reference")
def test_the_generator_draws_the_same_pictures() -> None:
    from hyperface_lib.synthesis import load_generator

    vector = np.eye(4, 128, dtype=np.float32)
    seeds = [0, 1, 2, 3]
    there, here = (load_generator("reference", device=str(device)).sample(vector, seeds) for device in (DEVICE, "cpu"))
    assert np.abs(there.astype(int) - here).mean() < 2
