"""Conditions: statistics, draws, flags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.synthesis import image_seed, scattered
from hyperface_lib.synthesis.conditioning import LARGEST_STANDARD_SCORE, Conditioning, condition
from hyperface_lib.synthesis.seeds import draw_latents

from .conftest import DIMENSION, NAMES, toy_nuisance, unit_rows


def test_scores_are_standard_and_what_never_varied_is_ignored(conditioning: Conditioning) -> None:
    scores = conditioning.standardise(toy_nuisance(200))
    varies = np.array([name != "never_varies" for name in NAMES])
    assert np.allclose(scores[:, varies].mean(axis=0), 0, atol=0.05)
    assert np.allclose(scores[:, varies].std(axis=0), 1, atol=0.05)
    strange = toy_nuisance(1)
    strange[0, NAMES.index("never_varies")] = 1e6
    assert np.array_equal(conditioning.standardise(strange)[0, ~varies], [0.0])
    strange[0, 0] = 1e6
    assert conditioning.standardise(strange)[0, 0] == LARGEST_STANDARD_SCORE


def test_a_rare_entry_does_not_explode() -> None:
    vectors = np.zeros((1000, 1), np.float32)
    vectors[0] = 1
    fitted = Conditioning.fitted(vectors, ("rare",), DIMENSION)
    assert (1 - fitted.mean[0]) * fitted.scale[0] == pytest.approx(20, rel=0.01)


def test_the_bank_holds_training_pictures(conditioning: Conditioning) -> None:
    real = toy_nuisance(200).astype(np.float16)
    for row in conditioning.bank:
        assert (real == row).all(axis=1).any()


def test_round_trip(conditioning: Conditioning, tmp_path: Path) -> None:
    conditioning.save(tmp_path)
    again = Conditioning.load(tmp_path)
    assert again.names == conditioning.names
    assert again.length == conditioning.length == DIMENSION + len(NAMES) + 2
    assert np.array_equal(again.draw(range(9)), conditioning.draw(range(9)))
    vectors = toy_nuisance(3, seed=4)
    assert np.array_equal(again.standardise(vectors), conditioning.standardise(vectors))


def test_flags_say_what_was_dropped() -> None:
    identities, scores = torch.from_numpy(unit_rows(4)), torch.ones(4, 3)
    keep_identity = torch.tensor([True, True, False, False])
    keep_nuisance = torch.tensor([True, False, True, False])
    made = condition(identities, scores, keep_identity, keep_nuisance)
    assert torch.equal(made[:, -2:], torch.stack([keep_identity, keep_nuisance], 1).float())
    assert torch.allclose(made[:2, :DIMENSION].norm(dim=1), torch.tensor(DIMENSION**0.5))
    assert not made[2:, :DIMENSION].any()
    assert not made[[1, 3], DIMENSION:-2].any()
    assert torch.equal(condition(identities, scores)[0], made[0])


@settings(max_examples=30)
@given(seed=st.integers(0, 2**40), identity=st.integers(0, 10**6), sample=st.integers(0, 10**3))
def test_image_seeds_depend_on_all_three(seed: int, identity: int, sample: int) -> None:
    own = image_seed(seed, identity, sample)
    assert 0 <= own < 2**63
    assert own == image_seed(seed, identity, sample)
    assert own not in {image_seed(seed + 1, identity, sample), image_seed(seed, identity + 1, sample)}
    assert own != image_seed(seed, identity, sample + 1)


def test_latents_are_normal_and_belong_to_their_seed() -> None:
    latents = draw_latents(range(300), (4, 4, 4))
    assert latents.mean().abs() < 0.02
    assert abs(latents.std() - 1) < 0.02
    assert torch.equal(draw_latents([17], (4, 4, 4))[0], latents[17])
    correlation = np.corrcoef(latents.flatten(1).numpy())
    assert np.abs(correlation - np.eye(300)).max() < 0.7


@settings(max_examples=30)
@given(beta=st.floats(0, 0.5), seed=st.integers(0, 10**6))
def test_scattered_vectors_stay_on_the_sphere(beta: float, seed: int) -> None:
    rows = unit_rows(3)
    moved = scattered(rows, [seed, seed + 1, seed + 2], beta)
    assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)
    assert np.array_equal(moved[1:2], scattered(rows[1:2], [seed + 1], beta))


def test_beta_sets_the_angle() -> None:
    rows = np.repeat(unit_rows(1, 128), 400, axis=0)
    for beta in (0.01, 0.05):
        cosines = (scattered(rows, range(400), beta) * rows).sum(axis=1)
        assert cosines.mean() == pytest.approx(np.cos(np.arctan(beta * 127**0.5)), abs=0.01)
    assert np.array_equal(scattered(rows, range(400), 0.0), rows)
    with pytest.raises(ValueError, match="beta"):
        scattered(rows, range(400), -0.1)
