"""Pictures: drawn by seed, identity-free, and convertible to a vector and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.faces import PRESETS, PROFILES, Nuisance, expression


@given(seed=st.integers(0, 2**40), profile=st.sampled_from(sorted(PROFILES)))
@settings(max_examples=60, deadline=None)
def test_vector_round_trip(seed: int, profile: str) -> None:
    nuisance = Nuisance.random(seed, profile)
    vector = nuisance.to_vector()
    assert vector.dtype == np.float32 and vector.shape == (len(Nuisance.vector_names()),)
    assert np.isfinite(vector).all()
    again = Nuisance.from_vector(vector, seed=seed)
    np.testing.assert_allclose(again.to_vector(), vector, rtol=1e-6, atol=1e-6)
    assert (again.glasses, again.hat, again.hair, again.occluder) == (
        nuisance.glasses,
        nuisance.hat,
        nuisance.hair,
        nuisance.occluder,
    )
    assert (again.age_years is None) == (nuisance.age_years is None)


def test_same_seed_same_picture() -> None:
    assert Nuisance.random(3) == Nuisance.random(3)
    assert Nuisance.random(3) != Nuisance.random(4)


def test_profiles_differ_as_their_names_say() -> None:
    def yaws(profile: str) -> np.ndarray:
        return np.array([Nuisance.random(seed, profile).yaw_degrees for seed in range(300)])

    assert yaws("mild").std() < yaws("press").std() < yaws("free").std() < yaws("wide").std()
    assert np.all(yaws("neutral") == 0)
    assert all(Nuisance.random(seed, "clean").occluder == "none" for seed in range(300))
    assert any(Nuisance.random(seed, "wide").age_years is not None for seed in range(50))


def test_expression_names_become_face_units() -> None:
    assert Nuisance(expression="smile").expression == PRESETS["smile"]  # type: ignore[arg-type]
    assert expression("open", 0.5) == {"jawOpen": 0.2}


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"glasses": "monocle"}, "glasses must be one of none, clear, dark"),
        ({"expression": {"wink": 1.0}}, "do not exist: wink"),
        ({"expression": "bored"}, "'bored' is unknown"),
        ({"yaw_degrees": float("nan")}, "yaw_degrees must be a finite number"),
        ({"age_years": 200.0}, "between 3 and 90"),
        ({"background_rgb": (1.0, 0.0)}, "must hold 3 numbers"),
    ],
)
def test_bad_factors_get_one_sentence(factors: dict, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=words):
        Nuisance(**factors)


def test_unknown_profile_and_wrong_vector_length() -> None:
    with pytest.raises(ValueError, match="the profiles are mild"):
        Nuisance.random(1, "studio")
    with pytest.raises(ValueError, match="must have"):
        Nuisance.from_vector(np.zeros(3))
