from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import ArcFaceHead, create_head, head_names, register_head

DIMENSION, CLASSES = 8, 5


def make(name: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_head(name, dimension=DIMENSION, classes=CLASSES, **options)


def batch(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(count, DIMENSION, generator=generator) * 3
    return features, torch.arange(count) % CLASSES


def loss_by_hand(head: torch.nn.Module, features: torch.Tensor, labels: torch.Tensor, target: object) -> float:
    """Average cross-entropy in numpy float64, straight from the formula."""
    x = features.detach().double().numpy()
    w = head.weight.detach().double().numpy()
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    losses = []
    for row, label in zip(cosines, labels.tolist(), strict=True):
        logits = head.scale * row
        logits[label] = head.scale * target(math.acos(row[label]))  # type: ignore[operator]
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label])
    return float(np.mean(losses))


@pytest.mark.parametrize(
    ("name", "options", "target"),
    [
        ("norm-softmax", {}, math.cos),
        ("arcface", {"margin_radians": 0.5}, lambda angle: math.cos(angle + 0.5)),
        ("arcface", {"margin_radians": 0.0}, math.cos),
        ("cosface", {"margin_cosine": 0.35}, lambda angle: math.cos(angle) - 0.35),
    ],
)
def test_loss_is_the_papers_formula(name: str, options: dict[str, float], target: object) -> None:
    head = make(name, scale=16.0, **options)
    features, labels = batch()
    assert head(features, labels).item() == pytest.approx(loss_by_hand(head, features, labels, target), rel=1e-5)


def test_arcface_agrees_with_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    theirs = losses.ArcFaceLoss(CLASSES, DIMENSION, margin=math.degrees(0.5), scale=64)
    ours = make("arcface", scale=64.0, margin_radians=0.5, monotonic=True)
    with torch.no_grad():
        theirs.W.copy_(ours.weight.T)
    features, labels = batch(30)
    mine, yours = features.clone().requires_grad_(), features.clone().requires_grad_()
    first, second = ours(mine, labels), theirs(yours, labels)
    assert first.item() == pytest.approx(second.item(), rel=1e-5)
    first.backward()
    second.backward()
    assert torch.allclose(mine.grad, yours.grad, atol=1e-4)


@pytest.mark.parametrize("name", ["norm-softmax", "arcface", "cosface"])
def test_gradient_of_features_and_centres_is_that_of_differences(name: str) -> None:
    head = make(name, scale=4.0)
    features, labels = batch(4)
    direction = torch.randn_like(features)
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(head(features, labels), features)
    step = 1e-2
    with torch.no_grad():
        change = head(features + step * direction, labels) - head(features - step * direction, labels)
    assert (gradient * direction).sum().item() == pytest.approx(change.item() / (2 * step), rel=0.02, abs=1e-3)


def test_detached_gradient_changes_the_gradient_and_not_the_loss() -> None:
    features, labels = batch()
    values, gradients = [], []
    for mode in ("exact", "detached"):
        head = make("arcface", scale=8.0, gradient=mode)
        x = features.clone().requires_grad_()
        loss = head(x, labels)
        loss.backward()
        values.append(loss.item())
        gradients.append(x.grad)
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    assert not torch.allclose(gradients[0], gradients[1], atol=1e-4)


def test_for_cosface_detached_and_exact_are_the_same() -> None:
    features, labels = batch()
    gradients = []
    for mode in ("exact", "detached"):
        x = features.clone().requires_grad_()
        make("cosface", gradient=mode)(x, labels).backward()
        gradients.append(x.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


@pytest.mark.parametrize("name", ["norm-softmax", "arcface", "cosface"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_features_on_opposite_to_and_at_the_centre_of_the_sphere_are_safe(name: str, dtype: torch.dtype) -> None:
    head = make(name)
    with torch.no_grad():
        centre = torch.nn.functional.normalize(head.weight[0], dim=0)
    features = torch.stack([centre * 7, -centre * 7, centre * 0, centre * 1e4]).to(dtype).requires_grad_()
    loss = head(features, torch.tensor([0, 0, 0, 0]))
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(loss)
    assert torch.isfinite(features.grad).all() and torch.isfinite(head.weight.grad).all()
    assert torch.equal(features.grad[2], torch.zeros_like(features.grad[2]))


def test_autocast_does_not_lower_the_precision_of_the_margin() -> None:
    head = make("arcface")
    features, labels = batch()
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(features, labels)
    assert inside.item() == pytest.approx(head(features, labels).item(), rel=1e-6)


def test_unknown_labels_are_ignored() -> None:
    head = make("arcface")
    features, labels = batch()
    mixed = torch.cat([features, torch.randn(3, DIMENSION)])
    unknown = torch.cat([labels, torch.full((3,), -1)])
    assert head(mixed, unknown).item() == pytest.approx(head(features, labels).item(), rel=1e-6)


def test_a_batch_of_unknown_labels_has_loss_zero_and_zero_gradient() -> None:
    head = make("arcface")
    features = torch.randn(3, DIMENSION, requires_grad=True)
    loss = head(features, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0 and not features.grad.any()


def test_one_class_has_loss_zero() -> None:
    head = create_head("arcface", dimension=DIMENSION, classes=1)
    assert head(torch.randn(4, DIMENSION), torch.zeros(4, dtype=torch.long)).item() == pytest.approx(0, abs=1e-6)
    assert len(head.angles.nearest_other_degrees) == 0


def test_the_margin_raises_the_loss_and_its_fraction_scales_it() -> None:
    head = make("arcface", scale=16.0)
    features, labels = batch()
    losses = []
    for fraction in (0.0, 0.5, 1.0):
        head.margin_fraction = fraction
        losses.append(head(features, labels).item())
    assert losses[0] < losses[1] < losses[2]
    assert losses[0] == pytest.approx(make("norm-softmax", scale=16.0)(features, labels).item(), rel=1e-6)


def test_angles_are_recorded_in_degrees() -> None:
    head = ArcFaceHead(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 5.0]]))
    head(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1]))
    assert torch.allclose(head.angles.target_degrees, torch.tensor([0.0, 45.0]), atol=0.1)
    assert torch.allclose(head.angles.nearest_other_degrees, torch.tensor([90.0, 45.0]), atol=0.1)


def test_wrong_shapes_and_labels_are_named() -> None:
    head = make("arcface")
    with pytest.raises(ValueError, match=r"features must be \(n, 8\), found \(2, 7\)"):
        head(torch.randn(2, 7), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"labels must be \(2,\)"):
        head(torch.randn(2, 8), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"labels must lie in -1 \.\. 4, found 0 \.\. 5"):
        head(torch.randn(2, 8), torch.tensor([0, 5]))


def test_unknown_names_options_and_values_are_refused_with_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"unknown head 'arcfase'.*arcface.*cosface"):
        make("arcfase")
    with pytest.raises(ValueError, match=r"no option margin; its options: .*margin_radians"):
        make("arcface", margin=0.5)
    with pytest.raises(ValueError, match="gradient must be 'exact' or 'detached', found 'none'"):
        make("arcface", gradient="none")
    with pytest.raises(ValueError, match="margin_radians must lie in"):
        make("arcface", margin_radians=28.6)
    with pytest.raises(ValueError, match="scale must be above 0"):
        make("norm-softmax", scale=0.0)
    with pytest.raises(ValueError, match="classes >= 1"):
        create_head("arcface", dimension=4, classes=0)


def test_a_registered_head_is_created_by_its_name_and_names_are_not_taken_twice() -> None:
    name = "registered-for-a-test"
    register_head(name, lambda dimension, classes, scale=1.0: ArcFaceHead(dimension, classes, scale))
    assert name in head_names()
    assert create_head(name, dimension=3, classes=2, scale=2.0).scale == 2.0
    with pytest.raises(ValueError, match="registered already"):
        register_head("arcface", lambda: torch.nn.Identity())
