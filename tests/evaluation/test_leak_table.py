"""Leaks counted by hand in float64, whatever the blocks; thresholds from real impostors are exact."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import (
    LEAK_COMPARISONS,
    impostor_threshold_cosine,
    leak_table,
    nearest_rows,
    nearest_stranger_cosines,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def centre(vectors: np.ndarray, labels: np.ndarray, label: object) -> np.ndarray:
    total = vectors[labels == label].sum(axis=0)
    return total / np.linalg.norm(total)


def tilted(towards: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A unit vector exactly so many degrees from another."""
    noise = rng.normal(size=len(towards))
    across = unit(noise - (noise @ towards) * towards)
    return np.cos(np.radians(degrees)) * towards + np.sin(np.radians(degrees)) * across


@pytest.fixture
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """40 images of 10 identities in 64 dimensions; images 3 and 22 lie 12 and 28 degrees from real ones."""
    rng = np.random.default_rng(5)
    real = unit(rng.normal(size=(30, 64)))
    images = unit(rng.normal(size=(40, 64)))
    images[3], images[22] = tilted(real[7], 12, rng), tilted(real[29], 28, rng)
    return images, np.repeat(np.arange(10), 4), real, np.repeat([f"person {n}" for n in range(15)], 2)


def test_planted_leaks_are_found_and_nothing_else(planted: tuple[np.ndarray, ...]) -> None:
    images, labels, real, people = planted
    table = leak_table(images, labels, real, people, thresholds_degrees=[11, 13, 30], comparisons=["samples-samples"])
    assert [(row.images, row.identities, row.real_identities) for row in table.rows] == [
        (0, 0, 0),
        (1, 1, 1),
        (2, 2, 2),
    ]
    leaks = table.leaks(table.rows[-1])
    assert leaks.samples.tolist() == [3, 22] and leaks.others.tolist() == [7, 29]
    assert leaks.angles_degrees == pytest.approx([12, 28], abs=1e-3)
    assert table.rows[-1].image_share == 2 / 40 and table.rows[-1].identity_share == 2 / 10


@settings(max_examples=30)
@given(seed=st.integers(0, 999), chunk=st.sampled_from([1, 3, 7, 16, 100]), angle=st.floats(40, 90))
def test_every_count_is_that_of_brute_force(seed: int, chunk: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    images, real = unit(rng.normal(size=(23, 5))), unit(rng.normal(size=(17, 5)))
    labels, people = rng.integers(0, 6, 23), rng.integers(0, 5, 17)
    table = leak_table(images, labels, real, people, thresholds_degrees=[angle], chunk=chunk)
    assert tuple(row.compared for row in table.rows) == LEAK_COMPARISONS
    own, other = (
        {
            "samples": (rows, names),
            "centres": (np.stack([centre(rows, names, one) for one in np.unique(names)]), np.unique(names)),
        }
        for rows, names in ((images, labels), (real, people))
    )
    for row in table.rows:
        one, two = row.compared.split("-")
        (left, who), (right, whom) = own[one], other[two]
        cosines = left @ right.T
        limit = np.cos(np.radians(angle))
        if (np.abs(cosines.max(axis=1) - limit) < 1e-5).any() or _nearly_tied(cosines):
            continue  # float32 products may fall on either side
        leaking = cosines.max(axis=1) >= limit
        assert row.images == (leaking.sum() if one == "samples" else None)
        assert row.identities == len(set(who[leaking].tolist()))
        assert row.real_identities == len(set(whom[cosines.argmax(axis=1)[leaking]].tolist()))
        assert (row.checked_images, row.checked_identities) == (23, len(set(labels.tolist())))
        among = np.where(other[one][1][:, None] == whom[None], -1, other[one][0] @ right.T).max(axis=1)
        if len(set(people.tolist())) > 1 and (np.abs(among - limit) > 1e-5).all():
            assert row.real_share == (among >= limit).mean()


def _nearly_tied(cosines: np.ndarray) -> bool:
    two = np.sort(cosines, axis=1)[:, -2:]
    return bool((two[:, 1] - two[:, 0] < 1e-5).any())


def test_blocks_of_any_size_find_the_same_rows() -> None:
    rng = np.random.default_rng(1)
    images, real = unit(rng.normal(size=(131, 16))), unit(rng.normal(size=(67, 16)))
    whole = nearest_rows(images, real, chunk=1000)
    for chunk in (1, 2, 64, 66, 67, 130, 131, 132):
        blocked = nearest_rows(images, real, chunk=chunk)
        assert np.array_equal(blocked.others, whole.others)
        assert blocked.cosines == pytest.approx(whole.cosines, abs=1e-6)
    assert np.array_equal(whole.others, (images @ real.T).argmax(axis=1))


def test_an_image_leaks_although_its_centre_does_not() -> None:
    images = np.eye(8)[[0, 1, 2, 3, 4, 5]]
    real = np.stack([np.eye(8)[0], np.eye(8)[7]])
    table = leak_table(images, [0, 0, 0, 1, 1, 1], real, thresholds_degrees=[45])
    counts = {row.compared: (row.images, row.identities) for row in table.rows}
    assert counts == {"samples-samples": (1, 1), "samples-centres": (1, 1), "centres-centres": (None, 0)}


def test_without_labels_every_real_row_is_a_person() -> None:
    real = unit(np.random.default_rng(0).normal(size=(9, 4)))
    named = leak_table(real[:3], [0, 1, 2], real, np.arange(9), thresholds_degrees=[1])
    assert leak_table(real[:3], [0, 1, 2], real, thresholds_degrees=[1]).rows == named.rows
    assert all(row.identities == 3 for row in named.rows)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), people=st.integers(2, 9), rate=st.floats(0.02, 0.95))
def test_the_threshold_lets_as_many_impostors_through_as_asked_and_no_more(seed: int, people: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, labels = unit(rng.normal(size=(25, 6))), rng.integers(0, people, 25)
    impostors = np.array(
        [vectors[i] @ vectors[j] for i, j in combinations(range(25), 2) if labels[i] != labels[j]], np.float64
    )
    allowed = int(np.floor(rate * len(impostors)))
    if allowed < 1:
        with pytest.raises(ValueError, match="at least one of"):
            impostor_threshold_cosine(vectors, labels, rate)
        return
    falling = np.sort(impostors)[::-1]
    cosine = impostor_threshold_cosine(vectors, labels, rate)
    assert cosine == pytest.approx(falling[allowed], abs=2e-6)
    if falling[allowed - 1] - falling[allowed] > 1e-5:
        assert (impostors >= cosine + 2e-6).sum() == allowed  # products in float32 may be that far off


def test_a_threshold_over_several_blocks_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    vectors, labels = unit(rng.normal(size=(1100, 8))), rng.integers(0, 40, 1100)
    cosines = vectors @ vectors.T
    first, second = np.triu_indices(1100, 1)
    different = labels[first] != labels[second]
    falling = np.sort(cosines[first, second][different])[::-1]
    allowed = int(1e-3 * different.sum())
    assert impostor_threshold_cosine(vectors, labels, 1e-3) == pytest.approx(falling[allowed], abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 40, 1100])
def test_the_nearest_stranger_is_that_of_all_pairs(count: int) -> None:
    rng = np.random.default_rng(count)
    vectors, labels = unit(rng.normal(size=(count, 6))), rng.integers(0, 12, count).astype(str)
    cosines = np.where(labels[:, None] == labels[None], -np.inf, vectors @ vectors.T)
    assert nearest_stranger_cosines(vectors, labels) == pytest.approx(cosines.max(axis=1), abs=1e-6)


def test_the_rate_stands_in_the_table_beside_its_threshold() -> None:
    rng = np.random.default_rng(0)
    real, people = unit(rng.normal(size=(40, 8))), np.repeat(np.arange(20), 2)
    table = leak_table(
        real[:5], np.arange(5), real, people, [30], [0.01, 0.1], comparisons=["samples-samples", "samples-centres"]
    )
    assert [row.false_accept_rate for row in table.rows] == [None, 0.01, 0.1] * 2
    assert table.rows[1].threshold_cosine == impostor_threshold_cosine(real, people, 0.01)
    assert table.rows[1].threshold_degrees < table.rows[2].threshold_degrees
    assert table.rows[0].images == 5
    lone = leak_table(real[:5], np.arange(5), real[:1], thresholds_degrees=[30])
    assert [row.real_share for row in lone.rows] == [None] * 3
    record = table.to_records()[1]
    assert record["images"] == 5 and record["image_share"] == 1.0 and record["compared"] == "samples-samples"


def test_equal_images_of_two_people_cannot_give_a_strict_threshold() -> None:
    vectors = np.eye(4)[[0, 0, 0, 0, 1]]
    with pytest.raises(ValueError, match="equal images"):
        impostor_threshold_cosine(vectors, [0, 1, 2, 3, 4], 0.1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"thresholds_degrees": []}, "found neither"),
        ({"thresholds_degrees": [-1]}, "0 to 180"),
        ({"comparisons": ["centres-samples"]}, "centres-samples"),
        ({"comparisons": []}, "none"),
        ({"labels": [0, 1]}, "3 synthetic"),
        ({"real_labels": [0]}, "3 real"),
        ({"vectors": np.eye(3) * 2}, "synthetic vectors must be unit rows"),
        ({"real_vectors": np.eye(3) * 2}, "real vectors must be unit rows"),
        ({"real_vectors": np.eye(4)}, "one dimension"),
        (
            {"real_vectors": np.stack([np.eye(3)[0], -np.eye(3)[0]]), "real_labels": ["x", "x"]},
            "Identity x has no centre",
        ),
        ({"vectors": np.zeros((0, 3)), "labels": []}, "found 0 synthetic"),
        ({"false_accept_rates": [0.001]}, "3 pairs"),
        ({"false_accept_rates": [1.5]}, "found 1.5"),
    ],
)
def test_what_cannot_be_counted_is_refused(changes: dict[str, object], named: str) -> None:
    asked = {"vectors": np.eye(3), "labels": [0, 1, 2], "real_vectors": np.eye(3), "thresholds_degrees": [30]}
    with pytest.raises(ValueError, match=named):
        leak_table(**(asked | changes))  # type: ignore[arg-type]
