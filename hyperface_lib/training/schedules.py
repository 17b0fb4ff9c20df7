"""Learning rate and margin as functions of the step alone, so that an interrupted run continues on the same curve."""

from __future__ import annotations

import math

from hyperface_lib.training.recipe import Recipe


def learning_rate_at(recipe: Recipe, step: int, total_steps: int) -> float:
    """Return the learning rate of step `step` (from 0) of `total_steps`."""
    warmup = min(recipe.warmup_steps, max(1, total_steps // 5))
    rise = min(1.0, (step + 1) / warmup) if recipe.warmup_steps > 0 else 1.0
    done = min(1.0, step / max(1, total_steps))
    if recipe.schedule == "cosine":
        low = recipe.final_fraction
        shape = low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))
    elif recipe.schedule == "poly":
        shape = max(recipe.final_fraction, (1 - done) ** recipe.poly_power)
    elif recipe.schedule == "step":
        shape = 0.1 ** sum(done >= milestone for milestone in recipe.milestones)
    else:
        shape = 1.0
    return recipe.learning_rate * rise * shape


def margin_fraction_at(recipe: Recipe, step: int, total_steps: int) -> float:
    """Return the fraction of the full margin in force at step `step`: 0, then a line, then 1."""
    done = step / max(1, total_steps)
    if done >= recipe.margin_full:
        return 1.0
    if done <= recipe.margin_from:
        return 0.0
    return (done - recipe.margin_from) / (recipe.margin_full - recipe.margin_from)
