import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from hyperface_lib.evaluation import (
    enrol,
    frechet_distance,
    frechet_floor,
    genuine_impostor_cosines,
    intra_class_cosine,
    leave_one_out_rank1,
    score_generated,
    score_packed,
)


def people(
    spread: float, count: int = 12, images: int = 6, dimension: int = 32, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(count, dimension)), images, axis=0)
    return centres + spread * rng.normal(size=centres.shape), np.repeat(np.arange(count), images)


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Draw a sample whose mean and covariance are exactly the given ones."""
    draws = np.random.default_rng(seed).normal(size=(count, len(mean)))
    draws -= draws.mean(axis=0)
    draws = draws @ np.linalg.inv(np.linalg.cholesky(np.cov(draws, rowvar=False))).T
    return draws @ np.linalg.cholesky(covariance).T + mean


def test_the_frechet_distance_of_a_set_to_itself_is_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 8))
    assert frechet_distance(features, features[::-1]) == pytest.approx(0.0, abs=1e-9)


def test_the_frechet_distance_of_gaussians_has_its_closed_form() -> None:
    # commuting covariances: |m1 - m2|^2 + sum (sigma1 - sigma2)^2
    first = with_moments(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 40)
    second = with_moments(np.array([1.0, 2.0, 0.0]), np.diag([4.0, 4.0, 1.0]), 70, seed=1)
    assert frechet_distance(first, second) == pytest.approx(5.0 + 1.0 + 0.0 + 4.0)


def test_the_frechet_distance_of_any_covariances_is_that_of_the_matrix_square_root() -> None:
    rng = np.random.default_rng(3)
    first, second = (
        rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)),
        rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5)) + 1,
    )
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    expected = shift + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 500), count=st.integers(3, 12))
def test_the_frechet_distance_is_symmetric_turns_with_the_space_and_survives_few_samples(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(count, 16)), rng.normal(size=(count + 1, 16)) + 0.3  # singular covariances
    distance = frechet_distance(first, second)
    rotation = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    assert distance == pytest.approx(frechet_distance(second, first), rel=1e-5)
    assert distance == pytest.approx(frechet_distance(first @ rotation, second @ rotation), rel=1e-5)
    assert frechet_distance(first + 100, second + 100) == pytest.approx(distance, rel=1e-5)


def test_the_floor_is_far_below_another_distribution() -> None:
    real = np.random.default_rng(0).normal(size=(2000, 4))
    assert 0 < frechet_floor(real) < 0.05 < frechet_distance(real + 1.0, real) == pytest.approx(4.0)
    assert frechet_floor(real, seed=1) != frechet_floor(real, seed=2)


def test_features_that_are_not_two_sets_of_numbers_are_refused() -> None:
    for first, second in ((np.zeros((1, 3)), np.zeros((5, 3))), (np.zeros((5, 3)), np.zeros((5, 4)))):
        with pytest.raises(ValueError, match="features"):
            frechet_distance(first, second)
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(np.full((3, 2), np.nan), np.zeros((3, 2)))


def test_intra_class_cosine_is_the_mean_over_identities_of_the_mean_over_pairs() -> None:
    vectors, labels = people(1.0, count=4, images=3)
    vectors, labels = vectors[:-1], labels[:-1]  # the last identity has two images and weighs as much
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    means = []
    for label in range(4):
        rows = np.flatnonzero(labels == label)
        means.append(np.mean([unit[i] @ unit[j] for i in rows for j in rows if i < j]))
    assert intra_class_cosine(vectors, labels) == pytest.approx(np.mean(means))
    assert math.isnan(intra_class_cosine(np.eye(3), [0, 1, 2]))


def test_leave_one_out_finds_people_who_gather_and_not_those_who_do_not() -> None:
    vectors, labels = people(0.1)
    assert leave_one_out_rank1(vectors, labels) == 1.0
    noise = np.random.default_rng(1).normal(size=(2000, 16))
    assert leave_one_out_rank1(noise, np.repeat(np.arange(500), 4)) < 0.02


def test_leave_one_out_does_not_ask_for_the_only_image_and_counts_a_tie_as_a_miss() -> None:
    assert leave_one_out_rank1([[1, 0], [1, 0.1], [0, 1]], [0, 0, 1]) == 1.0
    assert leave_one_out_rank1([[1, 0], [1, 0], [1, 0]], [0, 0, 1]) == 0.0
    assert math.isnan(leave_one_out_rank1(np.eye(2), [0, 1]))


def test_genuine_and_impostor_pairs_are_all_pairs_once() -> None:
    genuine, impostor = genuine_impostor_cosines(*people(0.5, count=3, images=4))
    assert len(genuine) == 3 * 6 and len(impostor) == 12 * 11 // 2 - 18 and genuine.mean() > impostor.mean()


def test_enrolment_averages_directions() -> None:
    centres, labels = enrol([[2.0, 0.0], [0.0, 9.0], [0.0, 1.0]], ["b", "b", "a"])
    assert labels.tolist() == ["a", "b"]
    assert centres == pytest.approx(np.array([[0.0, 1.0], [math.sqrt(0.5), math.sqrt(0.5)]]))


def test_faithful_images_score_high_and_the_average_face_scores_low() -> None:
    real, labels = people(0.3, seed=0)
    enrolled, ids = enrol(real, labels)
    faithful = np.repeat(enrolled, 4, axis=0) + 0.05 * np.random.default_rng(1).normal(size=(48, 32))
    asked = np.repeat(ids, 4)
    good = score_generated(faithful, asked, enrolled, ids, real, real, real, labels)
    assert good.rank1 == 1.0 and good.cosine > 0.9 > 0.2 > abs(good.impostor_cosine) and good.tpr_at_fpr_1e_2 == 1.0
    assert good.identities == 12 and good.images == 48
    assert good.frechet == pytest.approx(0.0, abs=1e-6) and good.frechet_floor > 0
    assert good.real_intra_class_cosine == pytest.approx(intra_class_cosine(real, labels))
    lost = score_generated(np.tile(enrolled.mean(axis=0), (48, 1)), asked, enrolled, ids)
    assert lost.rank1 <= 1 / 12 and lost.intra_class_cosine == pytest.approx(1.0)
    assert math.isnan(lost.frechet) and lost.to_record()["frechet"] is None
    json.dumps(good.to_record(), allow_nan=False)


def test_cosines_are_to_the_own_and_to_the_other_people() -> None:
    scores = score_generated([[1, 0, 0], [0.6, 0.8, 0]], ["a", "b"], np.eye(3), ["a", "b", "c"])
    assert scores.cosine == pytest.approx((1.0 + 0.8) / 2)
    assert scores.impostor_cosine == pytest.approx((0 + 0 + 0.6 + 0) / 4)


def test_features_are_measured_in_the_real_ones_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = people(0.1)
    real, fake = rng.normal(size=(400, 3)), rng.normal(size=(400, 3)) + 1
    scale = np.array([1.0, 100.0, 0.01])
    plain = score_generated(vectors, labels, *enrol(vectors, labels), fake, real)
    scaled = score_generated(vectors, labels, *enrol(vectors, labels), fake * scale, real * scale)
    assert scaled.frechet == pytest.approx(plain.frechet) and 2.0 < plain.frechet < 4.5
    constant = np.column_stack([real, np.ones(400)])
    assert math.isfinite(score_generated(vectors, labels, *enrol(vectors, labels), constant, constant).frechet)


def test_an_image_of_somebody_not_enrolled_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the gallery"):
        score_generated(np.eye(2), ["a", "z"], np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match="twice"):
        score_generated(np.eye(2), ["a", "b"], np.eye(2), ["a", "a"])


def test_packed_scores_tell_angles_in_degrees() -> None:
    angles = np.radians([0, 10, 90, 110])
    scores = score_packed(np.stack([np.cos(angles), np.sin(angles)], axis=1), [0, 0, 1, 1])
    assert scores.genuine_angle_degrees == pytest.approx((10 + 20) / 2)
    assert scores.impostor_angle_degrees == pytest.approx((90 + 110 + 80 + 100) / 4)
    assert scores.genuine_angle_quantiles_degrees[1] == pytest.approx(15)
    assert scores.rank1 == 1.0 and scores.equal_error_rate == 0.0 and scores.tpr_at_fpr_1e_2 == 1.0
    json.dumps(scores.to_record(), allow_nan=False)
    with pytest.raises(ValueError, match="Two identities"):
        score_packed(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="one label each"):
        score_packed(np.eye(3), [0, 1])
