"""Center loss and the moves of its centres are the paper's formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperface_lib.losses import CenterLoss, NormalisedSoftmaxHead, WithAddition, create_head
from hyperface_lib.losses.intra_inter import class_centres

DIMENSION, CLASSES = 6, 5


def make(**options: object) -> WithAddition:
    torch.manual_seed(0)
    head = create_head("center", dimension=DIMENSION, classes=CLASSES, **options)
    assert isinstance(head, WithAddition)
    return head


def batch(seed: int = 1, count: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES - 1, (count,), generator=generator)
    return torch.randn(count, DIMENSION, generator=generator) * 3, labels


def test_loss_and_centres_follow_the_paper_over_several_batches() -> None:
    head = make(weight=0.1, centre_rate=0.3)
    softmax = create_head("softmax", dimension=DIMENSION, classes=CLASSES)
    softmax.load_state_dict(head.head.state_dict())
    centres = np.zeros((CLASSES, DIMENSION))
    for seed in range(4):
        features, labels = batch(seed)
        x, y = features.double().numpy(), labels.numpy()
        pull = np.mean([0.5 * np.sum((row - centres[label]) ** 2) for row, label in zip(x, y, strict=True)])
        expected = softmax(features, labels).item() + 0.1 * pull
        assert head(features, labels).item() == pytest.approx(expected, rel=1e-5)
        moved = centres.copy()
        for j in range(CLASSES):
            members = x[y == j]
            delta = sum((centres[j] - row for row in members), np.zeros(DIMENSION)) / (1 + len(members))
            moved[j] = centres[j] - 0.3 * delta
        centres = moved
        assert np.allclose(head.addition.centres.numpy(), centres, atol=1e-5)
    assert not centres[CLASSES - 1].any() and centres[0].any()


def test_the_gradient_is_the_offset_from_the_centre_and_does_not_reach_the_centres() -> None:
    loss = CenterLoss(DIMENSION, CLASSES).double().eval()
    features, labels = batch()
    features = features.double().requires_grad_()
    with torch.no_grad():
        loss.centres.copy_(torch.randn(CLASSES, DIMENSION))
    loss(torch.nn.Identity(), features, labels).backward()
    assert torch.allclose(features.grad, (features - loss.centres[labels]).detach() / len(labels))
    assert torch.autograd.gradcheck(lambda x: loss(torch.nn.Identity(), x, labels), (features,))
    assert not list(loss.parameters()) and list(loss.state_dict()) == ["centres"]


def test_centres_rest_while_evaluating() -> None:
    head = make().eval()
    features, labels = batch()
    first = head(features, labels).item()
    assert not head.addition.centres.any() and head(features, labels).item() == first


def test_centres_become_the_means_of_their_classes() -> None:
    loss = CenterLoss(DIMENSION, CLASSES)
    features, labels = batch(count=40)
    for _ in range(200):
        value = loss(torch.nn.Identity(), features, labels)
    means = torch.stack([features[labels == j].mean(dim=0) for j in range(CLASSES - 1)])
    assert torch.allclose(loss.centres[: CLASSES - 1], means, atol=1e-4)
    assert value.item() == pytest.approx(0.5 * (features - means[labels]).square().sum(dim=1).mean().item(), rel=1e-4)


def test_the_state_takes_the_centres_along() -> None:
    head, other = make(), make()
    features, labels = batch()
    head(features, labels)
    other.load_state_dict(head.state_dict())
    assert other(features, labels).item() == head(features, labels).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_zero_and_repeated_features_are_safe_in_any_format(dtype: torch.dtype) -> None:
    head = make()
    features = torch.stack([torch.zeros(DIMENSION), torch.ones(DIMENSION), torch.ones(DIMENSION) * 100]).to(dtype)
    features.requires_grad_()
    loss = head(features, torch.tensor([0, 1, 1]))
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(loss) and torch.isfinite(features.grad).all()
    assert torch.isfinite(head.addition.centres).all()


def test_unknown_labels_are_ignored_and_move_nothing() -> None:
    features, labels = batch()
    mixed = torch.cat([torch.randn(3, DIMENSION), features])
    unknown = torch.cat([torch.full((3,), -1), labels])
    head, other = make(), make()
    assert head(mixed, unknown).item() == pytest.approx(other(features, labels).item(), rel=1e-6)
    assert torch.equal(head.addition.centres, other.addition.centres)
    lost = torch.randn(3, DIMENSION, requires_grad=True)
    loss = make()(lost, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0 and not lost.grad.any()


def test_it_goes_with_other_heads_and_has_the_papers_defaults() -> None:
    plain = NormalisedSoftmaxHead(DIMENSION, CLASSES)
    head = WithAddition(plain, CenterLoss(DIMENSION, CLASSES), 0.5)
    features, labels = batch()
    expected = plain(features, labels).item() + 0.25 * features.square().sum(dim=1).mean().item()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-5)
    assert make().addition_weight == 0.003 and make().addition.centre_rate == 0.5
    assert class_centres(make()).shape == (CLASSES, DIMENSION)


def test_wrong_rates_are_named() -> None:
    with pytest.raises(ValueError, match=r"centre_rate must lie in 0 \.\. 1, found 2"):
        make(centre_rate=2)
