"""What holds for every head with class centres, whatever its loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hyperface_lib.losses import CosineHead, create_head, head_names

from .by_hand import CLASSES, DIMENSION, batch, build

ALL = [name for name in head_names() if isinstance(create_head(name, dimension=2, classes=2), CosineHead)]
MARGINS = [
    name for name in ALL if hasattr(create_head(name, dimension=2, classes=2), "gradient") and name != "sphereface"
]
REMEMBERING = {"curricular": ["t"], "adaface": ["norm_mean", "norm_spread"], "sphereface": ["iteration"]}
# Every head as it comes, and the options that change its arithmetic.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ALL),
    *((name, {"gradient": "detached"}) for name in MARGINS),
    ("circle", {"gradient": "exact"}),
    ("arcface", {"monotonic": True}),
    ("arcface", {"monotonic": True, "gradient": "detached"}),
    ("combined", {"margin_factor": 1.5, "monotonic": True}),
    ("combined", {"margin_factor": 0.9, "margin_radians": -0.4, "margin_cosine": 0.15}),
    ("sphereface", {"lambda_base": 0.0, "lambda_minimum": 0.0}),
    ("sphereface", {"margin_factor": 1.7, "lambda_base": 0.0, "lambda_minimum": 0.0, "gradient": "detached"}),
    ("subcenter-arcface", {"pooling": "softmax"}),
    ("subcenter-arcface", {"sub_centers": 1, "regulariser_weight": 0.1}),
    ("mining-margin", {"mining": "hard"}),
    ("sv-arc", {"monotonic": True}),
    ("curricular", {"monotonic": True}),
    ("adaface", {"monotonic": False}),
    ("magface", {"monotonic": True}),
    ("softmax", {"scale": 30.0, "learnable_scale": True}),
    ("norm-softmax", {"learnable_scale": True}),
]
EVERY_VARIANT = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=["-".join([name, *map(str, options.values())]) for name, options in VARIANTS]
)
EVERY_HEAD = pytest.mark.parametrize("name", ALL)


def make(name: str, dimension: int = DIMENSION, classes: int = CLASSES, **options: Any) -> Any:
    torch.manual_seed(0)
    return create_head(name, dimension=dimension, classes=classes, **options)


def first_centres(head: Any) -> Tensor:
    """Return one centre a class (classes, dimension) of length 1."""
    weight = head.weight.detach()
    return torch.nn.functional.normalize(weight[:, 0] if weight.ndim == 3 else weight, dim=1)


def all_finite(head: Any, features: Tensor, loss: Tensor) -> bool:
    loss.backward()
    gradients = [features.grad, *(parameter.grad for parameter in head.parameters())]
    return bool(torch.isfinite(loss)) and all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


@EVERY_VARIANT
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_features_at_opposite_to_and_without_a_direction_are_safe(
    name: str, options: dict[str, Any], dtype: torch.dtype
) -> None:
    head = make(name, **options)
    centre = first_centres(head)[0]
    features = torch.stack([centre * 7, -centre * 7, centre * 0, centre * 1e4, -centre * 1e-2]).to(dtype)
    features.requires_grad_()
    loss = head(features, torch.zeros(5, dtype=torch.long))
    assert loss.dtype == torch.float32 and loss.shape == ()
    assert all_finite(head, features, loss)
    # Only plain softmax looks at the feature itself and not at its direction.
    assert name == "softmax" or not features.grad[2].any()


@EVERY_VARIANT
def test_cosines_of_one_and_a_little_beyond_are_safe(name: str, options: dict[str, Any]) -> None:
    head = make(name, dimension=16, classes=200, **options)
    centres = first_centres(head)
    rounded = head.cosines(centres).diagonal()
    # A mean over sub-centres is below 1; the others scatter around it.
    assert options.get("pooling") == "softmax" or ((rounded > 1).any() and (rounded < 1).any())
    for sign in (1.0, -1.0):
        features = (sign * 20 * centres).clone().requires_grad_()
        head.zero_grad()
        assert all_finite(head, features, head(features, torch.arange(200)))


@EVERY_VARIANT
def test_the_rule_is_finite_with_a_finite_slope_at_every_representable_end(name: str, options: dict[str, Any]) -> None:
    head = make(name, **options)
    one = torch.tensor(1.0)
    up, down = torch.nextafter(one, 2 * one), torch.nextafter(one, 0 * one)
    ends = torch.stack([one, up, down, one - 1e-6, one - 1e-4, one * 0])
    own = torch.cat([ends, -ends]).requires_grad_()
    norms = torch.tensor([0.0, 1e-3, 20.0, 100.0, 1e4, 15.0]).repeat(2).requires_grad_()
    for fraction in (0.0, 0.5, 1.0):
        head.margin_fraction = fraction
        target = head.row_rule(own, norms).target
        (slope,) = torch.autograd.grad(target.sum(), own)
        assert torch.isfinite(target).all() and torch.isfinite(slope).all()
        # A factor of at most 4 over a sine of at least a thousandth.
        assert slope.abs().max() < 4.1e3


@EVERY_VARIANT
def test_autocast_changes_nothing(name: str, options: dict[str, Any]) -> None:
    head = make(name, **options).eval()
    features, labels = batch()
    features = features.float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(features, labels)
    assert inside.dtype == torch.float32
    assert inside.item() == pytest.approx(head(features, labels).item(), rel=1e-6)


@EVERY_VARIANT
def test_the_loss_agrees_with_float64(name: str, options: dict[str, Any]) -> None:
    features, labels = batch()
    single = make(name, **options).eval()(features.float(), labels)
    double = build(name, **options)(features, labels)
    assert double.dtype == torch.float64
    assert single.item() == pytest.approx(double.item(), rel=2e-4)


@EVERY_VARIANT
def test_the_plain_path_gives_the_same_loss_and_gradients(name: str, options: dict[str, Any]) -> None:
    features, labels = batch()
    found = []
    for way in ("forward", "plain_loss"):
        head = build(name, **options)
        inputs = features.clone().requires_grad_()
        loss = getattr(head, way)(inputs, labels)
        loss.backward()
        found.append([loss.detach(), inputs.grad, *(parameter.grad for parameter in head.parameters())])
    for fused, plain in zip(*found, strict=True):
        assert torch.allclose(fused, plain, rtol=1e-9, atol=1e-10)


@EVERY_HEAD
def test_unknown_labels_are_ignored(name: str) -> None:
    features, labels = batch()
    mixed = torch.cat([features[:4], torch.full((3, DIMENSION), 1e3, dtype=torch.float64), features[4:]])
    unknown = torch.cat([labels[:4], torch.full((3,), -1), labels[4:]])
    inputs = mixed.requires_grad_()
    # In training mode, so that what a head remembers ignores them too.
    head, other = build(name).train(), build(name).train()
    loss = head(inputs, unknown)
    loss.backward()
    assert loss.item() == pytest.approx(other(features, labels).item(), rel=1e-12)
    assert not inputs.grad[4:7].any()
    for ours, theirs in zip(head.buffers(), other.buffers(), strict=True):
        assert torch.equal(ours, theirs)


@EVERY_HEAD
def test_a_batch_of_unknown_labels_has_loss_zero_and_gradients_of_zero(name: str) -> None:
    head = make(name)
    before = {key: value.clone() for key, value in head.state_dict().items()}
    features = torch.randn(3, DIMENSION, requires_grad=True)
    loss = head(features, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0 and not features.grad.any()
    assert all(not parameter.grad.any() for parameter in head.parameters())
    assert all(torch.equal(value, before[key]) for key, value in head.state_dict().items())


@EVERY_HEAD
def test_one_class_is_safe_and_leaves_nothing_to_tell_apart(name: str) -> None:
    options = {"regulariser_weight": 0.0} if name == "magface" else {}
    head = make(name, classes=1, **options)
    features = torch.randn(4, DIMENSION).requires_grad_()
    loss = head(features, torch.zeros(4, dtype=torch.long))
    assert all_finite(head, features, loss)
    # SphereFace2 asks of each class alone whether it is the right one.
    assert name == "sphereface2" or loss.item() == pytest.approx(0, abs=1e-6)
    assert len(head.angles.target_degrees) == 4 and len(head.angles.nearest_other_degrees) == 0


@EVERY_HEAD
def test_a_batch_of_one_and_many_classes_is_safe(name: str) -> None:
    head = make(name, classes=3000)
    features = torch.randn(1, DIMENSION).requires_grad_()
    assert all_finite(head, features, head(features, torch.tensor([2999])))


@EVERY_HEAD
def test_angles_are_recorded_in_degrees(name: str) -> None:
    options = {"sub_centers": 1} if name == "subcenter-arcface" else {}
    head = make(name, dimension=2, classes=2, **options)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 5.0]]).view_as(head.weight))
    head(torch.tensor([[2.0, 0.0], [1.0, 1.0], [-3.0, 0.0]]), torch.tensor([0, 1, 0]))
    assert torch.allclose(head.angles.target_degrees, torch.tensor([0.0, 45.0, 180.0]), atol=0.1)
    assert torch.allclose(head.angles.nearest_other_degrees, torch.tensor([90.0, 45.0, 90.0]), atol=0.1)
    assert not head.angles.target_degrees.requires_grad


@EVERY_HEAD
def test_wrong_shapes_and_labels_are_named(name: str) -> None:
    head = make(name, dimension=8, classes=5)
    with pytest.raises(ValueError, match=r"features must be \(n, 8\), found \(2, 7\)"):
        head(torch.randn(2, 7), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"labels must be \(2,\)"):
        head(torch.randn(2, 8), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"labels must lie in -1 \.\. 4, found 0 \.\. 5"):
        head(torch.randn(2, 8), torch.tensor([0, 5]))


@pytest.mark.parametrize("name", MARGINS)
def test_the_margins_fraction_scales_it(name: str) -> None:
    # The smallest scale at which every loss is far from both 0 and a straight line.
    head = build(name, scale=8.0)
    features, labels = batch()
    losses = []
    for fraction in (0.0, 0.5, 1.0):
        head.margin_fraction = fraction
        losses.append(head(features, labels).item())
    if name == "circle":
        # Its margin relaxes as much as it demands; that it is used is what is checked here.
        assert len({round(loss, 6) for loss in losses}) == 3
    else:
        assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("name", MARGINS)
def test_exact_and_detached_are_one_loss(name: str) -> None:
    features, labels = batch()
    exact, detached = (build(name, gradient=mode)(features, labels) for mode in ("exact", "detached"))
    assert exact.item() == pytest.approx(detached.item(), rel=1e-12)
    with pytest.raises(ValueError, match="gradient must be 'exact' or 'detached', found 'none'"):
        make(name, gradient="none")


@pytest.mark.parametrize("name", [name for name in ALL if name != "softmax"])
def test_a_scale_of_zero_is_refused_and_a_learnable_one_learns(name: str) -> None:
    with pytest.raises(ValueError, match="scale must be above 0"):
        make(name, scale=0.0)
    head = make(name, scale=8.0, learnable_scale=True)
    features, labels = batch()
    head(features.float(), labels).backward()
    assert head.scale.grad.abs() > 0


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_checkpoint_resumes_exactly_and_evaluation_changes_nothing(name: str) -> None:
    batches = [batch(seed=seed) for seed in range(6)]

    def train(head: Any, part: list[tuple[Tensor, Tensor]]) -> list[float]:
        optimiser = torch.optim.SGD(head.parameters(), lr=0.01)
        losses = []
        for features, labels in part:
            optimiser.zero_grad()
            loss = head(features.float(), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    whole = make(name)
    assert set(REMEMBERING[name]) == {key for key, _ in whole.named_buffers()}
    expected = train(whole, batches)
    first = make(name)
    losses = train(first, batches[:3])
    first.eval()
    first(batches[5][0].float(), batches[5][1])
    resumed = make(name)
    start = {key: value.clone() for key, value in resumed.named_buffers()}
    resumed.load_state_dict(first.state_dict())
    assert losses + train(resumed, batches[3:]) == expected
    assert all(not torch.equal(value, start[key]) for key, value in resumed.named_buffers())


def trained(head: Any, dimension: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return free features that were trained with a head, and their labels."""
    labels = torch.arange(40) % head.classes
    features = torch.nn.Parameter(torch.randn(40, dimension) * 5)
    optimiser = torch.optim.Adam([features, *head.parameters()], lr=0.3)
    for _ in range(steps):
        optimiser.zero_grad()
        head(features, labels).backward()
        optimiser.step()
    return features.detach(), labels


@EVERY_HEAD
def test_every_head_learns_to_tell_free_features_apart(name: str) -> None:
    head = make(name, classes=4, dimension=8)
    features, labels = trained(head, 8, steps=50)
    assert (head.cosines(features).argmax(dim=1) == labels).float().mean().item() >= 0.95


def test_a_margin_draws_features_nearer_to_their_centre() -> None:
    degrees = []
    for margin in (0.0, 0.25, 0.5):
        head = make("arcface", classes=4, dimension=8, scale=16.0, margin_radians=margin)
        trained(head, 8, steps=50)
        degrees.append(head.angles.target_degrees.mean().item())
    assert degrees[0] > degrees[1] > degrees[2]
