"""Measuring set by set: what fails is named and the rest is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperface_lib.evaluation.evaluator import evaluate
from hyperface_lib.evaluation.report_parts import Failure
from hyperface_lib.evaluation.suite import Suite
from hyperface_lib.evaluation.table import BenchmarkTable

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

SET_ERRORS = (ValueError, TypeError, LookupError, OSError, EOFError, RuntimeError, ImportError, MemoryError)
"""What a damaged file, a missing part or a set too large for this machine raises; a fault of anything else passes."""


def evaluate_each_set(
    embedder: Embedder, suite: Suite, progress: bool = False
) -> tuple[BenchmarkTable, tuple[Failure, ...]]:
    """Score an embedder on every set of a suite alone: the rows that could be measured, and a failure for each other.

    Otherwise as `evaluate`. An interrupt is no failure and passes.
    """
    table = BenchmarkTable(())
    failures: list[Failure] = []
    for name in suite.sets:
        try:
            table = table + evaluate(embedder, Suite(suite.name, {name: suite.loaders[name]}), progress=progress)
        except SET_ERRORS as problem:
            failures.append(Failure(embedder.name, suite.name, name, _one_sentence(problem)))
    return table, tuple(failures)


def _one_sentence(problem: BaseException) -> str:
    text = " ".join(str(problem).split())
    # A bare key or an empty message says nothing without its kind.
    return text if " " in text else f"{type(problem).__name__}: {text}"
