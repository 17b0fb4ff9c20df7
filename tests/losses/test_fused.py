"""The fused loss is the plain one: values, gradients and angles, for every rule, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyperface_lib.losses import class_blocks, create_head, head_names
from hyperface_lib.losses.cosine_head import CosineHead, HardNegatives, RowRule
from hyperface_lib.losses.fused import row_losses
from hyperface_lib.losses.margins import add_angle, unit_rows

N, DIMENSION, CLASSES = 12, 5, 17


def plain(own: Tensor, norms: Tensor) -> RowRule:
    return RowRule(own)


def arcface(own: Tensor, norms: Tensor) -> RowRule:
    return RowRule(add_angle(own, 0.4))


def support_vectors(own: Tensor, norms: Tensor) -> RowRule:
    target = add_angle(own, 0.4)
    return RowRule(target, HardNegatives(target.detach(), slope=1.2, offset=0.2))


def curricular(own: Tensor, norms: Tensor) -> RowRule:
    return RowRule(add_angle(own, 0.4), HardNegatives(add_angle(own, 0.4), quadratic=1.0, slope=0.3))


def by_length(own: Tensor, norms: Tensor) -> RowRule:
    return RowRule(own - 0.05 * norms * own)


RULES = {rule.__name__: rule for rule in (plain, arcface, support_vectors, curricular, by_length)}
Rule = Callable[[Tensor, Tensor], RowRule]


class Ruled(CosineHead):
    """A head with a rule of the tests and a reduction that passes gradients to all it gets."""

    def __init__(self, rule: Rule, classes: int = CLASSES, scale: float = 9.0) -> None:
        super().__init__(DIMENSION, classes, scale, learnable_scale=True)
        self.rule = rule

    def row_rule(self, own: Tensor, norms: Tensor) -> RowRule:
        return self.rule(own, norms)

    def reduce(self, losses: Tensor, own: Tensor, norms: Tensor) -> Tensor:
        return (losses * torch.arange(1, len(losses) + 1)).mean() + own.square().sum() + (1 / (1 + norms)).sum()


@pytest.fixture(params=[1, 4, 1000], ids=lambda size: f"blocks of {size}")
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of classes in a block."""
    monkeypatch.setattr(class_blocks, "BLOCK_ELEMENTS", 1)
    monkeypatch.setattr(class_blocks, "FEWEST_CLASSES", request.param)
    return request.param


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    torch.manual_seed(0)
    yield


def batch(classes: int = CLASSES, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return torch.randn(N, DIMENSION, dtype=dtype) * 2, torch.randint(0, classes, (N,))


def outcome(head: CosineHead, loss: Callable[..., Tensor], features: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return loss, gradients and angles of a head."""
    head.zero_grad()
    features = features.clone().requires_grad_()
    value = loss(features, labels)
    value.backward()
    found = {"loss": value.detach(), "features": features.grad}
    found |= {name: parameter.grad.clone() for name, parameter in head.named_parameters()}
    assert head.angles is not None
    return found | {"target": head.angles.target_degrees, "other": head.angles.nearest_other_degrees}


@pytest.mark.parametrize("classes", [1, 2, CLASSES])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_values_gradients_and_angles_are_the_plain_ones(rule: Rule, classes: int, block: int) -> None:
    head = Ruled(rule, classes).double()
    features, labels = batch(classes)
    labels[3] = -1
    torch.testing.assert_close(
        outcome(head, head, features, labels), outcome(head, head.plain_loss, features, labels), rtol=1e-9, atol=1e-9
    )


def heads() -> list[str]:
    """Return the names of heads with class centres."""
    return [name for name in head_names() if isinstance(create_head(name, dimension=2, classes=2), CosineHead)]


@pytest.mark.parametrize("name", heads())
def test_every_head_of_the_registry_gives_its_plain_loss(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_blocks, "BLOCK_ELEMENTS", 1)
    monkeypatch.setattr(class_blocks, "FEWEST_CLASSES", 4)
    head = create_head(name, dimension=DIMENSION, classes=CLASSES).double()
    assert isinstance(head, CosineHead)
    features, labels = batch()
    head(features, labels)  # what a head learns from its first batch
    head.eval()
    torch.testing.assert_close(
        outcome(head, head, features, labels), outcome(head, head.plain_loss, features, labels), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_gradients_are_those_of_differences(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_blocks, "BLOCK_ELEMENTS", 1)
    monkeypatch.setattr(class_blocks, "FEWEST_CLASSES", 4)
    features, labels = batch()
    features, labels = features[:7], labels[:7] % 9
    weight, scale = torch.randn(9, DIMENSION, dtype=torch.float64), torch.tensor(7.0, dtype=torch.float64)
    inputs = tuple(part.requires_grad_() for part in (features, weight, scale))

    def outputs(x: Tensor, w: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        return tuple(row_losses(x, w, labels, s, rule))[:3]

    assert torch.autograd.gradcheck(outputs, inputs)


def test_cosines_far_above_those_of_the_first_block_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_blocks, "BLOCK_ELEMENTS", 1)
    monkeypatch.setattr(class_blocks, "FEWEST_CLASSES", 1)
    head = CosineHead(2, 6, scale=128.0, learnable_scale=True)
    angles = torch.tensor([3.1, 2.0, 2.9, 1.0, 0.02, 0.4])
    with torch.no_grad():
        head.weight.copy_(torch.stack([angles.cos(), angles.sin()], dim=1))
    features, labels = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [0.1, 1.0]]), torch.tensor([0, 1, 5])
    found = outcome(head, head, features, labels)
    expected = outcome(head.double(), head.plain_loss, features.double(), labels)
    assert found["loss"] > 100
    for name, value in found.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-3)


def test_cosines_far_below_those_of_the_first_block_keep_their_precision() -> None:
    """The row's own target does not count for its shift: the negatives' softmax is exact however sure the head is."""
    weight = torch.eye(3, dtype=torch.float64)
    features = torch.tensor([[1.0, 0.0, 0.01]], dtype=torch.float64, requires_grad=True)
    losses = row_losses(features, weight, torch.tensor([0]), 64.0, plain).losses
    cosines = torch.nn.functional.normalize(features.detach())[0]
    expected = torch.exp(64 * (cosines[1:] - cosines[0])).sum()
    assert losses.item() == pytest.approx(float(torch.log1p(expected)), rel=1e-9)
    assert 0 < losses.item() < 1e-26


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_of_half_precision_are_worked_on_in_float32(rule: Rule, dtype: torch.dtype) -> None:
    head = Ruled(rule)
    features, labels = batch(dtype=torch.float32)
    features = features.to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(features, labels)
    loss.backward()
    assert loss.dtype == torch.float32 and features.grad.dtype == dtype
    whole = features.detach().float().requires_grad_()
    expected = head(whole, labels)
    expected.backward()
    assert loss.item() == expected.item()
    assert torch.equal(features.grad, whole.grad.to(dtype))


@pytest.mark.parametrize("rule", [plain, arcface, support_vectors, curricular], ids=lambda rule: rule.__name__)
def test_zero_features_and_zero_centres_have_cosine_zero_and_no_gradient(rule: Rule, block: int) -> None:
    head = CosineHead(DIMENSION, CLASSES)
    head.row_rule = rule  # type: ignore[method-assign]
    features, labels = batch(dtype=torch.float32)
    with torch.no_grad():
        head.weight[4] = 0
        features[2] = 0
        labels[0] = labels[2] = 4
    found = outcome(head, head, features, labels)
    assert all(bool(torch.isfinite(value).all()) for value in found.values())
    assert not found["features"][2].any() and not found["weight"][4].any()
    assert found["target"][0] == found["target"][2] == found["other"][2] == 90
    assert found["features"][0].any()


def test_lengths_of_zero_features_get_no_gradient() -> None:
    features = torch.zeros(1, 3, requires_grad=True)
    row_losses(features, torch.eye(3), torch.tensor([0]), 4.0, plain).norms.sqrt().sum().backward()
    assert torch.equal(features.grad, torch.zeros(1, 3))


def test_what_is_frozen_gets_no_gradient() -> None:
    features, labels = batch()
    weight = torch.randn(CLASSES, DIMENSION, dtype=torch.float64)
    whole = [part.clone().requires_grad_() for part in (features, weight)]
    row_losses(*whole, labels, 7.0, arcface).losses.sum().backward()
    for number in range(2):
        parts = [features, weight]
        parts[number] = parts[number].clone().requires_grad_()
        row_losses(*parts, labels, 7.0, arcface).losses.sum().backward()
        torch.testing.assert_close(parts[number].grad, whole[number].grad)
        assert parts[1 - number].grad is None


def test_a_second_derivative_is_refused_and_the_plain_loss_has_one() -> None:
    head = Ruled(arcface).double()
    features, labels = batch()
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(head(features, labels), features, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    (gradient,) = torch.autograd.grad(head.plain_loss(features, labels), features, create_graph=True)
    gradient.square().sum().backward()
    assert features.grad.any()


def test_a_graph_that_is_kept_gives_the_same_gradient_again() -> None:
    features, labels = batch()
    features.requires_grad_()
    losses = row_losses(features, torch.randn(CLASSES, DIMENSION), labels, 7.0, curricular).losses
    first, second = (torch.autograd.grad(losses.sum(), features, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    (doubled,) = torch.autograd.grad(2 * losses.sum(), features)
    torch.testing.assert_close(doubled, 2 * first)


def test_the_exponentials_are_kept_once_and_only_until_the_backward_pass() -> None:
    n, classes = 64, 5000
    weight = torch.randn(classes, 4, requires_grad=True)
    features, labels = torch.randn(n, 4, requires_grad=True), torch.randint(0, classes, (n,))

    sums = class_blocks.sum_negatives(features.detach(), weight.detach(), labels, 4.0, None, keep=True, weigh=False)
    assert sums.kept.numel() == n * classes
    sums = class_blocks.sum_negatives(features.detach(), weight.detach(), labels, 4.0, None, keep=False, weigh=False)
    assert sums.kept.numel() == 0
    losses = row_losses(features, weight, labels, 4.0, plain).losses
    node = losses.grad_fn
    assert node is not None
    assert any(saved.numel() == n * classes for saved in node.saved_tensors)
    losses.sum().backward()
    with pytest.raises(RuntimeError, match="already been freed"):
        _ = node.saved_tensors


def test_the_rule_is_asked_once_a_batch() -> None:
    asked = []

    def counting(own: Tensor, norms: Tensor) -> RowRule:
        asked.append(len(own))
        return arcface(own, norms)

    head = Ruled(counting)
    head(*batch(dtype=torch.float32)).backward()
    assert asked == [N]


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 6),
    classes=st.integers(1, 12),
    size=st.integers(1, 5),
    scale=st.floats(0.5, 200),
    seed=st.integers(0, 99),
)
def test_sums_over_parts_of_the_classes_make_up_the_whole(
    n: int, classes: int, size: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    units = unit_rows(torch.randn(n, 3, generator=generator, dtype=torch.float64))
    weight = torch.randn(classes, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, classes, (n,), generator=generator)
    before = class_blocks.BLOCK_ELEMENTS, class_blocks.FEWEST_CLASSES
    class_blocks.BLOCK_ELEMENTS, class_blocks.FEWEST_CLASSES = 1, size
    try:
        sums = class_blocks.sum_negatives(units, weight, labels, scale, None, keep=True, weigh=True)
    finally:
        class_blocks.BLOCK_ELEMENTS, class_blocks.FEWEST_CLASSES = before
    cosines = units @ unit_rows(weight).T
    others = cosines.clone()
    rows = torch.arange(n)[labels >= 0]
    others[rows, labels[rows]] = -torch.inf
    torch.testing.assert_close(sums.shift + sums.total.log(), torch.logsumexp(scale * others, dim=1))
    torch.testing.assert_close(sums.nearest, others.amax(dim=1))
    shares = torch.softmax(scale * others, dim=1).nan_to_num(0.0)
    mean = torch.where(sums.total > 0, sums.weighted / sums.total, 0.0)
    torch.testing.assert_close(mean, (shares * cosines).sum(dim=1))
