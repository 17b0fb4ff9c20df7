"""Cleaning by sub-centres: angles by hand, the dominant sub-centre, what is dropped, and that it finds the noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hyperface_lib.losses import create_head
from hyperface_lib.training import Recipe, create_trainer
from hyperface_lib.training.cleaning import (
    clean_labels,
    dominant_angles,
    dominant_sub_centers,
    drop_sub_centers,
    measure_sub_center_angles,
    sample_kinds,
    sub_center_angles,
    valley_degrees,
)
from hyperface_lib.training.label_noise import add_label_noise
from hyperface_lib.training.small_loss import SmallLossArcFaceHead


def plane(*degrees: float) -> torch.Tensor:
    return torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees])


def test_angles_in_the_plane() -> None:
    weight = torch.stack([3 * plane(0, 90), 0.2 * plane(180, 30)])
    found = sub_center_angles(5 * plane(10, 50), weight, torch.tensor([0, 1]))
    np.testing.assert_allclose(found, [[10, 80], [130, 20]], atol=1e-4)


def test_one_centre_a_class_has_one_column_and_a_centre_itself_no_angle() -> None:
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    found = sub_center_angles(weight, weight, torch.arange(4))
    assert found.shape == (4, 1)
    np.testing.assert_allclose(found, 0, atol=1e-4)


def test_l7_takes_the_nearest_sub_centre_of_all_classes() -> None:
    """theta_j = arccos(max_k W_jk . x), worked out here with numpy in float64."""
    head = create_head("subcenter-arcface", dimension=5, classes=7, sub_centers=3)
    features = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    weight = head.weight.detach().numpy().astype(np.float64)
    unit = weight / np.linalg.norm(weight, axis=2, keepdims=True)
    rows = features.numpy().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = np.degrees(np.arccos(np.einsum("jkd,nd->njk", unit, rows).max(axis=2)))
    labels = torch.arange(9) % 7
    nearest = sub_center_angles(features, head.weight, labels).min(axis=1)
    np.testing.assert_allclose(nearest, expected[np.arange(9), labels], atol=1e-6)
    cosines = head.cosines(features).detach().numpy()
    np.testing.assert_allclose(np.degrees(np.arccos(cosines)), expected, atol=1e-2)


@pytest.mark.parametrize(
    ("features", "labels"), [((3, 4), [0, 1, 1]), ((3, 2), [0, 1]), ((3, 2), [0, 1, 2]), ((3, 2), [0, -1, 1])]
)
def test_shapes_that_disagree_are_named(features: tuple[int, int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match="must"):
        sub_center_angles(torch.ones(features), torch.ones(2, 3, 2), torch.tensor(labels))


def test_dominant_is_the_most_populated_not_the_nearest() -> None:
    angles = np.array([[40, 60], [50, 70], [80, 1], [30, 20], [90, 10.0]])
    assert dominant_sub_centers(angles, [0, 0, 0, 1, 1], 2).tolist() == [0, 1]
    np.testing.assert_array_equal(dominant_angles(angles, [0, 0, 0, 1, 1], np.array([0, 1])), [40, 50, 80, 20, 10])


def test_a_tie_goes_to_the_nearer_samples_and_nobody_to_the_first() -> None:
    angles = np.array([[50, 90], [90, 20.0]])
    assert dominant_sub_centers(angles, [1, 1], 3).tolist() == [0, 1, 0]
    assert dominant_sub_centers(angles[:, ::-1], [1, 1], 3).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="need labels"):
        dominant_sub_centers(angles, [0], 3)


def test_dropping_leaves_an_arcface_head_with_those_centres() -> None:
    head = create_head("subcenter-arcface", dimension=5, classes=4, sub_centers=3, scale=20.0, margin_radians=0.3)
    dominant = np.array([2, 0, 1, 2])
    single = drop_sub_centers(head, dominant)
    assert torch.equal(single.weight, head.weight[torch.arange(4), torch.from_numpy(dominant)])
    features, labels = torch.randn(6, 5), torch.arange(6) % 4
    expected = create_head("arcface", dimension=5, classes=4, scale=20.0, margin_radians=0.3)
    expected.load_state_dict(single.state_dict())
    torch.testing.assert_close(single(features, labels), expected(features, labels))
    with torch.no_grad():
        single.weight.zero_()
    assert float(head.weight.detach().abs().sum()) > 0


@pytest.mark.parametrize("dominant", [[0, 1], [0, 1, 2, 3], [0, 0, 0, -1]])
def test_dropping_wants_one_sub_centre_for_each_class(dominant: list[int]) -> None:
    head = create_head("subcenter-arcface", dimension=5, classes=4, sub_centers=3)
    with pytest.raises(ValueError, match="one sub-centre for each class"):
        drop_sub_centers(head, np.array(dominant))


def test_cleaning_drops_what_is_far_and_people_left_empty() -> None:
    angles = [10, 80, 75, 90, 88, 40]
    cleaned = clean_labels(angles, [0, 0, 2, 5, 5, 7], 75.0, is_clean=[1, 0, 0, 1, 0, 1])
    assert cleaned.rows.tolist() == [0, 2, 5]
    assert cleaned.labels.tolist() == [0, 1, 2] and cleaned.identities.tolist() == [0, 2, 7]
    report = cleaned.report
    assert (report.samples, report.kept, report.dropped) == (6, 3, 3)
    assert (report.identities, report.identities_dropped) == (4, 1)
    assert report.noise_before == pytest.approx(1 / 2) and report.noise_after == pytest.approx(1 / 3)
    assert report.clean_kept == pytest.approx(2 / 3)


def test_without_the_truth_the_report_claims_nothing() -> None:
    report = clean_labels([10, 80], [3, 3]).report
    assert (report.noise_before, report.noise_after, report.clean_kept) == (None, None, None)
    assert report.threshold_degrees == 75 and report.kept == 1


def test_cleaning_refuses_what_makes_no_set() -> None:
    with pytest.raises(ValueError, match=r"no sample lies within 75.0 degrees of its centre, the nearest at 80.0"):
        clean_labels([80, 90], [0, 1])
    with pytest.raises(ValueError, match="one angle for each label"):
        clean_labels([80, 90], [0])
    with pytest.raises(ValueError, match="the truth must be"):
        clean_labels([10, 20], [0, 1], is_clean=[True])


def test_the_four_kinds() -> None:
    kinds = sample_kinds([10, 90, 10, 90], [True, True, False, False], 75.0)
    assert list(kinds) == ["easy clean", "hard clean", "hard noisy", "easy noisy"]


def test_the_valley_lies_between_two_hills() -> None:
    generator = np.random.default_rng(0)
    angles = np.concatenate([generator.normal(40, 6, 3000), generator.normal(85, 6, 2000)])
    assert valley_degrees(angles) == pytest.approx(62.5, abs=2)
    assert valley_degrees([10.5] * 5 + [90.5] * 2) == pytest.approx(51, abs=1)
    with pytest.raises(ValueError, match="no valley"):
        valley_degrees([10.1, 10.2])


def test_small_losses_count_and_large_ones_come_to_count_nothing() -> None:
    head = SmallLossArcFaceHead(4, 3, noise_share=0.5, ramp_steps=2)
    losses, nothing = torch.tensor([1.0, 8.0, 2.0, 5.0], requires_grad=True), torch.zeros(4)
    means = [float(head.reduce(losses, nothing, nothing).detach()) for _ in range(4)]
    assert means == pytest.approx([4.0, 8 / 3, 1.5, 1.5])
    head.reduce(losses, nothing, nothing).backward()
    assert losses.grad is not None and losses.grad.tolist() == [0.5, 0, 0.5, 0]
    assert float(head.eval().reduce(losses, nothing, nothing).detach()) == 4.0
    assert int(head.state_dict()["steps"]) == 5
    with pytest.raises(ValueError, match="noise_share must lie in"):
        SmallLossArcFaceHead(4, 3, noise_share=1.0)


def test_small_loss_weights_reach_the_loss_of_a_batch() -> None:
    torch.manual_seed(0)
    head = SmallLossArcFaceHead(6, 5, scale=16.0, margin_radians=0.2, noise_share=0.5, ramp_steps=1)
    features, labels = torch.randn(8, 6, requires_grad=True), torch.arange(8) % 5
    head(features, labels)
    head(features, labels).backward()
    assert features.grad is not None
    assert int((features.grad.abs().sum(dim=1) > 0).sum()) == 4


def test_cleaning_finds_the_noise_in_a_small_world(small_world: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = small_world
    outside = np.random.default_rng(5).integers(0, 256, (40, *images.shape[1:])).astype(np.uint8)
    noise = add_label_noise(labels, len(outside), share=0.3, seed=2)
    seen = np.concatenate([images, outside])[noise.images]
    options = {"scale": 16.0, "margin_radians": 0.1, "sub_centers": 3}
    recipe = Recipe("tiny", 32, head="subcenter-arcface", head_options=options, max_steps=60, batch_size=24)
    trainer = create_trainer(seen, noise.labels, recipe)
    trainer.fit()
    angles = measure_sub_center_angles(trainer.backbone, trainer.head, seen, noise.labels)
    own = dominant_angles(angles, noise.labels, dominant_sub_centers(angles, noise.labels, 12))
    report = clean_labels(own, noise.labels, valley_degrees(own), noise.is_clean).report
    assert report.noise_before == pytest.approx(0.3, abs=0.01)
    assert report.noise_after is not None and report.noise_after < 0.15
    assert report.clean_kept is not None and report.clean_kept > 0.7
