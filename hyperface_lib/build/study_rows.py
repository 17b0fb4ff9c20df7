"""What the studies of many trainings share: a file of rows that goes on where it was, and trainings side by side."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

Task = tuple[Any, int]
"""A setting and a seed."""


def kept_rows(out: Path, about: dict[str, Any], **beside: Any) -> dict[str, Any]:
    """Return what `out` holds, or the beginning of it: {"about": about, "rows": {}, **beside}.

    Raises ValueError if its rows are of a study described otherwise.
    """
    if not out.is_file():
        return {"about": about, **beside, "rows": {}}
    kept = json.loads(out.read_text(encoding="utf-8"))
    if kept["about"] != about:
        raise ValueError(f"{out} holds rows of a study of another size or recipe; remove it to start afresh.")
    return kept


def measured(
    measure: Callable[..., dict[str, Any]], tasks: Sequence[Task], arguments: Sequence[Any], workers: int
) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    """Give (setting, seed, `measure(setting, seed, *arguments)`) of every task as it is done.

    With several workers each has a process with one thread of its own: a small network's layers are too short to be
    cut in two.
    """
    if workers <= 1:
        for setting, seed in tasks:
            yield setting, seed, measure(setting, seed, *arguments)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = {pool.submit(measure, *task, *arguments): task for task in tasks}
        for finished in as_completed(running):
            yield *running[finished], finished.result()
