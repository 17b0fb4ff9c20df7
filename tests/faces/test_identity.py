"""A person is a function of the seed, and the population looks as described."""

import dataclasses

import numpy as np
import pytest

from hyperface_lib.faces import SPLITS, Identity, identity_seeds, nuisance_seed


def test_same_seed_same_person_and_other_seed_other_person() -> None:
    assert Identity.random(7) == Identity.random(7)
    assert hash(Identity.random(7)) == hash(Identity.random(7))
    assert Identity.random(7) != Identity.random(8)
    assert Identity.random(7) != "a person"


def test_a_person_cannot_be_changed_in_place() -> None:
    person = Identity.random(1)
    with pytest.raises(ValueError):
        person.shape[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        person.sex = 0.0  # type: ignore[misc]


def test_population_traits() -> None:
    people = [Identity.random(seed) for seed in range(400)]
    male = np.mean([person.sex > 0.5 for person in people])
    assert 0.42 < male < 0.58
    assert all(18 <= person.age_years <= 73 for person in people)
    assert all(abs(person.ancestry.sum() - 1) < 1e-9 for person in people)
    assert all(person.beard == 0 for person in people if person.sex <= 0.5)
    assert len(people[0].shape) + len(people[0].asymmetry) > 110
    # dark skin goes with African ancestry
    melanin = np.array([person.melanin for person in people])
    african = np.array([person.ancestry[0] for person in people])
    assert np.corrcoef(melanin, african)[0, 1] > 0.7


def test_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Identity\.shape must be finite"):
        dataclasses.replace(Identity.random(1), shape=np.array([np.nan]))


def test_splits_never_share_a_person() -> None:
    seeds = [set(identity_seeds(split, 50, start=100)) for split in SPLITS]
    assert len(set().union(*seeds)) == 50 * len(SPLITS)
    assert identity_seeds("gallery", 3, start=2) == identity_seeds("gallery", 5)[2:]


def test_pictures_never_share_a_seed() -> None:
    numbers = {nuisance_seed(person, sample) for person in identity_seeds("judge", 20) for sample in range(40)}
    assert len(numbers) == 800


@pytest.mark.parametrize(("split", "count", "start"), [("nobody", 1, 0), ("gallery", -1, 0), ("gallery", 5, 9_999_996)])
def test_bad_splits_are_refused(split: str, count: int, start: int) -> None:
    with pytest.raises(ValueError, match="plit"):
        identity_seeds(split, count, start)


def test_a_person_has_a_thousand_pictures() -> None:
    with pytest.raises(ValueError, match="sample=1000"):
        nuisance_seed(1, 1000)
