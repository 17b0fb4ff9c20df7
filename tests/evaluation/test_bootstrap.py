"""Intervals derived again with loops over replicates, pairs and thresholds, and their coverage of a known truth."""

import itertools
import math

import numpy as np
import pytest

from hyperface_lib.evaluation import ByGroups, ByPeople, PairScores, bootstrap, bootstrap_verification

RATES = (0.5, 0.1, 0.05)


def scores_of_people(
    seed: int, people_a_fold: int = 4, folds: int = 5, pairs_each: int = 3, person_std: float = 0.25
) -> PairScores:
    """Score as many genuine as impostor pairs a person; a person's genuine cosines share one shift."""
    rng = np.random.default_rng(seed)
    count = people_a_fold * folds
    shift = person_std * rng.normal(size=count)
    cosines, same, fold, people = [], [], [], []
    for person in range(count):
        first = person // people_a_fold * people_a_fold
        for pair in range(pairs_each):
            other = first + (person - first + 1 + pair % (people_a_fold - 1)) % people_a_fold
            cosines += [0.45 + shift[person] + 0.1 * rng.normal(), 0.15 * rng.normal()]
            same += [True, False]
            people += [(person, person), (person, other)]
            fold += [person // people_a_fold] * 2
    return PairScores(
        "made",
        np.clip(cosines, -1, 1),
        np.array(same),
        np.array(fold),
        np.arange(len(same)),
        np.array(people),
    )


def rounded(scores: PairScores, digits: int = 1) -> PairScores:
    return PairScores(
        scores.name, np.round(scores.cosines, digits), scores.is_same, scores.folds, scores.pair_numbers, scores.people
    )


def rates_of(genuine: list[float], impostors: list[float]) -> list[float]:
    """Return the equal error rate and the true positive rates at RATES, from every threshold there is."""
    points = [(0.0, 0.0)]
    for threshold in sorted({*genuine, *impostors}, reverse=True):
        accepted = [sum(score >= threshold for score in kind) / len(kind) for kind in (impostors, genuine)]
        points.append((accepted[0], accepted[1]))
    equal = math.nan
    for (left, low), (right, high) in itertools.pairwise(points):
        before, after = left - (1 - low), right - (1 - high)
        if after >= 0:
            equal = left + (right - left) * -before / (after - before)
            break
    return [equal, *(max(true for false, true in points if false <= rate) for rate in RATES)]


def slow(scores: PairScores, replicates: int, seed: int, kind: str) -> np.ndarray:
    """Return (replicates, 2 + rates), every replicate a list in which pairs stand as often as they were drawn."""
    thresholds = dict(zip(sorted(set(scores.folds.tolist())), scores.verify().thresholds.tolist(), strict=True))
    assert scores.people is not None
    units = {"people": sorted(set(scores.people.ravel().tolist())), "folds": sorted(set(scores.folds.tolist()))}[kind]
    draws = np.random.default_rng(seed).integers(len(units), size=(replicates, len(units)))
    rows = []
    for draw in draws:
        times = {unit: sum(1 for drawn in draw if units[drawn] == unit) for unit in units}
        drawn: dict[bool, list[tuple[float, bool]]] = {True: [], False: []}
        for pair in range(len(scores.cosines)):
            cosine, same, fold = float(scores.cosines[pair]), bool(scores.is_same[pair]), int(scores.folds[pair])
            one, other = scores.people[pair].tolist()
            often = times[fold] if kind == "folds" else times[one] if same else times[one] * times[other]
            right = (2 - 2 * cosine < thresholds[fold]) == same
            drawn[same] += [(cosine, right)] * often
        share = sum(scores.is_same.tolist()) / len(scores.is_same)
        hits = {same: sum(right for _, right in pairs) / len(pairs) for same, pairs in drawn.items()}
        accuracy = share * hits[True] + (1 - share) * hits[False]
        rows.append([accuracy, *rates_of(*([cosine for cosine, _ in drawn[same]] for same in (True, False)))])
    return np.array(rows)


def quantile(values: np.ndarray, share: float) -> float:
    falling = sorted(values.tolist())
    place = share * (len(falling) - 1)
    below = min(int(place), len(falling) - 2)
    return falling[below] + (place - below) * (falling[below + 1] - falling[below])


@pytest.mark.parametrize("kind", ["people", "folds"])
@pytest.mark.parametrize("ties", [False, True])
def test_intervals_are_those_of_a_slow_bootstrap_with_the_same_draws(
    kind: str, ties: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = rounded(scores_of_people(3)) if ties else scores_of_people(3)
    assert scores.people is not None
    resampling = ByPeople(scores.people) if kind == "people" else ByGroups(scores.folds, "folds")
    found = bootstrap_verification(scores, resampling, RATES, replicates=25, level=0.8, seed=7)
    expected = slow(scores, 25, 7, kind)
    intervals = [found.accuracy, found.equal_error_rate, *found.tpr_at_fpr.values()]
    assert list(found.tpr_at_fpr) == list(RATES) and (found.level, found.replicates) == (0.8, 25)
    for interval, values in zip(intervals, expected.T, strict=True):
        assert interval.low == pytest.approx(quantile(values, 0.1), abs=1e-12)
        assert interval.high == pytest.approx(quantile(values, 0.9), abs=1e-12)
    # how many replicates are held at a time changes nothing
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 7 * len(scores.cosines))
    assert bootstrap_verification(scores, resampling, RATES, replicates=25, level=0.8, seed=7) == found


@pytest.mark.parametrize("ties", [False, True])
def test_estimates_are_what_the_protocol_says(ties: bool) -> None:
    scores = rounded(scores_of_people(5)) if ties else scores_of_people(5)
    found, verification = bootstrap_verification(scores, rates=RATES, replicates=20), scores.verify()
    assert found.accuracy.estimate == pytest.approx(verification.accuracy, abs=1e-12)
    assert found.equal_error_rate.estimate == pytest.approx(verification.eer, abs=1e-12)
    curve = verification.roc()
    assert {rate: interval.estimate for rate, interval in found.tpr_at_fpr.items()} == {
        rate: curve.true_positive_rate_at(rate) for rate in RATES
    }


def test_the_seed_decides_and_the_label_says_what_was_drawn() -> None:
    scores = scores_of_people(1)
    first, again, other = (bootstrap_verification(scores, None, RATES, 50, seed=seed) for seed in (0, 0, 1))
    assert first == again and first.accuracy != other.accuracy
    assert first.resampled == "20 people"
    unknown = PairScores(scores.name, scores.cosines, scores.is_same, scores.folds, scores.pair_numbers)
    assert bootstrap_verification(unknown, replicates=5).resampled == "5 folds, the people not being known"
    halves = PairScores(scores.name, scores.cosines, scores.is_same, scores.folds // 3, scores.pair_numbers)
    assert bootstrap_verification(halves, replicates=5).resampled == "120 pairs, the people not being known"


def test_intervals_over_people_cover_the_truth_where_intervals_over_pairs_are_too_narrow() -> None:
    truth = scores_of_people(99, people_a_fold=4000, pairs_each=1).verify().roc().true_positive_rate_at(0.1)
    covered, widths = {"people": 0, "pairs": 0}, {"people": 0.0, "pairs": 0.0}
    sets = 100
    for seed in range(sets):
        scores = scores_of_people(seed, people_a_fold=12, pairs_each=6)
        assert scores.people is not None
        ways: dict[str, bootstrap.Resampling] = {
            "people": ByPeople(scores.people),
            "pairs": ByGroups(np.arange(len(scores.cosines)), "pairs"),
        }
        for name, resampling in ways.items():
            found = bootstrap_verification(scores, resampling, (0.1,), replicates=200, seed=seed).tpr_at_fpr[0.1]
            covered[name] += found.low <= truth <= found.high
            widths[name] += (found.high - found.low) / sets
    assert covered["people"] >= 0.9 * sets
    assert covered["pairs"] <= 0.8 * sets and widths["people"] > 1.4 * widths["pairs"]


def test_where_no_pair_is_shared_and_people_have_no_effect_both_intervals_are_alike() -> None:
    # one genuine pair a person, impostors of people met nowhere else
    rng = np.random.default_rng(0)
    same = np.arange(2000) < 1000
    people = np.where(same[:, None], np.arange(2000)[:, None], 10_000 + np.arange(4000).reshape(2000, 2))
    scores = PairScores(
        "one each",
        np.clip(0.35 * same + 0.15 * rng.normal(size=2000), -1, 1),
        same,
        np.arange(2000) % 10,
        np.arange(2000),
        people,
    )
    by_pairs = bootstrap_verification(scores, ByGroups(np.arange(2000), "pairs"), (0.1,)).tpr_at_fpr[0.1]
    by_people = bootstrap_verification(scores, None, (0.1,)).tpr_at_fpr[0.1]
    ratio = (by_people.high - by_people.low) / (by_pairs.high - by_pairs.low)
    assert 0.9 < ratio < 1.6


def test_a_rate_under_one_impostor_has_no_interval() -> None:
    scores = scores_of_people(2)
    impostors = int((~scores.is_same).sum())
    found = bootstrap_verification(scores, rates=(1 / impostors, 0.9 / impostors), replicates=30).tpr_at_fpr
    measured, unmeasured = found.values()
    assert measured.low <= measured.high
    assert not math.isnan(unmeasured.estimate) and math.isnan(unmeasured.low) and math.isnan(unmeasured.high)


def test_replicates_without_a_kind_are_left_out_and_all_of_them_give_no_interval() -> None:
    # the one impostor pair is of two people: drawn together in some replicates only
    people = np.array([[0, 0], [1, 1], [2, 2], [0, 1]])
    scores = PairScores(
        "few",
        np.array([0.9, 0.8, 0.7, 0.75]),
        people[:, 0] == people[:, 1],
        np.array([0, 1, 0, 1]),
        np.arange(4),
        people,
    )
    found = bootstrap_verification(scores, rates=(1.0,), replicates=200)
    assert not math.isnan(found.accuracy.low) and 0 <= found.equal_error_rate.low <= found.equal_error_rate.high <= 1

    class Nothing(ByGroups):
        def weights(self, generator: np.random.Generator, replicates: int) -> np.ndarray:
            return np.zeros((replicates, len(self)))

    found = bootstrap_verification(scores, Nothing(np.arange(4), "pairs"), replicates=5)
    assert (
        math.isnan(found.accuracy.low)
        and math.isnan(found.accuracy.high)
        and str(found.accuracy).endswith("% [not measurable]")
    )


def test_an_interval_is_said_in_per_cent() -> None:
    assert str(bootstrap.Interval(0.9876, 0.98, 0.991)) == "98.76 [98.00, 99.10] %"


def test_what_cannot_be_resampled_is_refused() -> None:
    scores = scores_of_people(0)
    genuine = scores.is_same
    alone = PairScores("alone", scores.cosines[genuine], genuine[genuine], scores.folds[genuine], np.arange(60))
    with pytest.raises(ValueError, match="'alone' are of one kind"):
        bootstrap_verification(alone)
    for replicates, level in ((1, 0.95), (100, 1.0), (100, 0.0)):
        with pytest.raises(ValueError, match=f"found {replicates} and {level}"):
            bootstrap_verification(scores, replicates=replicates, level=level)
    with pytest.raises(ValueError, match=r"of 7 pairs, the scores of 'made' of 120"):
        bootstrap_verification(scores, ByGroups(np.arange(7), "pairs"))
    with pytest.raises(ValueError, match=r"two a pair.*\(120,\)"):
        ByPeople(np.arange(120))
