from __future__ import annotations

import json
from itertools import pairwise

import pytest

from hyperface_lib.embedding import backbone_names
from hyperface_lib.training import (
    PRESETS,
    Augmentation,
    Recipe,
    learning_rate_at,
    margin_fraction_at,
    recipe_preset,
    scaled_learning_rate,
)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(architecture="tiny", milestones=(0.2, 0.9), augmentation=Augmentation(flip=0.0), epochs=3)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_unknown_and_impossible_values_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown recipe values learn_rate; known: .*learning_rate"):
        Recipe.from_dict({"learn_rate": 1.0})
    for wrong, message in (
        ({"schedule": "linear"}, "schedule must be one of"),
        ({"optimiser": "adam"}, "optimiser must be one of"),
        ({"batch_size": 1}, "batch_size must be 2 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"margin_from": 0.8, "margin_full": 0.2}, "margin_from and margin_full"),
    ):
        with pytest.raises(ValueError, match=message):
            Recipe(**wrong)
    with pytest.raises(ValueError, match="flip is a probability"):
        Augmentation(flip=2.0)


def test_steps_come_from_epochs_or_are_given() -> None:
    assert Recipe(epochs=3, batch_size=64).total_steps(1000) == 3 * 15
    assert Recipe(epochs=0.5, batch_size=10).total_steps(1000) == 50
    assert Recipe(max_steps=7).total_steps(1000) == 7
    assert Recipe(epochs=1, batch_size=64).total_steps(10) == 1


def test_describe_names_every_value() -> None:
    text = Recipe().describe()
    assert "augmentation.flip" in text and "head_options.scale" in text and "learning_rate" in text


def test_learning_rate_rises_and_then_follows_its_schedule() -> None:
    cosine = Recipe(learning_rate=1.0, warmup_steps=10, final_fraction=0.0)
    assert [learning_rate_at(cosine, step, 1000) for step in (0, 4)] == pytest.approx([0.1, 0.5], rel=1e-3)
    assert learning_rate_at(cosine, 500, 1000) == pytest.approx(0.5)
    assert learning_rate_at(cosine, 1000, 1000) == pytest.approx(0, abs=1e-12)
    poly = Recipe(learning_rate=1.0, warmup_steps=0, schedule="poly", poly_power=2.0, final_fraction=0.0)
    assert learning_rate_at(poly, 500, 1000) == pytest.approx(0.25)
    stepped = Recipe(learning_rate=1.0, warmup_steps=0, schedule="step", milestones=(0.5, 0.8))
    assert [learning_rate_at(stepped, s, 10) for s in (4, 5, 8)] == pytest.approx([1, 0.1, 0.01])
    constant = Recipe(learning_rate=0.3, warmup_steps=0, schedule="constant")
    assert learning_rate_at(constant, 9, 10) == 0.3


def test_margin_grows_from_nothing_to_full() -> None:
    recipe = Recipe(margin_from=0.2, margin_full=0.6)
    fractions = [margin_fraction_at(recipe, step, 100) for step in range(101)]
    assert fractions[20] == 0 and fractions[40] == pytest.approx(0.5) and fractions[60] == 1 == fractions[100]
    assert all(a <= b for a, b in pairwise(fractions))


def test_presets_are_recipes_for_networks_that_exist() -> None:
    for name, recipe in PRESETS.items():
        assert recipe_preset(name) == Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
        assert recipe.architecture in backbone_names()
    assert margin_fraction_at(recipe_preset("paper"), 0, 100) == 1
    with pytest.raises(ValueError, match=r"unknown recipe 'slow'; known: quick, small, paper"):
        recipe_preset("slow")


def test_a_recipe_stored_before_a_value_was_added_has_the_same_key_and_still_loads() -> None:
    stored = Recipe().to_dict()
    assert set(stored) == {
        *("architecture", "dimension", "dropout", "head", "head_options", "epochs", "max_steps", "batch_size"),
        *("optimiser", "learning_rate", "momentum", "weight_decay", "warmup_steps", "schedule", "poly_power"),
        *("milestones", "final_fraction", "margin_from", "margin_full", "clip_gradient", "precision"),
        *("augmentation", "seed"),
    }
    assert set(stored["augmentation"]) == {
        *("flip", "shift_pixels", "grey", "brightness", "contrast", "noise", "noise_sigma", "erase", "erase_largest"),
    }
    assert Recipe.from_dict(stored) == Recipe()
    changed = Recipe(ema_decay=0.9, accumulation=2, augmentation=Augmentation(crop=0.2, crop_outside="black"))
    assert changed.to_dict()["ema_decay"] == 0.9 and changed.to_dict()["augmentation"]["crop_outside"] == "black"
    assert Recipe.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed
    assert "sample_rate" in Recipe().all_values() and "ema_decay" in Recipe().describe()


def test_impossible_new_values_are_named() -> None:
    for wrong, message in (
        ({"accumulation": 0}, "accumulation must be 1 or more"),
        ({"accumulation": 3, "batch_size": 5}, "found 3 parts of a batch of 5"),
        ({"ema_decay": 1.0}, "ema_decay must be 0"),
        ({"sample_rate": 0.0}, "sample_rate must lie above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Recipe(**wrong)
    for wrong, message in (
        ({"crop": 1.5}, "crop is a probability"),
        ({"crop_smallest": 0.0}, "crop_smallest is a share"),
        ({"saturation": 1.2}, "saturation must lie in 0"),
        ({"crop_outside": "grey"}, "crop_outside must be one of resize, black"),
    ):
        with pytest.raises(ValueError, match=message):
            Augmentation(**wrong)
    with pytest.raises(ValueError, match="unknown augmentation values hue"):
        Recipe.from_dict({"augmentation": {"hue": 0.1}})


def test_the_learning_rate_follows_the_batch() -> None:
    assert scaled_learning_rate(0.1, 1024, 512) == pytest.approx(0.2)
    scaled = recipe_preset("paper").scaled_to_batch(512)
    assert (scaled.batch_size, scaled.learning_rate) == (512, pytest.approx(0.1))
    with pytest.raises(ValueError, match="batch sizes must be 1 or more"):
        scaled_learning_rate(0.1, 0, 512)
