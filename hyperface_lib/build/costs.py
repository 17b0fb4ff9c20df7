"""Measure what packing and every other step cost here: `python -m hyperface_lib.build.costs [--quick]`.

Writes data/results/costs.json, which `hyperface estimate` and the cost figure read: seconds a step and memory of
packing against the number of points, with full steps and mini-batches; seconds to a fraction of the bound; images a
second of rendering, embedding, drawing and training; and what the smallest run of every notebook takes. Values already
there are kept, so an interrupted measurement goes on; those of another machine or torch, and quick ones where it should
be done with care, are measured again. Times are only worth as much as the machine is quiet.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.build import part_costs
from hyperface_lib.build.peak_memory import measure_packing_bytes
from hyperface_lib.sphere import define_problem, levenshtein_bound_degrees, random_points, start_run
from hyperface_lib.sphere.precision import has_fast_bfloat16

FULL, BATCHES = "riemannian-adam", "minibatch-adam"
BATCH_SIZE = 1024
DIMENSION = 512
COUNTS = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
# In fewer dimensions the products weigh less beside the rest, and with a gallery they are float32: the fit needs both.
OTHERS = ((1000, 128, 0), (4000, 128, 0), (1000, 30, 0), (200, 128, 1000), (1000, 128, 4000), (2000, 512, 4000))
FRACTIONS = (0.9, 0.95, 0.97)
# Points, and the longest time they are given to reach the fractions of the bound.
REACHED = ((1000, 30.0), (2000, 60.0), (5000, 160.0), (10_000, 320.0))
_LARGEST_WITHOUT_ASKING = 20_000
_SECONDS_A_ROW = 8.0
_STEPS_TO_REACH = 1000
_DOUBLINGS = 6

Measure = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """One entry of the file: the table it stands in, its key there, and how its value is measured."""

    table: str
    key: str
    measure: Measure


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on: cores, instruction set, precision, versions. No names and no paths."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "architecture": platform.machine(),
        "fast_bfloat16": has_fast_bfloat16(torch.device("cpu")),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def measure_step(n: int, dimension: int, gallery_size: int, method: str, seconds: float) -> dict[str, Any]:
    """Return a row: mean seconds of a step once under way, over about so many `seconds`, and the memory."""
    gallery = random_points(gallery_size, dimension, seed=1) if gallery_size else None
    problem = define_problem(n, dimension, gallery, initial="random")
    batch_size = min(BATCH_SIZE, n) if method == BATCHES else None
    run = start_run(problem, "auto", method, _STEPS_TO_REACH, batch_size=batch_size)
    # The first step looks at all pairs once more, to begin with.
    begun = time.perf_counter()
    run.step(1)
    first = time.perf_counter() - begun
    around = 1 if batch_size is None else max(1, 3 * (n // batch_size) ** 2)
    begun, steps = time.perf_counter(), 0
    while steps == 0 or (time.perf_counter() - begun < seconds and first < seconds):
        run.step(1)
        steps += 1
    mean = (time.perf_counter() - begun) / steps
    if batch_size is not None and steps < around:
        # Too few steps to meet the look at all pairs: its share is added, from the one of the first step.
        mean += first / around
    precision = run.objective.matmul_dtype or torch.float32
    return {
        "n": n,
        "dimension": dimension,
        "gallery_size": gallery_size,
        "method": method,
        "batch_size": batch_size,
        "precision": str(precision).removeprefix("torch."),
        "seconds_per_step": mean,
        "steps": steps,
        "memory_bytes": _memory_bytes(n, dimension, method) if not gallery_size else None,
    }


def _memory_bytes(n: int, dimension: int, method: str) -> int | None:
    """Return the peak bytes of a run under way, the points included; None where it cannot be read."""
    if sys.platform != "linux":
        return None
    # By the third step all that a run keeps is there; one step of many points takes minutes, and comes close.
    steps = 3 if n <= _LARGEST_WITHOUT_ASKING else 1
    return measure_packing_bytes(n, dimension, method, steps=steps) + 4 * n * dimension


def measure_reaching(n: int, method: str, max_seconds: float) -> dict[str, Any]:
    """Return a row: the seconds `n` points in 512 dimensions need to given fractions of the bound, None for too many.

    A run anneals over the time it is given, so how long it takes depends on how long it may take: runs of twice the
    time each are made from the start, up to `max_seconds`, and the shortest time to each fraction counts.
    """
    bound = levenshtein_bound_degrees(n, DIMENSION)
    reached: dict[str, float | None] = {f"{fraction:g}": None for fraction in FRACTIONS}
    steps_to: dict[str, int | None] = dict.fromkeys(reached)
    best, given = 0.0, max_seconds / 2**_DOUBLINGS
    while given <= max_seconds and None in reached.values():
        run = start_run(define_problem(n, DIMENSION), "auto", method, _STEPS_TO_REACH)
        begun, passed = time.perf_counter(), 0.0
        found: dict[str, tuple[float, int]] = {}
        while passed < given and len(found) < len(FRACTIONS):
            share = run.step(1, fraction=passed / given).min_angle_degrees / bound
            passed, best = time.perf_counter() - begun, max(best, share)
            for fraction in FRACTIONS:
                if share >= fraction:
                    found.setdefault(f"{fraction:g}", (passed, run.steps))
        for name, (seconds, steps) in found.items():
            if seconds < (reached[name] or math.inf):
                reached[name], steps_to[name] = seconds, steps
        given *= 2
    return {
        "n": n,
        "dimension": DIMENSION,
        "method": method,
        "max_seconds": max_seconds,
        "seconds_to": reached,
        "steps_to": steps_to,
        "fraction_reached": best,
        "bound_degrees": bound,
    }


def packing_tasks(quick: bool, largest: int) -> Iterator[Task]:
    """Give the measurements of packing, the quick ones first."""
    seconds = 1.0 if quick else _SECONDS_A_ROW
    sizes = [(n, dimension, gallery, FULL) for n, dimension, gallery in OTHERS]
    for n in COUNTS:
        if n <= (5000 if quick else largest):
            sizes += [(n, DIMENSION, 0, FULL), (n, DIMENSION, 0, BATCHES)]
    for n, dimension, gallery, method in sizes:
        key = f"n {n}, d {dimension}, gallery {gallery}, {method}"
        yield Task("packing", key, partial(measure_step, n, dimension, gallery, method, seconds))
    for n, limit in REACHED[:1] if quick else REACHED:
        for method in (FULL, BATCHES):
            yield Task("reaching", f"n {n}, {method}", partial(measure_reaching, n, method, 15.0 if quick else limit))


def tasks(quick: bool, largest: int) -> Iterator[Task]:
    """Give all measurements."""
    yield from packing_tasks(quick, largest)
    for name, measure in part_costs.parts(quick).items():
        yield Task("parts", name, measure)
    for name, count in part_costs.networks().items():
        yield Task("networks", name, count)
    smallest = part_costs.SmallestRun()
    for number in part_costs.NOTEBOOKS:
        yield Task("notebooks", number, partial(smallest.measure, number))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.costs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 5,000 points and a second for each: minutes")
    parser.add_argument("--largest", type=int, default=COUNTS[-1], help="most points to measure full steps of")
    parser.add_argument("--only", help="measure the entries of one table again: packing, reaching, parts, ...")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "costs.json")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    kept: dict[str, Any] = {"machine": machine, "quick": options.quick}
    if options.out.is_file():
        before = json.loads(options.out.read_text(encoding="utf-8"))
        if (before["machine"], before["quick"]) == (machine, options.quick):
            kept = {table: rows for table, rows in before.items() if table != options.only}
    wanted = [
        task
        for task in tasks(options.quick, options.largest)
        if task.key not in kept.get(task.table, {}) and options.only in (None, task.table)
    ]
    shown = tqdm(wanted, desc="costs")
    for task in shown:
        shown.set_postfix_str(f"{task.table}: {task.key}")
        kept.setdefault(task.table, {})[task.key] = task.measure()
        write_json(options.out, kept)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
