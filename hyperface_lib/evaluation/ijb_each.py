"""Several recognisers on several benchmarks of templates, where one that fails costs no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperface_lib.evaluation.each_set import SET_ERRORS
from hyperface_lib.evaluation.ijb import IjbResult, evaluate_ijb
from hyperface_lib.evaluation.ijb_parts import Align
from hyperface_lib.evaluation.report_parts import Failure
from hyperface_lib.evaluation.templates import PUBLISHED_POOLINGS, Pooling
from hyperface_lib.formats import IjbMeta

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder


def evaluate_each_ijb(
    embedders: Sequence[Embedder],
    benchmarks: Sequence[IjbMeta],
    align: Align | None = None,
    cache: str | Path | None = None,
    poolings: Sequence[Pooling] = PUBLISHED_POOLINGS,
    progress: bool = False,
) -> tuple[tuple[IjbResult, ...], tuple[Failure, ...]]:
    """Score every embedder on every benchmark: the results there are, and a failure for each other.

    Otherwise as `evaluate_ijb`. An interrupt is no failure and passes.
    """
    results: list[IjbResult] = []
    failures: list[Failure] = []
    for embedder in embedders:
        for meta in benchmarks:
            try:
                results.append(evaluate_ijb(embedder, meta, align, cache, poolings, progress))
            except SET_ERRORS as problem:
                reason = " ".join(str(problem).split()) or type(problem).__name__
                failures.append(Failure(embedder.name, "ijb", meta.name, reason))
    return tuple(results), tuple(failures)
