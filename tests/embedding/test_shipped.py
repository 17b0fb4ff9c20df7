"""The shipped recognisers: what they say of themselves is so, and they know people they have never seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperface_lib.assets import asset
from hyperface_lib.embedding import load_embedder, load_recogniser
from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, identity_seeds, nuisance_seed

PEOPLE, SAMPLES = 24, 3


@pytest.fixture(scope="module", params=["reference", "judge"])
def name(request: pytest.FixtureRequest) -> str:
    try:
        asset(f"recognisers/{request.param}.safetensors")
        asset("head/head.npz")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    return str(request.param)


def test_a_shipped_file_is_small_and_of_this_renderer(name: str) -> None:
    path = asset(f"recognisers/{name}.safetensors")
    recogniser = load_recogniser(path)
    assert path.stat().st_size <= 3_000_000
    assert recogniser.metadata["renderer_version"] == RENDERER_VERSION
    assert recogniser.metadata["dimension"] == 128 and recogniser.metadata["image_size"] == 64
    assert all(torch.isfinite(value).all() for value in recogniser.backbone.state_dict().values())


def test_the_reference_ships_the_centres_of_its_first_people(name: str) -> None:
    centers = load_recogniser(asset(f"recognisers/{name}.safetensors")).class_centers
    if name == "judge":
        assert centers is None
        return
    assert centers is not None and centers.shape[1] == 128 and len(centers) >= 3000
    assert torch.allclose(centers.norm(dim=1), torch.ones(len(centers)), atol=2e-3)
    seeds = identity_seeds("reference", PEOPLE)
    images = FaceWorld(64).render_batch(seeds, [nuisance_seed(seed, 0) for seed in seeds], workers=1, profile="mild")
    nearest = (torch.from_numpy(load_embedder(name, device="cpu").embed(images)) @ centers.T).topk(10).indices
    found = (nearest == torch.arange(PEOPLE)[:, None]).any(dim=1).float().mean()
    assert found > 0.8


def test_people_never_seen_are_told_apart(name: str) -> None:
    seeds = identity_seeds("validation", PEOPLE, start=5000)
    who = [seed for seed in seeds for _ in range(SAMPLES)]
    how = [nuisance_seed(seed, sample) for seed in seeds for sample in range(SAMPLES)]
    images = FaceWorld(64).render_batch(who, how, workers=1, profile="mild")
    vectors = load_embedder(name, device="cpu").embed(images)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert (np.array(who)[cosines.argmax(axis=1)] == np.array(who)).mean() > 0.8


def test_reference_and_judge_are_two_networks() -> None:
    try:
        reference, judge = load_embedder("reference"), load_embedder("judge")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    assert reference.fingerprint != judge.fingerprint
