"""Partial FC in one process: what is sampled, what the optimiser sees, and what the docs promise."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hyperface_lib.losses import create_head
from hyperface_lib.losses.partial_fc import PartialHead, reshard_states
from hyperface_lib.losses.partial_fc_processes import class_edges

DIMENSION, CLASSES, N = 6, 40, 8


def full_head(name: str = "arcface", **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_head(name, dimension=DIMENSION, classes=CLASSES, **options).double()


def batches(count: int, n: int = N) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(n, DIMENSION, generator=generator, dtype=torch.float64),
            torch.randint(0, CLASSES, (n,), generator=generator),
        )
        for _ in range(count)
    ]


Builder = Callable[..., torch.optim.Optimizer]
OPTIMIZERS: dict[str, tuple[Builder, dict[str, float]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-2}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 1e-2}),
}


def partial_head(
    rate: float = 0.5, optimizer: str = "sgd", name: str = "arcface", **options: object
) -> tuple[PartialHead, torch.optim.Optimizer]:
    head = PartialHead(full_head(name, scale=8.0, **options), rate)
    build, settings = OPTIMIZERS[optimizer]
    made = build(head.parameters(), **settings)
    head.attach(made)
    return head, made


def step(head: torch.nn.Module, optimizer: torch.optim.Optimizer, features: Tensor, labels: Tensor) -> float:
    optimizer.zero_grad()
    loss = head(features, labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["arcface", "sv-arc", "curricular", "adaface", "magface", "focal"])
def test_with_all_classes_it_is_the_full_head(name: str, optimizer: str) -> None:
    full = full_head(name, scale=8.0)
    build, settings = OPTIMIZERS[optimizer]
    trained = build(full.parameters(), **settings)
    head, other = partial_head(1.0, optimizer, name)
    for features, labels in batches(4):
        assert step(full, trained, features, labels) == pytest.approx(step(head, other, features, labels), rel=1e-12)
        torch.testing.assert_close(vars(head.angles), vars(full.angles))
    torch.testing.assert_close(head.centres.all, full.weight.detach(), rtol=1e-10, atol=1e-10)


def momentum_by_hand(rate: float, count: int) -> tuple[Tensor, Tensor]:
    """Return centres and momentum after SGD steps that touch the sampled rows only, straight from the definition."""
    head = full_head("cosface", scale=8.0)
    sampler = PartialHead(full_head("cosface"), rate)
    centres, momentum = head.weight.detach().clone(), torch.zeros(CLASSES, DIMENSION, dtype=torch.float64)
    for features, labels in batches(count):
        index = sampler._sample(labels)
        few = centres[index].requires_grad_()
        cosines = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(few).T
        target = torch.searchsorted(index, labels)
        margins = 0.35 * torch.nn.functional.one_hot(target, len(index))
        torch.nn.functional.cross_entropy(8.0 * (cosines - margins), target).backward()
        momentum[index] = 0.9 * momentum[index] + few.grad + 1e-2 * centres[index]
        centres[index] -= 0.05 * momentum[index]
    return centres, momentum


def test_sampled_rows_move_with_their_own_momentum_and_the_others_rest() -> None:
    head, optimizer = partial_head(0.3, name="cosface")
    for features, labels in batches(6):
        step(head, optimizer, features, labels)
    centres, momentum = momentum_by_hand(0.3, 6)
    torch.testing.assert_close(head.centres.all, centres)
    torch.testing.assert_close(head.centres.moments["momentum_buffer"], momentum)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rows_that_are_not_sampled_do_not_change(optimizer: str) -> None:
    head, made = partial_head(0.3, optimizer)
    for features, labels in batches(3):
        before = head.centres.all.clone()
        step(head, made, features, labels)
        changed = (head.centres.all != before).any(dim=1)
        assert torch.equal(changed.nonzero()[:, 0], head.centres.index)
        assert changed[labels].all() and int(changed.sum()) == 12


def test_the_sample_has_the_classes_of_the_batch_and_is_drawn_anew() -> None:
    head = PartialHead(full_head(), 0.25)
    labels = torch.tensor([3, 3, 17, 39, 0])
    drawn = [head._sample(labels) for _ in range(40)]
    for index in drawn:
        assert len(index) == 10 and torch.equal(index, index.unique())
        assert torch.isin(labels, index).all()
    # Of the 36 others each has been drawn about 40 * 6 / 36 times, none always.
    counts = torch.bincount(torch.cat(drawn), minlength=CLASSES)
    others = counts[[number for number in range(CLASSES) if number not in labels.tolist()]]
    assert others.min() >= 1 and others.max() <= 16
    again = PartialHead(full_head(), 0.25)
    assert torch.equal(again._sample(labels), drawn[0])
    assert not torch.equal(PartialHead(full_head(), 0.25, seed=1)._sample(labels), drawn[0])


def test_more_classes_in_the_batch_than_the_rate_asks_for_are_all_sampled() -> None:
    index = PartialHead(full_head(), 0.05)._sample(torch.arange(0, CLASSES, 2))
    assert torch.equal(index, torch.arange(0, CLASSES, 2))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_gradients_of_several_batches_add_up_before_a_step(optimizer: str) -> None:
    """With the classes of both batches sampled, two halves of the loss are the whole, whatever else is sampled."""
    (features, labels), (others, more) = batches(2)
    head, made = partial_head(0.1, optimizer)
    head(features, labels).div(2).backward()
    early = head.centres.index
    head(others, more).div(2).backward()
    index = head.centres.index
    assert torch.isin(torch.cat([early, labels, more]), index).all() and head.centres.active.shape[0] == len(index)
    few = head.centres.all[index].clone().requires_grad_()
    first = torch.searchsorted(index, early)
    reference = full_head(scale=8.0)
    for chosen, (x, y) in ((first, (features, labels)), (torch.arange(len(index)), (others, more))):
        reference.weight = torch.nn.Parameter(few.detach()[chosen])
        reference.classes = len(chosen)
        reference(x, torch.searchsorted(index[chosen], y)).div(2).backward()
        gradient = torch.zeros_like(few).index_copy(0, chosen, reference.weight.grad)
        few.grad = gradient if few.grad is None else few.grad + gradient
    torch.testing.assert_close(head.centres.active.grad, few.grad)
    made.step()
    made.zero_grad()
    before = head.centres.index
    head(features, labels)
    assert not torch.equal(head.centres.index, before)


def test_two_forward_passes_before_a_backward_pass_are_refused() -> None:
    first, second = batches(2)
    head, _ = partial_head(0.3)
    early = head(*first)
    head(*second).backward()
    with pytest.raises(RuntimeError, match="one backward pass must follow each forward pass"):
        early.backward()


def test_a_loss_that_is_still_held_does_not_disturb_the_next() -> None:
    head, optimizer = partial_head(0.05)
    sizes = set()
    for count in (3, 8, 5):
        features, labels = batches(1, count)[0]
        optimizer.zero_grad()
        loss = head(features, labels)
        loss.backward()
        optimizer.step()
        sizes.add(len(head.centres.index))
    assert len(sizes) > 1 and loss.isfinite()


@pytest.mark.parametrize("together", [True, False], ids=["with the optimiser's state", "without it"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_saved_head_goes_on_where_it_was(optimizer: str, together: bool) -> None:
    data = batches(7)
    head, made = partial_head(0.3, optimizer, "curricular")
    for features, labels in data[:4]:
        step(head, made, features, labels)
    state = {name: value.clone() for name, value in head.state_dict().items()}
    settings = copy.deepcopy(made.state_dict())
    other, fresh = partial_head(0.3, optimizer, "curricular")
    other.load_state_dict(state)
    if together:
        fresh.load_state_dict(settings)
    for features, labels in data[4:]:
        assert step(other, fresh, features, labels) == step(head, made, features, labels)
    assert torch.equal(other.centres.all, head.centres.all)


def test_a_state_that_does_not_fit_is_refused() -> None:
    head = PartialHead(full_head(), 0.5)
    state = head.state_dict()
    with pytest.raises(RuntimeError, match=r"centres.all must be \(40, 6\), found \(39, 6\)"):
        head.load_state_dict(state | {"centres.all": state["centres.all"][:39]})
    with pytest.raises(RuntimeError, match=r"Missing key.*centres\.all"):
        head.load_state_dict({name: value for name, value in state.items() if name != "centres.all"})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*centres\.other"):
        head.load_state_dict(state | {"centres.other": state["draws"]})


def test_evaluation_is_over_all_classes() -> None:
    (features, labels), *_ = batches(1)
    full, (head, _) = full_head(scale=8.0), partial_head(0.1)
    with torch.no_grad():
        assert head(features, labels).item() == pytest.approx(full(features, labels).item(), rel=1e-12)
    assert head.eval()(features, labels).item() == pytest.approx(full(features, labels).item(), rel=1e-12)
    assert head.train()(features, labels).item() < full(features, labels).item()


def test_rows_without_a_label_are_ignored_and_alone_they_have_no_loss() -> None:
    (features, labels), *_ = batches(1)
    head, _ = partial_head(1.0)
    expected = head(features[2:], labels[2:]).item()
    labels[:2] = -1
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-12)
    features.requires_grad_()
    loss = head(features, torch.full_like(labels, -1))
    loss.backward()
    assert loss.item() == 0 and not features.grad.any()


def test_a_learnable_scale_and_the_margins_warm_up_are_the_rules() -> None:
    (features, labels), *_ = batches(1)
    head, made = partial_head(1.0, learnable_scale=True)
    head.margin_fraction = 0.0
    plain = create_head("norm-softmax", dimension=DIMENSION, classes=CLASSES, scale=8.0).double()
    plain.load_state_dict({"weight": head.centres.all})
    assert head(features, labels).item() == pytest.approx(plain(features, labels).item(), rel=1e-12)
    head.margin_fraction = 1.0
    before = head.scale.item()
    step(head, made, features, labels)
    assert head.scale.item() != before


def test_training_needs_an_optimiser_that_holds_the_centres() -> None:
    (features, labels), *_ = batches(1)
    head = PartialHead(full_head(), 0.5)
    with pytest.raises(RuntimeError, match=r"call attach\(optimizer\) before training"):
        head(features, labels)
    with pytest.raises(ValueError, match="found none of its sampled centres"):
        head.attach(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))
    head.attach(torch.optim.SGD(head.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="another optimizer already"):
        head.attach(torch.optim.SGD(head.parameters(), lr=0.1))


def test_an_optimiser_that_does_not_remember_by_row_is_refused() -> None:
    class Lengthy(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            super().step()
            self.state[self.param_groups[0]["params"][0]]["lengths"] = torch.zeros(3)

    head = PartialHead(full_head(), 0.5)
    optimizer = Lengthy(head.parameters(), lr=0.1)
    head.attach(optimizer)
    with pytest.raises(ValueError, match=r"kept by row, found lengths \(3,\)"):
        step(head, optimizer, *batches(1)[0])


def test_wrong_rates_and_heads_are_named() -> None:
    for rate in (0.0, 1.1, -1.0):
        with pytest.raises(ValueError, match=f"rate must lie above 0 and up to 1, found {rate}"):
            PartialHead(full_head(), rate)
    for name in ("softmax", "subcenter-arcface", "sphereface2", "circle"):
        with pytest.raises(ValueError, match=r"needs a rule on cosines to one centre a class, \w+ has none"):
            PartialHead(full_head(name), 0.5)
    with pytest.raises(ValueError, match=r"labels must lie in -1 \.\. 39"):
        partial_head()[0](torch.zeros(1, DIMENSION), torch.tensor([40]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_states_move_to_another_number_of_processes_and_back(processes: int, optimizer: str) -> None:
    head, made = partial_head(0.3, optimizer, "curricular")
    for features, labels in batches(3):
        step(head, made, features, labels)
    state = head.state_dict()
    parts = reshard_states([state], processes)
    edges = class_edges(CLASSES, processes)
    for part, start, stop in zip(parts, edges, edges[1:], strict=False):
        assert torch.equal(part["centres.all"], head.centres.all[start:stop])
        for name, rows in head.centres.moments.items():
            assert torch.equal(part[f"centres.moments.{name}"], rows[start:stop])
        assert int(part["draws"]) == 3 and torch.equal(part["head.t"], state["head.t"])
    (whole,) = reshard_states(reshard_states(parts, 4), 1)
    assert whole.keys() == state.keys() and all(torch.equal(whole[name], state[name]) for name in state)


def test_states_that_do_not_belong_together_are_refused() -> None:
    state = PartialHead(full_head(), 0.5).state_dict()
    first, second = reshard_states([state], 2)
    with pytest.raises(ValueError, match="different values of draws"):
        reshard_states([first, second | {"draws": torch.tensor(5)}], 1)
    with pytest.raises(ValueError, match="must be those of a PartialHead"):
        reshard_states([first, {"draws": torch.tensor(0)}], 1)
    with pytest.raises(ValueError, match="must be those of a PartialHead"):
        reshard_states([], 1)
    with pytest.raises(ValueError, match="41 processes need at least as many classes, found 40"):
        reshard_states([first, second], 41)
