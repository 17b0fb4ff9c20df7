"""Mini-batches: what they see of all pairs in expectation, and moments that belong to rows."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import define_problem, min_angle_degrees, random_points, start_run
from hyperface_lib.sphere.objectives import (
    ClosestPairObjective,
    Evaluation,
    GalleryTerm,
    LogSumExp,
    MaximumMeanDiscrepancy,
    WithGallery,
)
from hyperface_lib.sphere.objectives.base import PairObjective
from hyperface_lib.sphere.optimisers import MiniBatch, RiemannianAdam
from hyperface_lib.sphere.stochastic_theory import (
    closest_pair_rank_probabilities,
    expected_batch_maximum,
    pair_probability,
)
from hyperface_lib.sphere.traversal import LocalPairs


def pair_cosines(points: torch.Tensor) -> torch.Tensor:
    first, second = torch.triu_indices(len(points), len(points), offset=1)
    return (points @ points.T)[first, second]


def all_batches(n: int, size: int) -> list[list[int]]:
    return [list(rows) for rows in itertools.combinations(range(n), size)]


class TowardsAPole(PairObjective):
    """A pull to one pole: every row has its own force, and rows do not see one another."""

    name = "pole"

    def __init__(self, points: torch.Tensor) -> None:
        super().__init__()
        self.batches: list[torch.Tensor] = []
        self.pole = random_points(1, points.shape[1], 99, points.dtype)

    def value_and_gradient(self, points: torch.Tensor) -> Evaluation:
        self.batches.append(points)
        return Evaluation(0.0, -self.pole * (2 + points[:, :1]), 0.0)


# What is expected of a batch.


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_expected_gradient_of_an_energy_is_the_full_one_scaled(size: int) -> None:
    n = 7
    points = random_points(n, 4, 1, torch.float64)
    energy = MaximumMeanDiscrepancy(gamma=3.0)

    def gradient_of_the_sum(rows: list[int]) -> torch.Tensor:
        # The discrepancy is 2 / b^2 times the sum over the batch's pairs, plus a constant.
        gradient = torch.zeros_like(points)
        gradient[rows] = energy.value_and_gradient(points[rows]).gradient * len(rows) ** 2 / 2
        return gradient

    batches = all_batches(n, size)
    expected = torch.stack([gradient_of_the_sum(rows) for rows in batches]).mean(dim=0)
    full = gradient_of_the_sum(list(range(n)))
    torch.testing.assert_close(expected, pair_probability(n, size) * full, rtol=1e-10, atol=1e-12)


def test_the_expected_soft_maximum_is_less_than_that_of_the_expected_sum() -> None:
    n, size = 7, 3
    points = random_points(n, 4, 2, torch.float64)
    values = [LogSumExp(0.1).value_and_gradient(points[rows]).value for rows in all_batches(n, size)]
    unbiased = LogSumExp(0.1).value_and_gradient(points).value + 0.1 * math.log(pair_probability(n, size))
    assert sum(values) / len(values) < unbiased - 0.01


def test_the_gradient_of_eq_1_moves_two_points_and_its_expectation_over_batches_nearly_all() -> None:
    n, size = 9, 4
    points = random_points(n, 4, 3, torch.float64)
    expected = torch.zeros_like(points)
    for rows in all_batches(n, size):
        expected[rows] += ClosestPairObjective().value_and_gradient(points[rows]).gradient
    full = ClosestPairObjective().value_and_gradient(points).gradient
    assert int((full.norm(dim=1) > 0).sum()) == 2
    assert int((expected.norm(dim=1) > 0).sum()) >= n - 1


@pytest.mark.parametrize(("n", "size"), [(4, 2), (4, 3), (5, 3), (6, 3), (5, 5)])
def test_rank_probabilities_are_those_of_the_smallest_rank_in_a_random_set_of_pairs(n: int, size: int) -> None:
    pairs, drawn = math.comb(n, 2), math.comb(size, 2)
    counts = torch.zeros(pairs, dtype=torch.float64)
    for ranks in itertools.combinations(range(pairs), drawn):
        counts[ranks[0]] += 1
    found = closest_pair_rank_probabilities(n, size)
    torch.testing.assert_close(found, counts / counts.sum(), rtol=1e-12, atol=1e-15)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), n=st.integers(2, 300))
def test_rank_probabilities_fall_and_sum_to_one(data: st.DataObject, n: int) -> None:
    size = data.draw(st.integers(2, n))
    weights = closest_pair_rank_probabilities(n, size)
    assert float(weights.sum()) == pytest.approx(1, rel=1e-9)
    assert float(weights[0]) == pytest.approx(pair_probability(n, size))
    assert bool((weights.diff() <= 0).all())
    pairs, drawn = math.comb(n, 2), math.comb(size, 2)
    mean_rank = float(weights @ torch.arange(1, pairs + 1, dtype=torch.float64))
    assert mean_rank == pytest.approx((pairs + 1) / (drawn + 1), rel=1e-8)


def test_rank_probabilities_are_nearly_geometric_for_many_points() -> None:
    n, size, ranks = 1000, 100, 50
    share = pair_probability(n, size)
    geometric = share * (1 - share) ** torch.arange(ranks, dtype=torch.float64)
    torch.testing.assert_close(closest_pair_rank_probabilities(n, size, ranks), geometric, rtol=1e-3, atol=0)


def test_rank_probabilities_hold_for_batches_of_points() -> None:
    n, size, draws = 120, 24, 8000
    points = random_points(n, 32, 4, torch.float64)
    generator = torch.Generator().manual_seed(5)
    rows = torch.rand(draws, n, generator=generator).argsort(dim=1)[:, :size]
    cosines = points @ points.T
    first, second = torch.triu_indices(size, size, offset=1)
    largest = cosines[rows[:, first], rows[:, second]].amax(dim=1)
    ranks = torch.searchsorted(-pair_cosines(points).sort(descending=True).values, -largest - 1e-12)
    weights = closest_pair_rank_probabilities(n, size)
    # In groups of ranks of about equal probability; a tenth of each for pairs that share a point.
    edges = [0, *(int((weights.cumsum(0) < share).sum()) for share in (0.2, 0.4, 0.6, 0.8)), len(weights)]
    for start, stop in itertools.pairwise(edges):
        found = float(((ranks >= start) & (ranks < stop)).double().mean())
        assert found == pytest.approx(float(weights[start:stop].sum()), rel=0.12)
    assert expected_batch_maximum(pair_cosines(points), n, size) == pytest.approx(float(largest.mean()), abs=0.005)


def test_a_batch_of_everything_sees_the_closest_pair() -> None:
    cosines = pair_cosines(random_points(8, 3, 6, torch.float64))
    assert expected_batch_maximum(cosines, 8, 8) == pytest.approx(float(cosines.max()))
    assert expected_batch_maximum(cosines, 8, 2) == pytest.approx(float(cosines.mean()))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: pair_probability(5, 1), "batch_size must be between 2 and n = 5, found 1"),
        (lambda: pair_probability(5, 6), "batch_size must be between 2 and n = 5, found 6"),
        (lambda: closest_pair_rank_probabilities(4, 2, 7), "between 1 and the 6 pairs of 4 points, found 7"),
        (lambda: expected_batch_maximum(torch.zeros(5), 4, 2), r"shape \(6,\) for 4 points, found \(5,\)"),
        (lambda: MiniBatch(batch_size=1), "batch_size must be at least 2, found 1"),
    ],
)
def test_senseless_sizes_are_refused(call: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()  # type: ignore[operator]


# What a step does.


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 60), size=st.integers(2, 70), seed=st.integers(0, 5))
def test_an_epoch_draws_every_row_once_in_batches_of_at_least_two(n: int, size: int, seed: int) -> None:
    points = random_points(n, 3, seed, torch.float64)
    objective, optimiser = TowardsAPole(points), MiniBatch(batch_size=size, seed=seed)
    drawn = 0
    while drawn < n:
        optimiser.step(points, objective)
        drawn += len(objective.batches[-1])
        assert 2 <= len(objective.batches[-1]) <= max(size, 3)
    assert drawn == n
    assert torch.equal(torch.cat(objective.batches).sort(dim=0).values, points.sort(dim=0).values)


def test_rows_not_drawn_do_not_move_and_the_evaluation_is_the_batchs() -> None:
    points = random_points(50, 6, 7, torch.float64)
    move = MiniBatch(batch_size=10).step(points, LogSumExp())
    still = (move.points == points).all(dim=1)
    assert int(still.sum()) == 40
    assert not move.covers_all
    expected = LogSumExp().value_and_gradient(points[~still])
    assert move.before.value == pytest.approx(expected.value, rel=1e-12)
    assert move.before.max_cosine == pytest.approx(expected.max_cosine)


def test_every_row_walks_as_if_it_had_been_alone() -> None:
    points = random_points(23, 5, 8, torch.float64)
    optimiser = MiniBatch(batch_size=5)
    moved, objective = points, TowardsAPole(points)
    for _ in range(4 * 5):
        moved = optimiser.step(moved, objective).points
    assert bool((optimiser.state()["counts"] == 4).all())
    alone, adam = points, RiemannianAdam()
    for _ in range(4):
        alone = adam.step(alone, TowardsAPole(points)).points
    torch.testing.assert_close(moved, alone, rtol=0, atol=1e-13)


def test_bias_is_corrected_by_how_often_a_row_was_drawn() -> None:
    # Whenever a row is drawn for the first time, it moves by the full step: also late in the first epoch.
    points = random_points(400, 20, 9, torch.float64)
    optimiser, objective = MiniBatch(step_radians=0.01, batch_size=40), TowardsAPole(points)
    for _ in range(10):
        after = optimiser.step(points, objective).points
        lengths = (after - points).norm(dim=1)
        # All but the radial part of a step of equal coordinates; half of it without the correction by row.
        assert 0.0095 < float(lengths[lengths > 0].mean()) < 0.0101
        points = after


def test_a_batch_of_all_points_is_riemannian_adam() -> None:
    points = other = random_points(30, 5, 10, torch.float64)
    batches, adam = MiniBatch(batch_size=30), RiemannianAdam()
    for _ in range(6):
        move = batches.step(points, LogSumExp())
        assert move.covers_all
        points, other = move.points, adam.step(other, LogSumExp()).points
    torch.testing.assert_close(points, other, rtol=0, atol=1e-9)


def test_the_seed_decides_the_batches() -> None:
    points = random_points(30, 5, 11)
    same, again, other = (MiniBatch(batch_size=6, seed=seed).step(points, LogSumExp()).points for seed in (1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_epochs_are_shuffled_anew() -> None:
    points = random_points(30, 5, 12, torch.float64)
    objective, optimiser = TowardsAPole(points), MiniBatch(batch_size=15)
    for _ in range(4):
        optimiser.step(points, objective)
    assert not torch.equal(objective.batches[0].sort(dim=0).values, objective.batches[2].sort(dim=0).values)


def test_the_gallery_term_is_the_batchs_mean_with_the_batchs_own_nearest_vectors() -> None:
    points, gallery = random_points(40, 6, 13, torch.float64), random_points(25, 6, 14, torch.float64)
    # The nearest vectors are kept for ten evaluations: those of one batch must not be taken for the next one's.
    term = GalleryTerm(gallery, refresh_every=10)
    objective = WithGallery(ClosestPairObjective(), term, 0.5)
    objective.value_and_gradient(points[:10])
    optimiser = MiniBatch(batch_size=10)
    for _ in range(8):
        after = optimiser.step(points, objective).points
        batch = points[(after != points).any(dim=1)]
        assert len(batch) == 10
        assert objective.gallery_distance == pytest.approx(float((1 - batch @ gallery.T).amin(dim=1).mean()))
        points = after
    full = objective.value_and_gradient(points[:10])
    nearest = gallery[(points[:10] @ gallery.T).argmax(dim=1)]
    expected = ClosestPairObjective().value_and_gradient(points[:10]).gradient - 0.5 * nearest / 10
    torch.testing.assert_close(full.gradient, expected)


def test_points_in_other_processes_are_refused() -> None:
    class Halves(LocalPairs):
        """This process holds half of the points."""

        def count(self, points: torch.Tensor) -> int:
            return 2 * len(points)

    objective = LogSumExp()
    objective.pairs = Halves()
    with pytest.raises(ValueError, match="all 40 points in one process, found 20"):
        MiniBatch().step(random_points(20, 4, 15), objective)


def test_a_run_in_mini_batches_spreads_the_points_and_knows_their_angle() -> None:
    run = start_run(define_problem(240, 16, seed=16), "hinge", "minibatch-adam", total_steps=400)
    assert isinstance(run.optimiser, MiniBatch)
    run.optimiser.batch_size = 60
    start = min_angle_degrees(run.points)
    run.step(400)
    found = min_angle_degrees(run.best_points)
    assert found > start + 15
    assert found <= max(record.min_angle_degrees for record in run.history) + 1e-3


def test_algorithm_2_beats_algorithm_1_at_equal_cost() -> None:
    # A step of either moves one pair; that of a batch of a third of the points costs a ninth.
    angles = []
    for batch_size, steps in ((300, 40), (100, 360)):
        points, objective = random_points(300, 64, seed=17), ClosestPairObjective()
        optimiser = MiniBatch(step_radians=0.02, batch_size=batch_size)
        for _ in range(steps):
            points = optimiser.step(points, objective).points
        angles.append(min_angle_degrees(points))
    assert angles[1] > angles[0] + 3
