"""Identities of known geometry score what geometry says; every count is that of the whole matrix in float64."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import AngleDistribution, factor_variation, score_dataset
from hyperface_lib.evaluation.angle_distributions import AngleTally, pair_angles
from hyperface_lib.evaluation.consistency import check_consistency
from hyperface_lib.evaluation.identity_centres import identity_centres


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def degrees(cosines: np.ndarray | float) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def people(seed: int, identities: int = 6, each: int = 5, dimension: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(identities) * 3, each))
    return unit(
        unit(rng.normal(size=(identities, dimension)))[labels // 3] + 0.3 * rng.normal(size=(len(labels), 8))
    ), labels


def test_orthonormal_classes_are_as_unique_and_consistent_as_can_be() -> None:
    scores = score_dataset(np.repeat(np.eye(7), 4, axis=0), np.repeat(list("gfedcba"), 4), [30, 89, 90, 91])
    assert (scores.identities, scores.images, scores.single_image_identities) == (7, 28, 0)
    assert (scores.genuine.mean_degrees, scores.genuine.std_degrees) == (0.0, 0.0)
    assert scores.impostor.mean_degrees == pytest.approx(90, abs=1e-4) and len(scores.impostor) == 21 * 16
    assert scores.centres.deciles_degrees == pytest.approx(90, abs=0.05) and len(scores.centres) == 21
    assert scores.misplaced_share == 0.0 and not scores.misplaced.any()
    assert scores.d_prime == np.inf and scores.overlap == 0.0
    assert len(scores.duplicates) == 21  # of each four, all but the first
    assert scores.capacity.unique.tolist() == [7, 7, 7, 1] and scores.capacity.isolated.tolist() == [7, 7, 7, 0]
    assert scores.by_identity.spread_degrees == pytest.approx(0, abs=1e-4)
    assert scores.by_identity.nearest_degrees == pytest.approx(90, abs=1e-4)
    assert scores.estimate is not None
    json.dumps(scores.to_record(), allow_nan=False)


def test_two_identical_classes_are_one_person_twice() -> None:
    rng = np.random.default_rng(0)
    one, other = (
        unit(np.eye(6)[0] + 0.05 * rng.normal(size=(5, 6))),
        unit(np.eye(6)[3] + 0.05 * rng.normal(size=(5, 6))),
    )
    scores = score_dataset(np.concatenate([one, other, one]), np.repeat([10, 20, 30], 5), [5.0, 60.0, 89.0])
    # the twin's centre holds the image itself, its own centre does not
    assert scores.misplaced.tolist() == [True] * 5 + [False] * 5 + [True] * 5
    assert scores.misplaced_share == pytest.approx(10 / 15)
    assert scores.capacity.unique[:2].tolist() == [2, 2] and scores.capacity.isolated[0] == 1
    assert scores.by_identity.nearest.tolist()[::2] == [2, 0]
    assert scores.by_identity.nearest_degrees[[0, 2]] == pytest.approx(0, abs=0.1)
    assert set(scores.by_identity.worst(2).tolist()) == {0, 2}
    # all five of the second class are copies
    assert scores.duplicates.tolist() == [10, 11, 12, 13, 14]
    assert scores.to_record()["worst"][0]["misplaced"] == 5


def test_classes_that_are_one_point_tie_and_a_tie_is_a_miss() -> None:
    scores = score_dataset(np.tile(np.eye(4)[0], (6, 1)), np.repeat([0, 1], 3))
    assert scores.misplaced_share == 1.0 and scores.d_prime == 0.0 and scores.overlap == 1.0
    assert scores.capacity.unique.tolist() == [1] * len(scores.capacity.unique) and scores.estimate is None


@settings(max_examples=30)
@given(seed=st.integers(0, 999))
def test_every_number_is_that_of_its_definition(seed: int) -> None:
    vectors, labels = people(seed)
    scores = score_dataset(vectors, labels, [20, 50, 80])
    pairs = list(combinations(range(len(labels)), 2))
    angles = np.array([degrees(vectors[i] @ vectors[j]) for i, j in pairs])
    same = np.array([labels[i] == labels[j] for i, j in pairs])
    for found, expected in ((scores.genuine, angles[same]), (scores.impostor, angles[~same])):
        assert len(found) == len(expected)
        assert found.mean_degrees == pytest.approx(expected.mean(), abs=1e-3)
        assert found.std_degrees == pytest.approx(expected.std(), abs=1e-3)
        for share, decile in zip(np.arange(1, 10) / 10, found.deciles_degrees, strict=True):
            assert (expected <= decile - 0.06).mean() <= share <= (expected <= decile + 0.06).mean() + 1e-9
    genuine, impostor = angles[same], angles[~same]
    spread = np.sqrt((genuine.var() + impostor.var()) / 2)
    assert scores.d_prime == pytest.approx((impostor.mean() - genuine.mean()) / spread, abs=1e-3)
    names = np.unique(labels)
    centres = np.stack([unit(vectors[labels == name].sum(axis=0)) for name in names])
    between = degrees(centres @ centres.T)[np.triu_indices(len(names), 1)]
    assert scores.centres.mean_degrees == pytest.approx(between.mean(), abs=1e-3)
    for row, (vector, label) in enumerate(zip(vectors, labels, strict=True)):
        others = (labels == label) & (np.arange(len(labels)) != row)
        own = unit(vectors[others].sum(axis=0)) @ vector
        other = max(centres[k] @ vector for k, name in enumerate(names) if name != label)
        if abs(own - other) > 1e-5:
            assert scores.misplaced[row] == (own <= other)
    apart = degrees(centres @ centres.T) + 360 * np.eye(len(names))
    assert scores.by_identity.nearest_degrees == pytest.approx(apart.min(axis=1), abs=1e-2)
    assert scores.by_identity.misplaced.sum() == scores.misplaced.sum()


def test_identities_of_one_image_are_impostors_and_centres_only() -> None:
    vectors = np.concatenate([np.eye(5)[[0, 0, 1]], np.eye(5)[[2]]])
    scores = score_dataset(vectors, [0, 0, 1, 2])
    assert scores.single_image_identities == 2 and len(scores.genuine) == 1 and len(scores.impostor) == 5
    assert len(scores.own_centre) == 2 and len(scores.other_centre) == 4 and len(scores.centres) == 3
    assert np.isnan(scores.by_identity.spread_degrees[1:]).all() and scores.misplaced_share == 0.0
    alone = score_dataset(np.eye(3), [0, 1, 2])
    assert np.isnan(alone.misplaced_share) and np.isnan(alone.d_prime) and np.isnan(alone.overlap)
    assert np.isnan(alone.genuine.deciles_degrees).all() and len(alone.genuine) == 0
    record = json.loads(json.dumps(alone.to_record(), allow_nan=False))
    assert record["d_prime"] is None and record["angles"]["genuine"]["mean_degrees"] is None


@pytest.mark.parametrize("block", [1, 5, 6, 7, 29, 30, 31])
def test_blocks_of_any_size_give_the_same(block: int) -> None:
    vectors, labels = people(4)
    points = torch.from_numpy(vectors).float()
    found = identity_centres(points, labels)
    whole, blocked = (check_consistency(points, found, block=size) for size in (1000, block))
    assert np.array_equal(whole.other_identity, blocked.other_identity)
    assert np.array_equal(whole.misplaced, blocked.misplaced)
    assert whole.other_cosines == pytest.approx(blocked.other_cosines, abs=1e-6)


def test_pairs_over_several_blocks_are_all_counted_once() -> None:
    rng = np.random.default_rng(2)
    points, identity = unit(rng.normal(size=(1203, 6))).astype(np.float32), rng.integers(0, 90, 1203)
    points[1200], points[7] = points[3], points[900]
    found = pair_angles(torch.from_numpy(points), identity, 0.5, progress=False)
    first, second = np.triu_indices(1203, 1)
    angles = degrees((points.astype(np.float64) @ points.T.astype(np.float64))[first, second])
    same = identity[first] == identity[second]
    assert (len(found.genuine), len(found.impostor)) == (same.sum(), (~same).sum())
    assert found.genuine.mean_degrees == pytest.approx(angles[same].mean(), abs=1e-3)
    assert found.impostor.std_degrees == pytest.approx(angles[~same].std(), abs=1e-3)
    assert np.abs(found.impostor.coarse_counts(5.0) - np.histogram(angles[~same], 36, (0, 180))[0]).max() <= 10
    close = [(i, j) for i, j, angle in zip(first, second, angles, strict=True) if angle <= 0.5]
    order = np.lexsort((np.arange(1203), identity))
    place = np.argsort(order)
    assert found.duplicates.tolist() == sorted({int(max(i, j, key=lambda row: place[row])) for i, j in close})


def test_of_a_large_set_whole_identities_are_compared() -> None:
    vectors, labels = people(1, identities=20, each=4)
    scores = score_dataset(vectors, labels, compared_images=30)
    assert scores.compared_images == 28 and len(scores.genuine) == 7 * 6
    assert len(scores.own_centre) == 80 and len(scores.centres) == 190
    assert score_dataset(vectors, labels, compared_images=1).compared_images == 8


def test_distributions_by_hand() -> None:
    angles = AngleDistribution.of([10.01, 20.01, 30.01, np.nan, 180.0])
    assert len(angles) == 4 and angles.mean_degrees == pytest.approx(60.0075)
    assert angles.share_below(20) == 0.25 and angles.share_below(30.05) == 0.75 and angles.share_below(180) == 1.0
    assert angles.quantiles_degrees([0.25, 0.5, 1]) == pytest.approx([10.05, 20.05, 180])
    assert angles.coarse_counts()[[10, 20, 30, 179]].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="divide 180"):
        angles.coarse_counts(7.0)
    tally = AngleTally()
    tally.add(torch.empty(0))
    assert len(tally.distribution()) == 0 and np.isnan(tally.distribution().mean_degrees)


@pytest.mark.parametrize(
    ("vectors", "labels", "thresholds", "named"),
    [
        (np.eye(3), [0, 1], [30], "3 vectors"),
        (np.eye(3), [5, 5, 5], [30], "found 1"),
        (np.zeros((0, 3)), [], [30], "found 0"),
        (np.eye(3) * 3, [0, 1, 2], [30], "unit rows"),
        (np.eye(3), [0, 1, 2], [0], "thresholds must be above 0"),
        (np.eye(3), [0, 1, 2], [200], "180"),
        (np.concatenate([np.eye(3), -np.eye(3)[:1]]), [7, 8, 9, 7], [30], "Identity 7 has no centre"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    vectors: np.ndarray, labels: list[int], thresholds: list[float], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        score_dataset(vectors, labels, thresholds)


@settings(max_examples=40)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=25), seed=st.integers(0, 99))
def test_variation_is_that_of_numpy_by_identity(labels: list[int], seed: int) -> None:
    values, ids = np.random.default_rng(seed).normal(size=len(labels)), np.array(labels)
    found = factor_variation({"yaw": values}, ids)
    several = [label for label in np.unique(ids) if (ids == label).sum() > 1]
    if not several:
        assert found == ()
        return
    (yaw,) = found
    assert yaw.std == pytest.approx([values[ids == label].std() for label in several])
    assert yaw.value_range == pytest.approx([np.ptp(values[ids == label]) for label in several])
    asked = np.isin(ids, several)
    assert yaw.overall_std == pytest.approx(values[asked].std())
    within = sum((values[ids == label] - values[ids == label].mean()) @ values[ids == label] for label in several)
    assert yaw.within_share == pytest.approx(within / asked.sum() / values[asked].var())


def test_variation_tells_a_mix_within_people_from_one_between_them() -> None:
    labels = np.repeat([0, 1], 2)
    one, other, never = factor_variation({"a": [0, 1, 0, 1], "b": [0, 0, 1, 1], "c": [2, 2, 2, 2]}, labels)
    assert (one.within_share, other.within_share) == (1.0, 0.0) and np.isnan(never.within_share)
    assert never.to_record()["within_share"] is None and one.to_record()["mean_range"] == 1.0
    with pytest.raises(ValueError, match="'a' needs a finite value"):
        factor_variation({"a": [0, 1, np.nan, 0]}, labels)
    scores = score_dataset(np.eye(4), labels, factors={"a": [0, 1, 0, 1]})
    assert scores.variation[0].factor == "a" and scores.to_record()["variation"][0]["identities"] == 2


def test_centres_are_means_brought_to_unit_length_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = people(3)
    monkeypatch.setattr("hyperface_lib.evaluation.identity_centres.BLOCK", 7)
    found = identity_centres(torch.from_numpy(vectors).float(), labels)
    assert found.labels.tolist() == np.unique(labels).tolist() and np.array_equal(found.labels[found.identity], labels)
    expected = np.stack([unit(vectors[labels == name].sum(axis=0)) for name in found.labels])
    assert found.centres.numpy() == pytest.approx(expected, abs=1e-6) and found.counts.tolist() == [5] * 6
