"""Closed and open sets, derived again in float64 from the whole matrix of cosines, probe by probe."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import identify, identify_open_set, mean_rate_at, search_distractors


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def searched(
    probes: np.ndarray, ids: np.ndarray, gallery: np.ndarray, gallery_ids: np.ndarray, strangers: np.ndarray
) -> tuple[list[float], list[int], list[float]]:
    """Return mates' cosines, mates' ranks and the best matches of probes without a mate, one probe after another."""
    mates, ranks, impostors = [], [], []
    for probe, person in zip(probes, ids, strict=True):
        own = [float(entry @ probe) for entry, who in zip(gallery, gallery_ids, strict=True) if who == person]
        others = [float(entry @ probe) for entry, who in zip(gallery, gallery_ids, strict=True) if who != person]
        others += [float(entry @ probe) for entry in strangers]
        if own:
            mates.append(max(own))
            ranks.append(1 + sum(other >= max(own) for other in others))
        else:
            impostors.append(max(others))
    return mates, ranks, impostors


@settings(max_examples=60)
@given(seed=st.integers(0, 1000), chunk=st.integers(1, 40), strangers=st.integers(0, 25))
def test_open_set_rates_are_those_of_the_definition_whatever_the_blocks(seed: int, chunk: int, strangers: int) -> None:
    rng = np.random.default_rng(seed)
    gallery, gallery_ids = unit(rng, 12, 5), rng.integers(0, 6, 12)
    ids = np.append(rng.integers(0, 10, 24), [gallery_ids[0], 99])  # someone with a mate, someone without
    probes, others = unit(rng, 26, 5), unit(rng, strangers, 5)
    mates, ranks, impostors = searched(probes, ids, gallery, gallery_ids, others)
    found = identify_open_set(probes, ids, gallery, gallery_ids, others, chunk=chunk)
    assert found.mate_cosines == pytest.approx(mates, abs=1e-6) and found.mate_ranks.tolist() == ranks
    assert found.impostor_cosines == pytest.approx(impostors, abs=1e-6)
    assert found.gallery_size == 12 + strangers and found.closed_set.rank1 == np.mean(np.array(ranks) == 1)
    for rate in (0.0, 0.01, 0.1, 0.5, 1.0):
        # every threshold just above an impostor search, and none at all
        thresholds = [-np.inf, *impostors]
        allowed = [t for t in thresholds if np.mean([i > t for i in impostors]) <= rate]
        for rank in (1, 3):
            expected = max(
                np.mean([c > t + 1e-9 and r <= rank for c, r in zip(mates, ranks, strict=True)]) for t in allowed
            )
            assert found.rate_at(rate, rank) == pytest.approx(expected)


def test_a_mate_over_the_threshold_behind_another_person_is_no_success() -> None:
    gallery = np.eye(3)
    probe = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    found = identify_open_set(probe, ["first", "nobody"], gallery[:2], ["first", "second"])
    assert found.impostor_cosines.tolist() == [0.0] and found.mate_cosines == pytest.approx([0.6])
    assert found.rate_at(0.01, rank=1) == 0.0 and found.rate_at(0.01, rank=2) == 1.0
    swapped = identify_open_set(probe, ["second", "nobody"], gallery[:2], ["first", "second"])
    assert swapped.rate_at(0.01) == 1.0 and mean_rate_at([found, swapped], 0.01) == 0.5


def test_the_rate_allowed_is_counted_over_searches_without_a_mate_only() -> None:
    # 100 such searches at 0.00, 0.01, ... 0.99: one of them may exceed the threshold at 0.01, ten at 0.1
    angles = np.arccos(np.arange(100) / 100)
    strangers = np.stack([np.cos(angles), np.sin(angles), np.zeros(100)], axis=1)
    mates = np.array([[0.985, 0.0, np.sqrt(1 - 0.985**2)], [0.9, 0.0, np.sqrt(1 - 0.81)]])
    found = identify_open_set(np.concatenate([strangers, mates]), [-1] * 100 + [7, 7], np.eye(3)[:1], [7])
    assert found.threshold_at(0.01) == pytest.approx(0.98) and found.threshold_at(0.1) == pytest.approx(0.89)
    assert found.threshold_at(0.001) == pytest.approx(0.99) and found.threshold_at(1.0) == -np.inf
    assert [found.rate_at(rate) for rate in (0.001, 0.01, 0.1, 1.0)] == [0.0, 0.5, 1.0, 1.0]


def test_the_cumulative_match_characteristic_adds_up_the_ranks() -> None:
    rng = np.random.default_rng(3)
    found = identify(unit(rng, 40, 4), rng.integers(0, 30, 40), unit(rng, 30, 4), np.arange(30))
    curve = found.cumulative_match(12)
    assert curve.tolist() == [np.mean(found.ranks <= rank) for rank in range(1, 13)]
    assert found.cumulative_match(30)[-1] == 1.0 and found.cumulative_match(50)[-1] == 1.0


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), chunk=st.integers(1, 30), rate=st.sampled_from([0.0, 0.003, 0.02, 0.3, 1.0]))
def test_the_highest_impostors_are_those_of_all_pairs(seed: int, chunk: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    probes, gallery, strangers = unit(rng, 11, 4), unit(rng, 11, 4), unit(rng, 37, 4)
    found = search_distractors(
        probes, np.arange(11), gallery, np.arange(11), strangers, highest_false_accept_rate=rate, chunk=chunk
    )
    every = np.sort((probes @ strangers.T).ravel())[::-1]
    kept = int(rate * 11 * 37 + 1e-9) + 1
    assert found.impostor_pairs == 11 * 37
    assert found.highest_impostors == pytest.approx(every[:kept], abs=1e-6)
    own = (probes * gallery).sum(axis=1)
    if kept <= len(every):
        allowed = int(rate * 11 * 37 + 1e-9)
        assert found.true_accept_rate_at(rate) == np.mean(own > every[allowed])
    assert found.identification.impostor_cosines == pytest.approx((probes @ strangers.T).max(axis=1), abs=1e-6)
    plain = identify(probes, np.arange(11), gallery, np.arange(11), strangers)
    assert np.array_equal(found.identification.mate_ranks, plain.ranks)
    with pytest.raises(ValueError, match="highest false accept rate kept"):
        found.true_accept_rate_at(rate + 0.5)


def test_equal_vectors_tie_in_every_block_and_every_place() -> None:
    rng = np.random.default_rng(0)
    person, crowd = unit(rng, 1, 512), unit(rng, 300, 512)
    crowd[[0, 123, 299]] = person  # the very vector of the gallery, in blocks of every shape
    for chunk in (1, 7, 64, 2048):
        assert identify(person, [1], person, [1], crowd, chunk=chunk).ranks.tolist() == [4]


def test_distractors_may_lie_in_a_file_of_half_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    probes, gallery, strangers = unit(rng, 9, 16), unit(rng, 9, 16), unit(rng, 500, 16)
    np.save(tmp_path / "crowd.npy", strangers.astype(np.float16))
    mapped = np.load(tmp_path / "crowd.npy", mmap_mode="r")
    found = identify(probes, np.arange(9), gallery, np.arange(9), mapped, chunk=64)
    assert np.array_equal(
        found.ranks, identify(probes, np.arange(9), gallery, np.arange(9), np.asarray(mapped, np.float64)).ranks
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"probes": np.full((2, 3), np.nan)}, r"probes must be unit rows, found length nan in row 0"),
        ({"gallery": np.diag([1.0, 2.0, 1.0])}, r"gallery must be unit rows, found length 2 in row 1"),
        (
            {"distractors": np.array([[1.0, 0, 0], [0, 0, 0]])},
            r"distractors must be unit rows, found .* in row 1",
        ),
        ({"distractors": np.eye(4)}, r"rows of 3 dimensions, found shape \(4, 4\)"),
        ({"gallery": np.eye(4)[:3]}, "one dimension, found 3 and 4"),
        ({"probe_ids": [1, 2]}, "with and without a mate in the gallery, found 2 with one of 2"),
        ({"probe_ids": [8, 9]}, "found 0 with one of 2"),
        ({"probe_ids": [1]}, "needs an identity, found 2 probes with 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(change: dict[str, object], named: str) -> None:
    given = {"probes": np.eye(3)[:2], "probe_ids": [1, 9], "gallery": np.eye(3), "gallery_ids": [1, 2, 3], **change}
    with pytest.raises(ValueError, match=named):
        identify_open_set(**given)  # type: ignore[arg-type]
