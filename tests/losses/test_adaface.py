from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .by_hand import batch, build, derivatives_are_right, gradients, margin_losses


def quality(norm: float, mean: float, spread: float) -> float:
    return min(1.0, max(-1.0, 0.333 * (norm - mean) / (spread + 1e-3)))


def statistics(head: torch.nn.Module, mean: float = 25.0, spread: float = 6.0) -> torch.nn.Module:
    head.norm_mean.fill_(mean)
    head.norm_spread.fill_(spread)
    return head


@pytest.mark.parametrize("monotonic", [True, False])
def test_the_loss_is_the_papers_formula(monotonic: bool) -> None:
    head = statistics(build("adaface", scale=16.0, monotonic=monotonic))
    features, labels = batch(30)
    norms = features.norm(dim=1).tolist()
    z = [quality(norm, 25.0, 6.0) for norm in norms]
    assert min(z) == -1 and max(z) == 1 and any(-1 < value < 1 for value in z)

    def target(theta: float, row: int) -> float:
        turned = theta - 0.4 * z[row]
        if monotonic:
            turned = min(math.pi, max(0.0, turned))
        return math.cos(turned) - (0.4 * z[row] + 0.4)

    expected = margin_losses(head, features, labels, target).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("norm", "name", "options"),
    [(1e-3, "arcface", {"margin_radians": 0.4}), (25.0, "cosface", {"margin_cosine": 0.4})],
)
def test_short_features_see_arcface_and_middling_ones_cosface(
    norm: float, name: str, options: dict[str, float]
) -> None:
    head, same = statistics(build("adaface", monotonic=False)), build(name, **options)
    features, labels = batch()
    features = torch.nn.functional.normalize(features) * norm
    ours, theirs = gradients(head, features, labels), gradients(same, features, labels)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-10)
    assert torch.allclose(ours[1], theirs[1], atol=1e-8) and torch.allclose(ours[2], theirs[2], atol=1e-10)


def test_long_features_see_a_negative_angle_and_twice_the_cosine_margin() -> None:
    head = statistics(build("adaface", monotonic=False, scale=16.0))
    features, labels = batch()
    features = torch.nn.functional.normalize(features) * 90
    expected = margin_losses(head, features, labels, lambda theta, _: math.cos(theta - 0.4) - 0.8).mean()
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-10)


def test_the_length_is_a_constant_that_no_gradient_passes() -> None:
    head = statistics(build("adaface"))
    features, labels = batch()
    to_features = gradients(head, features, labels)[1]
    along = (to_features * features).sum(dim=1)
    assert torch.allclose(along, torch.zeros_like(along), atol=1e-9)


@pytest.mark.parametrize("monotonic", [True, False])
def test_derivatives_of_features_of_clipped_quality(monotonic: bool) -> None:
    # Elsewhere the difference sees the length change the margin, which the paper's gradient does not.
    features, labels = batch(8)
    lengths = torch.tensor([3.0, 80.0] * 4, dtype=torch.float64)
    features = torch.nn.functional.normalize(features) * lengths[:, None]
    head = statistics(build("adaface", scale=4.0, monotonic=monotonic))
    assert derivatives_are_right(head, features, labels)


def test_statistics_follow_training_batches_before_they_are_used() -> None:
    head = build("adaface", norm_rate=0.2)
    assert (head.norm_mean.item(), head.norm_spread.item()) == (20.0, 100.0)
    head.train()
    mean, spread = 20.0, 100.0
    for seed in range(3):
        features, labels = batch(seed=seed)
        norms = np.clip(np.linalg.norm(features.numpy(), axis=1), 1e-3, 100.0)
        mean = 0.8 * mean + 0.2 * norms.mean()
        spread = 0.8 * spread + 0.2 * norms.std(ddof=1)
        loss = head(features, labels)
        assert head.norm_mean.item() == pytest.approx(mean, rel=1e-10)
        assert head.norm_spread.item() == pytest.approx(spread, rel=1e-10)
        assert loss.item() == pytest.approx(statistics(build("adaface"), mean, spread)(features, labels).item())
    head.eval()
    head(*batch(seed=9))
    assert head.norm_mean.item() == pytest.approx(mean, rel=1e-10)


def test_a_batch_of_one_moves_the_mean_and_leaves_the_spread() -> None:
    head = build("adaface").train()
    features, labels = batch(1)
    assert torch.isfinite(head(features, labels))
    assert head.norm_spread.item() == 100.0 and head.norm_mean.item() != 20.0


def test_clipping_spares_good_samples_near_their_centre_from_being_pushed_away() -> None:
    own = torch.cos(torch.tensor([0.1, 0.2], dtype=torch.float64))
    norms = torch.full((2,), 90.0, dtype=torch.float64)
    slopes = {}
    for monotonic in (True, False):
        cosines = own.clone().requires_grad_()
        head = statistics(build("adaface", monotonic=monotonic))
        head.row_rule(cosines, norms).target.sum().backward()
        slopes[monotonic] = cosines.grad
    assert torch.equal(slopes[True], torch.zeros(2, dtype=torch.float64)) and (slopes[False] < 0).all()


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="margin_radians must lie in"):
        build("adaface", margin_radians=-0.4)
    with pytest.raises(ValueError, match="h must be a finite number of at least 0"):
        build("adaface", h=-1)
