"""Ranks of models over benchmarks: on each set, by average and by Borda count, ties shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hyperface_lib.evaluation.table import borda_count

TIE = 9
"""Values equal when rounded to this many decimals are ties."""


@dataclass(frozen=True)
class Ranking:
    """Ranks of complete rows, best first; 1 is the best, and ties share the better rank (1, 2, 2, 4).

    set_ranks: set -> model -> rank. borda: model -> points, see `borda_count`; borda_ranks: by those points.
    average_ranks: by the mean over `averaged`, empty where there is nothing to average.
    """

    set_ranks: Mapping[str, Mapping[str, int]]
    borda: Mapping[str, float]
    borda_ranks: Mapping[str, int]
    average_ranks: Mapping[str, int]


def competition_ranks(values: Mapping[str, float], digits: int = TIE) -> dict[str, int]:
    """Rank the largest value first: name -> 1 + how many are larger, values rounded to `digits` decimals."""
    from scipy.stats import rankdata  # scipy.stats takes long to import and is wanted here alone

    if not values:
        return {}
    ranks = rankdata([-round(value, digits) for value in values.values()], method="min")
    return {name: int(rank) for name, rank in zip(values, ranks, strict=True)}


def rank_models(values: Mapping[str, Mapping[str, float]], averaged: Iterable[str] = (), digits: int = TIE) -> Ranking:
    """Rank models that all have a value on every set.

    values: model -> set -> value, larger is better. averaged: the sets of the average. digits: values that agree to so
    many decimals are ties, which published numbers of two decimals ask for. Raises ValueError when a model lacks a set
    that another has: ranks over different sets say nothing.
    """
    sets = list(dict.fromkeys(name for row in values.values() for name in row))
    for model, row in values.items():
        lacking = [name for name in sets if name not in row]
        if lacking:
            raise ValueError(
                f"Ranks need a value of every model on every set, found none of {model!r} on {lacking[0]!r}."
            )
    rounded = {model: {name: round(row[name], digits) for name in sets} for model, row in values.items()}
    chosen = list(averaged)
    means = {model: sum(row[name] for name in chosen) / len(chosen) for model, row in values.items()} if chosen else {}
    borda = borda_count(rounded)
    return Ranking(
        set_ranks={name: competition_ranks({model: row[name] for model, row in rounded.items()}) for name in sets},
        borda=borda,
        borda_ranks=competition_ranks(borda),
        average_ranks=competition_ranks(means, digits),
    )
