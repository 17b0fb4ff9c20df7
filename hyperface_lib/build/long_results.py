"""Run the long comparison and ship its table: `python -m hyperface_lib.build.long_results`.

The profile `long` once, then notebooks 04 and 05 again on the same data sets with other seeds, since one training is
one draw of a lottery; those run side by side, a share of the processors each. Everything resumes.
data/results/long.json holds a row for each seed, recogniser and benchmark.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from hyperface_lib.assets import data_folder, runs_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.pipeline import execute_plan, plan_run
from hyperface_lib.runs import Run, versions

PROFILE = "long"


def run_seed(seed: int) -> Path:
    """Run the profile with a seed, the first from notebook 01 on, the others on the first one's data sets."""
    if seed == 0:
        plan = plan_run(PROFILE)
    else:
        name = f"{PROFILE}-seed{seed}"
        shared = runs_folder() / name / "datasets"
        shared.parent.mkdir(parents=True, exist_ok=True)
        if not shared.exists():
            os.symlink(Path("..") / PROFILE / "datasets", shared, target_is_directory=True)
        plan = plan_run(PROFILE, run=name, first="04", parameters={"seed": seed})
    result = execute_plan(plan, print)
    if result.failed is not None:
        raise RuntimeError(f"{result.failed.name}: {result.failed.failure}")
    return plan.run.folder


def run_seeds(seeds: int) -> Iterator[tuple[int, Path]]:
    """Give seed and run folder of each seed as it is finished; the first alone, for the others need its data sets."""
    yield 0, run_seed(0)
    workers = min(seeds - 1, os.cpu_count() or 1)
    if workers < 1:
        return
    # A small network's layers are too short to be cut in two: two trainings of one thread are faster than one of two.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run_seed, seed): seed for seed in range(1, seeds)}
        for finished in as_completed(running):
            yield running[finished], finished.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.long_results", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "long.json")
    options = parser.parse_args(arguments)
    parameters = dict(plan_run(PROFILE).profile.notebooks)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for done, (seed, folder) in enumerate(run_seeds(options.seeds), 1):
        rows += [{**row, "seed": seed} for row in Run(folder, fallback=None).read_table("benchmark").rows]
        rows.sort(key=lambda row: row["seed"])
        about = {"parameters": parameters, "seeds": done, "versions": versions()}
        write_json(options.out, {"about": about, "rows": rows})
        print(f"{options.out}: {len(rows)} rows of {done} seeds", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
