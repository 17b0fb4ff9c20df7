"""Results of several trainings: what is the method, and what is the luck of one seed?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = Mapping[str, Any]


def over_seeds(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Average the accuracies of each (model, set) over the training seeds.

    records: dictionaries with "model", "set", "seed" and "accuracy". Returns one a model and set, in the order of first
    appearance: the mean as "accuracy", the sample standard deviation over seeds as "accuracy_std" (nan for one seed),
    and how many as "seeds". Raises ValueError when a seed appears twice for a model and set.
    """
    gathered = _gathered(records)
    return [
        {
            "model": model,
            "set": name,
            "accuracy": float(np.mean(list(values.values()))),
            "accuracy_std": float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else float("nan"),
            "seeds": len(values),
        }
        for (model, name), values in gathered.items()
    ]


def seed_averages(records: Iterable[Record]) -> dict[str, NDArray[np.float64]]:
    """Average each model's accuracies over the sets, seed by seed: model -> (s,), seeds in ascending order.

    Seeds that lack one of the sets are left out for that model; a difference between two models is taken seed by seed.
    """
    gathered = _gathered(records)
    sets = list(dict.fromkeys(name for _, name in gathered))
    averages = {}
    for model in dict.fromkeys(model for model, _ in gathered):
        rows = [gathered.get((model, name), {}) for name in sets]
        seeds = sorted(set(rows[0]).intersection(*rows[1:]))
        averages[model] = np.array([np.mean([row[seed] for row in rows]) for seed in seeds])
    return averages


def averages_over_option(rows: Iterable[Record], option: str) -> dict[float, NDArray[np.float64]]:
    """Collect the averages of trainings that differ in one option: its value -> (s,), seeds in ascending order.

    rows: dictionaries with "options" (of which `option` is one), "seed" and "average". The values ascend. Raises
    ValueError when a row lacks the option or a seed appears twice for a value.
    """
    gathered: dict[float, dict[int, float]] = {}
    for row in rows:
        if option not in row["options"]:
            raise ValueError(f"every row needs the option {option!r}, found one with {sorted(row['options'])}")
        value, seed = float(row["options"][option]), int(row["seed"])
        values = gathered.setdefault(value, {})
        if seed in values:
            raise ValueError(f"{option} = {value:g}: expected one result a seed, found seed {seed} twice")
        values[seed] = float(row["average"])
    return {value: np.array([gathered[value][seed] for seed in sorted(gathered[value])]) for value in sorted(gathered)}


def _gathered(records: Iterable[Record]) -> dict[tuple[str, str], dict[int, float]]:
    gathered: dict[tuple[str, str], dict[int, float]] = {}
    for record in records:
        values = gathered.setdefault((str(record["model"]), str(record["set"])), {})
        seed = int(record["seed"])
        if seed in values:
            raise ValueError(
                f"{record['model']} on {record['set']}: expected one result a seed, found seed {seed} twice"
            )
        values[seed] = float(record["accuracy"])
    return gathered
