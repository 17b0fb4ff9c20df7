"""Accumulation, averages, float16 and what is left out of the weight decay: each does what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head, head_names
from hyperface_lib.training import Callback, NotFiniteError, Recipe, Trainer, create_trainer
from hyperface_lib.training.ema import AveragedNetwork
from hyperface_lib.training.history import StepReport, summarise_angles
from hyperface_lib.training.not_finite import name_what_is_not_finite
from hyperface_lib.training.optimisers import make_optimiser

from .conftest import plain_backbone

World = tuple[np.ndarray, np.ndarray]
RECIPE = Recipe(
    architecture="tiny", dimension=6, max_steps=6, batch_size=18, learning_rate=0.01, precision="float32", seed=4
)


def plain_run(world: World, recipe: Recipe, head: str = "arcface", **options: object) -> Trainer:
    images, labels = world
    torch.manual_seed(5)
    made = create_head(head, dimension=6, classes=12, **options)
    trainer = Trainer(plain_backbone(), made, images, labels, recipe, device="cpu")
    trainer.fit()
    return trainer


@pytest.mark.parametrize("parts", [2, 3, 4])
@pytest.mark.parametrize("unknown", [False, True])
def test_accumulation_changes_nothing_but_rounding(small_world: World, parts: int, unknown: bool) -> None:
    images, labels = small_world
    labels = labels.copy()
    if unknown:
        labels[np.random.default_rng(0).permutation(96)[:50]] = -1  # parts with few labels weigh less
    whole = plain_run((images, labels), RECIPE)
    divided = plain_run((images, labels), RECIPE.with_changes(accumulation=parts))
    assert divided.history.loss == pytest.approx(whole.history.loss, rel=2e-5)
    assert divided.history.accuracy == whole.history.accuracy
    assert divided.history.target_degrees == pytest.approx(whole.history.target_degrees, rel=1e-5)
    for one, other in zip(whole.backbone.parameters(), divided.backbone.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_every_head_trains(small_world: World) -> None:
    images, labels = small_world
    for name in head_names():
        recipe = RECIPE.with_changes(head=name, head_options={}, max_steps=2, accumulation=2)
        trainer = create_trainer(images, labels, recipe, device="cpu")
        before = trainer.backbone.project.weight.clone()
        history = trainer.fit()
        assert np.isfinite(history.loss).all(), name
        assert not torch.equal(before, trainer.backbone.project.weight), name


def test_a_sample_of_the_centres_trains(small_world: World) -> None:
    recipe = RECIPE.with_changes(sample_rate=0.5, max_steps=40, batch_size=6, optimiser="sgd", learning_rate=0.05)
    trainer = create_trainer(*small_world, recipe, device="cpu")
    history = trainer.fit()
    assert trainer.sharded and np.mean(history.loss[:10]) > np.mean(history.loss[-10:])


def test_the_average_follows_its_formula() -> None:
    network = torch.nn.BatchNorm1d(2)
    average = AveragedNetwork(network, 0.3)
    expected = {name: value.double().clone() for name, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for step in range(5):
        with torch.no_grad():
            network.weight.copy_(torch.randn(2, generator=generator))
            network.running_mean.copy_(torch.randn(2, generator=generator))
            network.num_batches_tracked += 1
        decay = min(0.3, (1 + step) / (10 + step))
        for name in ("weight", "running_mean"):
            expected[name] = decay * expected[name] + (1 - decay) * network.state_dict()[name].double()
        average.follow(network, step)
    found = average.network.state_dict()
    for name in ("weight", "running_mean"):
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-5, atol=1e-6)
    assert int(found["num_batches_tracked"]) == 5 and not average.network.training
    assert average.decay_at(0) == 0.1 and average.decay_at(1000) == 0.3
    with pytest.raises(ValueError, match="between 0 and 1, found 1"):
        AveragedNetwork(network, 1.0)


def test_an_average_is_what_is_kept_and_changes_no_step(small_world: World) -> None:
    plain = create_trainer(*small_world, RECIPE, device="cpu")
    plain.fit()
    averaged = create_trainer(*small_world, RECIPE.with_changes(ema_decay=0.9), device="cpu")
    averaged.fit()
    assert averaged.history.loss == plain.history.loss and plain.network is plain.backbone
    assert torch.equal(averaged.backbone.project.weight, plain.backbone.project.weight)
    assert not torch.equal(averaged.network.project.weight, averaged.backbone.project.weight)


def half_precision(world: World, scale: float) -> Trainer:
    images, labels = world
    torch.manual_seed(5)
    head = create_head("arcface", dimension=6, classes=12)
    trainer = Trainer(plain_backbone(), head, images, labels, RECIPE.with_changes(precision="float16"), device="cpu")
    assert trainer.scaler is not None and trainer.dtype == torch.float16
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return trainer


def test_float16_trains_as_float32_does(small_world: World) -> None:
    whole, half = plain_run(small_world, RECIPE).history.loss, half_precision(small_world, 16.0).fit().loss
    assert half == pytest.approx(whole, rel=3e-2) and half != whole


def test_a_float16_step_that_overflows_is_left_out_and_the_scale_halved(small_world: World) -> None:
    trainer = half_precision(small_world, 2.0**127)
    before = [parameter.clone() for parameter in trainer.backbone.parameters()]
    trainer.fit(until_step=1)
    assert trainer.scaler is not None and trainer.scaler.get_scale() == 2.0**126
    assert all(torch.equal(one, other) for one, other in zip(before, trainer.backbone.parameters(), strict=True))
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    trainer.fit(until_step=2)
    assert not torch.equal(before[0], next(trainer.backbone.parameters()))


def test_a_gradient_that_overflows_whatever_its_scale_is_named(small_world: World) -> None:
    trainer = half_precision(small_world, 2.0)
    trainer.backbone[5].weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NotFiniteError, match=r"step 2: .* the gradient of backbone\.5\.weight"):
        trainer.fit()


def test_biases_and_gains_may_stay_out_of_the_weight_decay() -> None:
    backbone, head = plain_backbone(), create_head("softmax", dimension=6, classes=4)
    recipe = RECIPE.with_changes(decay_norms_and_biases=False, optimiser="sgd", learning_rate=0.1, weight_decay=0.5)
    optimiser = make_optimiser(recipe, backbone, head)
    everything = [*backbone.parameters(), *head.parameters()]
    with torch.no_grad():
        for parameter in everything:
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for parameter in everything:
        assert float(parameter.detach().mean()) == pytest.approx(1.0 if parameter.ndim == 1 else 0.95)
    frozen = torch.nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="none that requires a gradient"):
        make_optimiser(recipe, frozen, torch.nn.Identity())


class SpoilBuffer(Callback):
    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        if report.step == 1:
            trainer.head.norm_mean.fill_(float("nan"))  # type: ignore[union-attr, operator]


def test_a_buffer_that_is_not_finite_is_named(small_world: World) -> None:
    recipe = RECIPE.with_changes(head="adaface", head_options={})
    trainer = create_trainer(*small_world, recipe, callbacks=[SpoilBuffer()], device="cpu")
    with pytest.raises(NotFiniteError, match=r"step 2: the loss is nan; .* the buffer head\.norm_mean"):
        trainer.fit()


def test_the_first_activation_that_is_not_finite_is_named() -> None:
    class Root(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sqrt()

    network = torch.nn.Sequential(torch.nn.Identity(), Root(), torch.nn.Tanh())
    images = -torch.ones(2, 3)
    found = name_what_is_not_finite({"backbone": network}, images, network(images))
    assert found.endswith("the first that is not is the output of backbone.1")
    assert not network[1]._forward_hooks


def test_heads_without_centres_report_no_angles() -> None:
    assert np.isnan(summarise_angles([])).all()
    nothing = torch.zeros(0)
    assert np.isnan(summarise_angles([(nothing, nothing)])).all()
    accuracy, degrees = summarise_angles(
        [(torch.tensor([10.0, 50.0]), torch.tensor([20.0, 40.0])), (torch.tensor([30.0]), torch.tensor([90.0]))]
    )
    assert accuracy == pytest.approx(2 / 3) and degrees == pytest.approx(30)


def test_the_whole_configuration_is_told(small_world: World) -> None:
    text = create_trainer(*small_world, RECIPE, device="cpu").describe()
    values = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert values["accumulation"] == "1" and values["augmentation.crop"] == "0.0" and values["classes"] == "12"
    assert values["dtype"] == "float32" and values["processes"] == "1"
