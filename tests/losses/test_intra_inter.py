"""Intra and inter loss are the papers' formulas, alone and on top of a head, with gradients that stay finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hyperface_lib.losses import (
    ArcFaceHead,
    InterLoss,
    IntraLoss,
    NormalisedSoftmaxHead,
    WithAddition,
    create_head,
    intra_inter,
)

DIMENSION, CLASSES = 8, 7


def make(name: str, classes: int = CLASSES, **options: object) -> WithAddition:
    torch.manual_seed(0)
    head = create_head(name, dimension=DIMENSION, classes=classes, **options)
    assert isinstance(head, WithAddition)
    return head


def batch(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, CLASSES - 2, (count,), generator=generator)
    return torch.randn(count, DIMENSION, generator=generator, dtype=torch.float64) * 3, labels


def centres_by_hand(head: nn.Module) -> np.ndarray:
    weight = head.weight.detach().double().numpy()
    return weight / np.linalg.norm(weight, axis=1, keepdims=True)


def intra_by_hand(head: nn.Module, features: torch.Tensor, labels: torch.Tensor) -> float:
    centres = centres_by_hand(head)
    x = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    return float(np.mean([math.acos(row @ centres[y]) / math.pi for row, y in zip(x, labels.tolist(), strict=True)]))


def inter_by_hand(head: nn.Module, features: torch.Tensor, labels: torch.Tensor) -> float:
    centres = centres_by_hand(head)
    others = [sum(math.acos(centres[y] @ w) for j, w in enumerate(centres) if j != y) for y in labels.tolist()]
    return -float(np.mean(others)) / (math.pi * (len(centres) - 1))


BY_HAND = {"intra": intra_by_hand, "inter": inter_by_hand}
ADDITIONS = {"intra": IntraLoss, "inter": InterLoss}
both = pytest.mark.parametrize("name", ["intra", "inter"])


@both
@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_loss_is_normalised_softmax_and_the_formula(name: str, weight: float) -> None:
    head = make(name, scale=16.0, weight=weight)
    features, labels = batch()
    features = features.float()
    plain = NormalisedSoftmaxHead(DIMENSION, CLASSES, 16.0)
    plain.load_state_dict(head.head.state_dict())
    expected = plain(features, labels).item() + weight * BY_HAND[name](head, features.double(), labels)
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-5)


@both
def test_the_addition_alone_is_the_formula_in_float64(name: str) -> None:
    head = make(name).double()
    features, labels = batch()
    alone = head.addition(head.head, features, labels).item()
    assert alone == pytest.approx(BY_HAND[name](head, features, labels), rel=1e-10)


@both
def test_it_goes_with_any_head_that_has_class_centres(name: str) -> None:
    arcface = ArcFaceHead(DIMENSION, CLASSES)
    head = WithAddition(arcface, ADDITIONS[name](), 0.5)
    features, labels = batch()
    features = features.float()
    expected = arcface(features, labels).item() + 0.5 * BY_HAND[name](arcface, features.double(), labels)
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-5)


@both
def test_gradients_are_those_of_differences(name: str) -> None:
    head = make(name).double()
    features, labels = batch(5)

    def loss(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        stand_in = nn.Module()
        stand_in.weight = weight
        return head.addition(stand_in, x, labels)

    weight = head.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (features.requires_grad_(), weight))


def test_inter_in_blocks_of_classes_is_inter_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = batch()
    results = []
    for entries in (2**21, 1, 11):
        monkeypatch.setattr(intra_inter, "BLOCK_ENTRIES", entries)
        head = make("inter").double()
        head.addition(head.head, features, labels).backward()
        results.append(head.weight.grad)
    assert torch.allclose(results[0], results[1], rtol=1e-12) and torch.allclose(results[0], results[2], rtol=1e-12)


def test_intra_descends_to_the_centre_and_inter_to_opposite_centres() -> None:
    head = make("intra").double()
    features, labels = batch()
    features = nn.functional.normalize(features).requires_grad_()
    optimiser = torch.optim.SGD([features], lr=0.3)
    for _ in range(400):
        optimiser.zero_grad()
        loss = head.addition(head.head, features, labels)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01
    two = make("inter", classes=2).double()
    optimiser = torch.optim.SGD([two.weight], lr=0.0005)
    for _ in range(400):
        optimiser.zero_grad()
        loss = two.addition(two.head, features.detach(), labels % 2)
        loss.backward()
        optimiser.step()
    # Two centres may lie opposite each other, at an angle of pi: the loss reaches its least, -1.
    assert loss.item() == pytest.approx(-1, abs=0.01)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_equal_opposite_and_zero_vectors_are_safe(name: str, dtype: torch.dtype) -> None:
    head = make(name)
    with torch.no_grad():
        head.weight[1] = head.weight[0] * 2
        head.weight[2] = -head.weight[0]
        head.weight[3] = 0
    centre = nn.functional.normalize(head.weight[0].detach(), dim=0)
    features = torch.stack([centre * 7, -centre * 7, centre * 0, centre * 1e4]).to(dtype).requires_grad_()
    loss = head(features, torch.tensor([0, 0, 3, 1]))
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(loss)
    assert torch.isfinite(features.grad).all() and torch.isfinite(head.weight.grad).all()
    assert not features.grad[2].any()


def test_the_pull_of_the_intra_loss_is_that_of_a_unit_step_of_angle_however_near_the_centre() -> None:
    # d theta / d x has length 1 / ||x||; floored sines only weaken it within 0.001 radians.
    head = make("intra").double()
    with torch.no_grad():
        head.weight[0] = torch.eye(DIMENSION, dtype=torch.float64)[0]
    for angle in (1.0, 0.1, 0.01):
        features = torch.zeros(1, DIMENSION, dtype=torch.float64)
        features[0, 0], features[0, 1] = 2 * math.cos(angle), 2 * math.sin(angle)
        features.requires_grad_()
        head.addition(head.head, features, torch.tensor([0])).backward()
        assert features.grad.norm().item() == pytest.approx(0.5 / math.pi, rel=1e-6)


@both
def test_unknown_labels_are_ignored_by_both_parts(name: str) -> None:
    head = make(name)
    features, labels = batch()
    features = features.float()
    mixed = torch.cat([features, torch.randn(3, DIMENSION)])
    unknown = torch.cat([labels, torch.full((3,), -1)])
    assert head(mixed, unknown).item() == pytest.approx(head(features, labels).item(), rel=1e-6)
    lost = torch.randn(3, DIMENSION, requires_grad=True)
    loss = head(lost, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0 and not lost.grad.any()


@both
def test_one_class_is_finite(name: str) -> None:
    head = make(name, classes=1)
    features = torch.randn(4, DIMENSION, requires_grad=True)
    loss = head(features, torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(features.grad).all()
    if name == "inter":
        assert loss.item() == pytest.approx(0, abs=1e-6)


@both
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rotating_features_and_centres_together_changes_nothing(name: str, seed: int) -> None:
    head = make(name).double()
    features, labels = batch()
    generator = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(torch.randn(DIMENSION, DIMENSION, generator=generator, dtype=torch.float64))
    before = head.addition(head.head, features, labels).item()
    with torch.no_grad():
        head.weight.copy_(head.weight @ rotation)
    assert head.addition(head.head, features @ rotation, labels).item() == pytest.approx(before, rel=1e-9)


@both
def test_everything_else_is_the_heads(name: str) -> None:
    head = make(name, scale=12.0)
    features, labels = batch()
    features = features.float()
    head(features, labels)
    assert head.angles is head.head.angles and len(head.angles.target_degrees) == len(labels)
    assert head.weight is head.head.weight and head.scale == 12.0
    assert (head.dimension, head.classes) == (DIMENSION, CLASSES)
    assert torch.equal(head.cosines(features), head.head.cosines(features))
    assert torch.equal(head.logits(features, labels), head.head.logits(features, labels))
    head.margin_fraction = 0.25
    assert head.head.margin_fraction == head.margin_fraction == 0.25
    assert [name for name, _ in head.named_parameters()] == ["head.weight"]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="weight of an addition must be 0 or above, found -1"):
        make("intra", weight=-1)
    several = nn.Module()
    several.weight = nn.Parameter(torch.randn(CLASSES, 3, DIMENSION))
    for addition in (IntraLoss(), InterLoss()):
        with pytest.raises(ValueError, match=r"class centres \(classes, dimension\), found \(7, 3, 8\)"):
            addition(several, *batch())
        with pytest.raises(ValueError, match="found none"):
            addition(nn.Identity(), *batch())
