import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import find_leaks, identify


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), chunk=st.integers(1, 40), threshold=st.floats(-0.5, 0.9))
def test_leaks_are_those_of_the_whole_matrix_whatever_the_chunks(seed: int, chunk: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    samples, centres = unit(rng, 23, 5).astype(np.float32), unit(rng, 31, 5).astype(np.float32)
    cosines = samples @ centres.T
    leaks = find_leaks(samples, centres, threshold, chunk=chunk)
    assert leaks.nearest_cosines == pytest.approx(cosines.max(axis=1), abs=1e-6)
    clear = np.abs(cosines.max(axis=1) - threshold) > 1e-5
    assert (set(leaks.samples.tolist()) & set(np.flatnonzero(clear))) == set(
        np.flatnonzero((cosines.max(axis=1) >= threshold) & clear)
    )
    assert (np.diff(leaks.cosines) <= 0).all() and leaks.share == len(leaks) / 23
    for sample, other, cosine in zip(leaks.samples, leaks.others, leaks.cosines, strict=True):
        assert cosine == pytest.approx(cosines[sample, other], abs=1e-6)


def test_one_leaking_image_is_found_although_its_identity_on_average_does_not_leak() -> None:
    person = np.eye(4)[:1]
    images = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    mean = images.sum(axis=0, keepdims=True) / 2.0
    assert len(find_leaks(mean, person, 0.7)) == 0
    leaks = find_leaks(images, person, 0.7)
    assert leaks.samples.tolist() == [0] and leaks.others.tolist() == [0] and leaks.cosines.tolist() == [1.0]


@pytest.mark.parametrize(
    ("vectors", "others", "threshold", "named"),
    [
        (np.eye(3) * 2, np.eye(3), 0.5, "unit rows"),
        (np.eye(3), np.eye(4), 0.5, "dimension"),
        (np.eye(3), np.zeros((0, 3)), 0.5, "no other vectors"),
        (np.eye(3), np.eye(3), 60.0, "cosine"),
        (np.ones(3), np.eye(3), 0.5, "rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    vectors: np.ndarray, others: np.ndarray, threshold: float, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        find_leaks(vectors, others, threshold)


def test_nothing_to_check_leaks_nothing() -> None:
    leaks = find_leaks(np.zeros((0, 3)), np.eye(3), 0.5)
    assert len(leaks) == 0 and leaks.share == 0.0


def test_a_probe_ranks_behind_everybody_nearer_than_its_own() -> None:
    angles = np.radians([0, 10, 20, 30])
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = identify(gallery[:1], ["far"], gallery, ["a", "b", "far", "far"])
    assert found.ranks.tolist() == [3] and found.rank1 == 0.0 and found.rate_at(3) == 1.0
    with_more = identify(gallery[:1], ["far"], gallery, ["a", "b", "far", "far"], distractors=gallery[[0, 1, 3]])
    assert with_more.ranks.tolist() == [5] and with_more.gallery_size == 7


def test_a_tie_counts_against_the_probe() -> None:
    same = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert identify(same[:1], [0], same, [0, 1]).rank1 == 0.0
    assert identify(same[:1], [0], same, [0, 0]).rank1 == 1.0


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), chunk=st.integers(1, 30))
def test_ranks_are_those_of_sorting_whatever_the_chunks(seed: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    probes, gallery, strangers = unit(rng, 9, 6), unit(rng, 7, 6), unit(rng, 20, 6)
    ids = rng.integers(0, 7, 9)
    ranks = identify(probes, ids, gallery, np.arange(7), strangers, chunk=chunk).ranks
    for probe, person, rank in zip(probes, ids, ranks, strict=True):
        order = np.argsort(-(np.concatenate([gallery, strangers]) @ probe))
        assert rank == 1 + int(np.flatnonzero(order == person)[0])


def test_a_person_who_is_not_enrolled_is_named() -> None:
    with pytest.raises(ValueError, match=r"probe 1 \(z\)"):
        identify(np.eye(2), ["a", "z"], np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match="identity"):
        identify(np.eye(2), ["a"], np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match="no probes"):
        identify(np.zeros((0, 2)), [], np.eye(2), ["a", "b"])
