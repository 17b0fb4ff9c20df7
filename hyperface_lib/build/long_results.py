"""Run the long comparison and ship its table: `python -m hyperface_lib.build.long_results`.

The profile `long` once, then notebooks 04 and 05 again on the same data sets with other seeds, since one training is
one draw of a lottery. Everything resumes. data/results/long.json holds a row for each seed, recogniser and benchmark.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.long_results", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "long.json")
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        folder = run_seed(seed)
        rows += [{**row, "seed": seed} for row in Run(folder, fallback=None).read_table("benchmark").rows]
        parameters = dict(plan_run(PROFILE).profile.notebooks)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(
            options.out, {"about": {"parameters": parameters, "seeds": seed + 1, "versions": versions()}, "rows": rows}
        )
        print(f"{options.out}: {len(rows)} rows of {seed + 1} seeds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
