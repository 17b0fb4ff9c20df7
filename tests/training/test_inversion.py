"""Inversion: the search reaches its target, leaves the network as it was, and refuses what cannot be inverted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hyperface_lib.embedding import create_backbone
from hyperface_lib.training.inversion import (
    PAPER_TERMS,
    InversionSettings,
    embedding_distance,
    invert_class,
    invert_embedding,
)
from hyperface_lib.training.inversion_prior import BatchNormPrior
from hyperface_lib.training.inversion_views import NO_VIEWS, RandomViews

FEW = InversionSettings(steps=3, batch_size=4)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A small untrained network whose statistics are those of some images, as after training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        backbone = create_backbone("tiny", dimension=16, image_size=32)
        backbone.train()
        for _ in range(30):
            coarse = torch.rand(16, 3, 4, 4) * 2 - 1
            backbone(functional.interpolate(coarse, size=32, mode="bilinear"))
    return backbone.eval()


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(1).normal(size=(4, 16))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def global_draws() -> Iterator[None]:
    """Fail if the global generator of torch moves."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state())


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("settings", [InversionSettings(), PAPER_TERMS.with_changes(learning_rate=0.1)])
def test_an_embedding_is_reached(network: nn.Module, vectors: np.ndarray, settings: InversionSettings) -> None:
    chosen = settings.with_changes(steps=60, batch_norm_weight=0.0)
    found = invert_embedding(network, vectors, chosen, progress=False)
    assert found.images.shape == (4, 32, 32, 3) and found.images.dtype == np.uint8
    assert found.cosines.min() > 0.6
    assert found.identity_losses.shape == (60,) and found.identity_losses[-1] < 0.4 * found.identity_losses[0]
    assert not found.priors.any()
    assert found.settings == chosen


def test_cosines_are_those_of_the_images_handed_back(network: nn.Module, vectors: np.ndarray) -> None:
    found = invert_embedding(network, vectors, FEW, progress=False)
    with torch.no_grad():
        features = network(torch.from_numpy(found.images).permute(0, 3, 1, 2).float() / 127.5 - 1)
    expected = functional.normalize(features.double(), dim=1) @ torch.from_numpy(vectors).double().T
    np.testing.assert_allclose(found.cosines, expected.diagonal(), atol=1e-5)


def test_a_class_is_named_against_all_others(network: nn.Module) -> None:
    centers = torch.from_numpy(np.random.default_rng(2).normal(size=(30, 16))).float()
    wanted = np.array([7, 29, 0])
    settings = InversionSettings(steps=80, batch_norm_weight=0.0)
    found = invert_class(network, centers, wanted, settings, progress=False)
    with torch.no_grad():
        features = network(torch.from_numpy(found.images).permute(0, 3, 1, 2).float() / 127.5 - 1)
    named = (functional.normalize(features, dim=1) @ functional.normalize(centers, dim=1).T).argmax(dim=1)
    assert named.tolist() == wanted.tolist()


def test_the_first_class_loss_is_arcface_by_hand(network: nn.Module) -> None:
    generator = np.random.default_rng(3)
    centers = generator.normal(size=(6, 16))
    settings = PAPER_TERMS.with_changes(steps=1, batch_norm_weight=0.0, scale=10.0, margin_radians=0.3)
    found = invert_class(network, centers, [4, 1], settings, progress=False)
    noise = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * settings.start_deviation
    with torch.no_grad():
        features = network(torch.tanh(noise)).double().numpy()
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (features, centers)]
    logits = unit[0] @ unit[1].T
    losses = []
    for row, label in zip(logits, (4, 1), strict=True):
        row[label] = np.cos(np.arccos(row[label]) + 0.3)
        losses.append(np.log(np.exp(10 * row).sum()) - 10 * row[label])
    assert found.identity_losses[0] == pytest.approx(np.mean(losses), abs=1e-4)


def test_the_prior_pulls_towards_the_statistics_of_training(network: nn.Module, vectors: np.ndarray) -> None:
    def ends(weight: float) -> tuple[float, float]:
        settings = InversionSettings(steps=60, views=NO_VIEWS, batch_norm_weight=weight)
        images = invert_embedding(network, vectors, settings, progress=False).images
        inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad(), BatchNormPrior(network) as prior:
            features = network(inputs)
            cosine = (functional.normalize(features, dim=1) * torch.from_numpy(vectors)).sum(dim=1)
            return float(prior.take()), float(cosine.mean())

    free, tied = ends(0.0), ends(50.0)
    assert tied[0] < 0.5 * free[0] and tied[1] < free[1]


def test_total_variation_smooths(network: nn.Module, vectors: np.ndarray) -> None:
    def roughness(weight: float) -> float:
        settings = InversionSettings(steps=40, batch_norm_weight=0.0, total_variation_weight=weight)
        images = invert_embedding(network, vectors, settings, progress=False).images
        return float(np.abs(np.diff(images.astype(float), axis=2)).mean())

    assert roughness(200.0) < 0.7 * roughness(0.0)


def test_a_seed_repeats_and_another_differs(network: nn.Module, vectors: np.ndarray) -> None:
    first, again, other = (
        invert_embedding(network, vectors, FEW.with_changes(seed=seed), progress=False).images for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_batches_are_equal_and_independent(network: nn.Module, vectors: np.ndarray) -> None:
    five = np.concatenate([vectors, vectors[:1]])
    whole = invert_embedding(network, five, FEW.with_changes(batch_size=3), progress=False)
    first = invert_embedding(network, five[:2], FEW.with_changes(batch_size=3), progress=False)
    assert len(whole.images) == 5
    # Five in threes are two and three: the first two do not feel the others.
    np.testing.assert_array_equal(whole.images[:2], first.images)


@pytest.mark.usefixtures("global_draws")
def test_the_network_is_left_as_it_was(network: nn.Module, vectors: np.ndarray) -> None:
    before = state(network)
    network.train()
    network.stem.eval()  # type: ignore[operator, union-attr]
    modes = [module.training for module in network.modules()]
    invert_embedding(network, vectors, FEW, progress=False)
    invert_class(network, vectors, [0, 1], FEW, progress=False)
    assert [module.training for module in network.modules()] == modes
    network.eval()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_hooks_and_modes_are_undone_after_a_failure(network: nn.Module, vectors: np.ndarray) -> None:
    network.train()

    def broken(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output * float("nan")

    handle = network.features.register_forward_hook(broken)  # type: ignore[operator, union-attr]
    with pytest.raises(ValueError, match="must stay finite, found nan at step 0"):
        invert_embedding(network, vectors, FEW.with_changes(distance="l2"), progress=False)
    handle.remove()
    assert network.training and all(module.training for module in network.modules())
    assert all(not module._forward_hooks for module in network.modules())
    network.eval()


def test_an_iresnet_is_inverted_too() -> None:
    backbone = create_backbone("iresnet18", dimension=64)
    vectors = np.eye(64, dtype=np.float32)[:1]
    found = invert_embedding(backbone, vectors, InversionSettings(steps=2), progress=False)
    assert found.images.shape == (1, 112, 112, 3)
    assert np.isfinite(found.priors).all() and (found.priors > 0).all()


def test_distances_are_those_of_unit_vectors() -> None:
    features = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert embedding_distance(features, targets, "cosine").tolist() == pytest.approx([0, 1, 1 - 0.5**0.5], abs=1e-6)
    apart = torch.stack([functional.normalize(row, dim=0) for row in features]).float() - targets
    assert embedding_distance(features, targets, "l2")[1:].tolist() == pytest.approx(apart.norm(dim=1)[1:].tolist())
    arrived = torch.tensor([[2.0, 0.0]], requires_grad=True)
    embedding_distance(arrived, targets[:1], "l2").sum().backward()
    assert torch.isfinite(arrived.grad).all()
    with pytest.raises(ValueError, match="cosine, l2, found 'l1'"):
        embedding_distance(features, targets, "l1")


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((2, 16)), "length 1, found lengths from 4"),
        (np.eye(12), r"vectors must be \(n, 16\) for this network, found \(12, 12\)"),
        (np.eye(16)[0], r"found \(16,\)"),
        (np.empty((0, 16)), r"found \(0, 16\)"),
        (np.full((1, 16), np.nan), "finite"),
    ],
)
def test_wrong_vectors_are_named(network: nn.Module, vectors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert_embedding(network, vectors, FEW, progress=False)


@pytest.mark.parametrize(
    ("centers", "classes", "message"),
    [
        (np.eye(16), [16], r"0 \.\. 15, as many as there are centres, found 16 \.\. 16"),
        (np.eye(16), [-1, 3], r"found -1 \.\. 3"),
        (np.eye(16), [0.5], "row of integers, found float64"),
        (np.eye(16), [], "non-empty"),
        (np.eye(12), [0], r"class_centers must be \(n, 16\)"),
    ],
)
def test_wrong_classes_are_named(network: nn.Module, centers: np.ndarray, classes: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert_class(network, centers, classes, FEW, progress=False)


class WithoutNorm(nn.Module):
    dimension, image_size = 4, 8

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3 * 8 * 8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.project(images.flatten(1))


def test_a_network_without_batch_norm_needs_a_prior_of_0() -> None:
    target = np.eye(4, dtype=np.float32)[:2]
    few = FEW.with_changes(levels=2)
    with pytest.raises(ValueError, match="found none in WithoutNorm; set batch_norm_weight to 0"):
        invert_embedding(WithoutNorm(), target, few, progress=False)
    settings = few.with_changes(batch_norm_weight=0.0, steps=40)
    assert invert_embedding(WithoutNorm(), target, settings, progress=False).cosines.min() > 0.8


def test_a_network_that_does_not_say_its_size_is_named() -> None:
    with pytest.raises(ValueError, match="Sequential lacks dimension and image_size"):
        invert_embedding(nn.Sequential(nn.Linear(3, 3)), np.eye(3), FEW, progress=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"levels": 0},
        {"learning_rate": 0.0},
        {"scale": -1.0},
        {"start_deviation": 0.0},
        {"batch_norm_weight": -0.1},
        {"total_variation_weight": float("nan")},
        {"distance": "l1"},
    ],
)
def test_impossible_settings_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must be"):
        InversionSettings(**changes)  # type: ignore[arg-type]


def test_the_paper_s_terms_are_without_what_goes_beyond() -> None:
    assert PAPER_TERMS.levels == 1 and PAPER_TERMS.views == NO_VIEWS and PAPER_TERMS.total_variation_weight == 0
    assert PAPER_TERMS.batch_norm_weight == 0.05 and RandomViews() != NO_VIEWS
