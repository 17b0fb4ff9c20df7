from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import CLASSES, DIMENSION, batch, build, derivatives_are_right, gradients, softmax_losses, unit


def pooled_by_hand(head: object, features: torch.Tensor, temperature: float | None) -> np.ndarray:
    cosines = np.einsum("nd,ckd->nck", unit(features), unit(head.weight))
    if temperature is None:
        return cosines.max(axis=2)
    shares = np.exp(cosines / temperature)
    return (shares / shares.sum(axis=2, keepdims=True) * cosines).sum(axis=2)


@pytest.mark.parametrize("temperature", [None, 0.1, 1.0])
@pytest.mark.parametrize("sub_centers", [1, 2, 3, 10])
def test_the_loss_is_the_papers_formula(sub_centers: int, temperature: float | None) -> None:
    pooling = {} if temperature is None else {"pooling": "softmax", "pooling_temperature": temperature}
    head = build("subcenter-arcface", scale=16.0, sub_centers=sub_centers, **pooling)
    assert head.weight.shape == (CLASSES, sub_centers, DIMENSION)
    features, labels = batch()
    cosines = pooled_by_hand(head, features, temperature)
    rows = np.arange(len(labels))
    cosines[rows, labels] = np.cos(np.arccos(cosines[rows, labels]) + 0.5)
    expected = softmax_losses(16.0 * cosines, labels).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("pooling", ["max", "softmax"])
def test_derivatives(pooling: str) -> None:
    head = build("subcenter-arcface", scale=8.0, pooling=pooling, regulariser_weight=0.3)
    assert derivatives_are_right(head, *batch(4))


@pytest.mark.parametrize("pooling", ["max", "softmax"])
def test_one_sub_centre_is_arcface(pooling: str) -> None:
    head, plain = build("subcenter-arcface", sub_centers=1, pooling=pooling), build("arcface")
    with torch.no_grad():
        plain.weight.copy_(head.weight[:, 0])
    ours, theirs = (gradients(each, *batch()) for each in (head, plain))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    assert torch.allclose(ours[1], theirs[1], atol=1e-12) and torch.allclose(ours[2][:, 0], theirs[2], atol=1e-12)


def test_any_margin_goes_on_top() -> None:
    margins = {"margin_factor": 1.2, "margin_radians": 0.1, "margin_cosine": 0.25, "monotonic": True}
    head, plain = build("subcenter-arcface", sub_centers=1, **margins), build("combined", **margins)
    with torch.no_grad():
        plain.weight.copy_(head.weight[:, 0])
    assert head(*batch()).item() == pytest.approx(plain(*batch()).item(), rel=1e-12)


def test_softmax_pooling_nears_the_maximum_as_its_temperature_falls_and_the_mean_as_it_rises() -> None:
    features, labels = batch()
    largest = build("subcenter-arcface")
    cold = build("subcenter-arcface", pooling="softmax", pooling_temperature=1e-4)
    hot = build("subcenter-arcface", pooling="softmax", pooling_temperature=1e4)
    assert cold(features, labels).item() == pytest.approx(largest(features, labels).item(), rel=1e-6)
    assert torch.allclose(hot.cosines(features), hot.sub_center_cosines(features).mean(dim=2), atol=1e-3)


def test_under_the_maximum_only_the_nearest_sub_centre_of_a_class_learns_from_a_sample() -> None:
    head = build("subcenter-arcface", scale=4.0)
    features, labels = batch(1)
    to_weight = gradients(head, features, labels)[2]
    moved = to_weight.abs().sum(dim=2) > 0
    assert torch.equal(moved.sum(dim=1), torch.ones(CLASSES, dtype=torch.long))
    assert torch.equal(moved.int().argmax(dim=1), head.sub_center_cosines(features)[0].argmax(dim=1))
    soft = build("subcenter-arcface", scale=4.0, pooling="softmax")
    assert (gradients(soft, features, labels)[2].abs().sum(dim=2) > 0).all()


def test_cosines_of_sub_centres_are_given_for_all_classes_and_for_the_own_class() -> None:
    head = build("subcenter-arcface")
    features, labels = batch()
    expected = np.einsum("nd,ckd->nck", unit(features), unit(head.weight))
    assert np.allclose(head.sub_center_cosines(features).detach(), expected, atol=1e-12)
    own = head.own_sub_center_cosines(features, labels)
    assert np.allclose(own.detach(), expected[np.arange(len(labels)), labels], atol=1e-12)
    with pytest.raises(ValueError, match="needs a class for every row, found labels of -1"):
        head.own_sub_center_cosines(features, torch.full_like(labels, -1))
    with pytest.raises(ValueError, match=r"labels must lie in -1 \.\. 4"):
        head.own_sub_center_cosines(features, torch.full_like(labels, 5))


def test_the_regulariser_is_the_mean_distance_of_pairs_halved_and_pulls_sub_centres_together() -> None:
    head = build("subcenter-arcface", regulariser_weight=0.2)
    features, labels = batch()
    units = unit(head.weight)
    total = sum(
        np.linalg.norm(units[c, k] - units[c, other])
        for c in range(CLASSES)
        for k in range(3)
        for other in range(k + 1, 3)
    )
    assert head.spread().item() == pytest.approx(total / (CLASSES * 3 * 2), rel=1e-12)
    without = build("subcenter-arcface")
    assert head(features, labels).item() == pytest.approx(
        without(features, labels).item() + 0.2 * head.spread().item(), rel=1e-12
    )
    optimiser = torch.optim.SGD(head.parameters(), lr=0.05)
    before = head.spread().item()
    for _ in range(50):
        optimiser.zero_grad()
        head.spread().backward()
        optimiser.step()
    assert head.spread().item() < 0.2 * before


def test_coinciding_sub_centres_are_safe_and_one_has_no_spread() -> None:
    head = build("subcenter-arcface", regulariser_weight=1.0)
    with torch.no_grad():
        head.weight.copy_(head.weight[:, :1].expand(-1, 3, -1).clone())
    assert all(torch.isfinite(part).all() for part in gradients(head, *batch())[1:])
    assert build("subcenter-arcface", sub_centers=1).spread().item() == 0


def test_maximum_pooling_agrees_with_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.SubCenterArcFaceLoss(
        num_classes=CLASSES, embedding_size=DIMENSION, margin=math.degrees(0.5), scale=64, sub_centers=3
    ).double()
    head = build("subcenter-arcface", monotonic=True)
    theirs.W.data.copy_(head.weight.detach().flatten(0, 1).T)
    features, labels = batch(40)
    loss, to_features, to_weight = gradients(head, features, labels)
    inputs = features.clone().requires_grad_()
    other = theirs(inputs, labels)
    other.backward()
    assert loss == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(to_features, inputs.grad, atol=1e-5)
    assert torch.allclose(to_weight.flatten(0, 1), theirs.W.grad.T, atol=1e-5)


def test_softmax_pooling_agrees_with_the_soft_triple_loss_of_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.SoftTripleLoss(CLASSES, DIMENSION, centers_per_class=3, la=20, gamma=0.1, margin=0.01).double()
    head = build("subcenter-arcface", scale=20.0, pooling="softmax", margin_radians=0.0, margin_cosine=0.01)
    theirs.fc.data.copy_(head.weight.detach().flatten(0, 1).T)
    features, labels = batch(40)
    assert head(features, labels).item() == pytest.approx(theirs(features, labels).item(), rel=1e-5)


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="sub_centers must be at least 1, found 0"):
        build("subcenter-arcface", sub_centers=0)
    with pytest.raises(ValueError, match="pooling must be one of max, softmax, found 'mean'"):
        build("subcenter-arcface", pooling="mean")
    with pytest.raises(ValueError, match="pooling_temperature must be above 0"):
        build("subcenter-arcface", pooling_temperature=0.0)
    with pytest.raises(ValueError, match="regulariser_weight must be a finite number of at least 0, found -1"):
        build("subcenter-arcface", regulariser_weight=-1)
