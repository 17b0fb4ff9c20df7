"""Measure how good packing is: `python -m hyperface_lib.build.packing_quality`.

Two tables in data/results/packing_quality.json. Small codes: what the solver alone finds beside the best known cosine,
for several seeds. Many points in 512 dimensions: the angle after a given time beside the bound, and beside the paper's
Algorithm 1 given the same seconds, at the best of a few step lengths. Rows already measured are kept, so an interrupted
measurement goes on; seconds depend on the machine, which is described in the file.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.sphere import best_known_cosine, pack

SMALL_CODES = (
    (3, 7),
    (3, 8),
    (3, 9),
    (3, 10),
    (3, 12),
    (3, 24),
    (4, 24),
    (4, 120),
    (5, 16),
    (6, 27),
    (7, 56),
    (8, 240),
    (22, 100),
)
# Sharp codes that no general solver is known to have found from random starts.
OPEN_CODES = ((21, 162), (22, 275), (23, 552))
LARGE_DIMENSION = 512
# Points and seconds.
LARGE = ((1000, 30.0), (2000, 60.0), (10_000, 300.0))
# What Algorithm 1 is tried at: about how far a point turns in a step.
STEPS_RADIANS = (0.0003, 0.001, 0.003, 0.01)


@dataclass(frozen=True)
class Trial:
    """One row to measure: n points in a dimension, a seed, and for how long."""

    n: int
    dimension: int
    seed: int
    max_seconds: float | None = None
    algorithm_1_radians: float | None = None

    @property
    def key(self) -> str:
        """What tells the row from all others."""
        solver = "solver" if self.algorithm_1_radians is None else f"algorithm 1, {self.algorithm_1_radians:g} rad"
        limit = "" if self.max_seconds is None else f", {self.max_seconds:g} s"
        return f"({self.dimension}, {self.n}), {solver}, seed {self.seed}{limit}"


def trials(seeds: int, large: Sequence[tuple[int, float]], with_open: bool) -> Iterator[Trial]:
    """Give what is to be measured, the quick ones first."""
    for dimension, n in SMALL_CODES:
        for seed in range(seeds):
            yield Trial(n, dimension, seed)
    if with_open:
        for dimension, n in OPEN_CODES:
            yield Trial(n, dimension, 0, 120.0)
    for n, seconds in large:
        # The largest takes its minutes once.
        for seed in range(seeds if n < 10_000 else 1):
            yield Trial(n, LARGE_DIMENSION, seed, seconds)
    for n, seconds in large:
        for radians in STEPS_RADIANS:
            yield Trial(n, LARGE_DIMENSION, 0, seconds, radians)


def measure(trial: Trial) -> dict[str, Any]:
    """Return the row of one trial."""
    arguments: dict[str, Any] = {"use_known_codes": False, "seed": trial.seed, "max_seconds": trial.max_seconds}
    if (trial.dimension, trial.n) in OPEN_CODES:
        arguments["method"] = "lbfgs"
    if trial.algorithm_1_radians is not None:
        arguments |= {"objective": "closest-pair", "method": "adamw", "step_radians": trial.algorithm_1_radians}
    packing = pack(trial.n, trial.dimension, **arguments)
    known = best_known_cosine(trial.n, trial.dimension)
    cosine = math.cos(math.radians(packing.min_angle_degrees))
    return {
        "n": trial.n,
        "dimension": trial.dimension,
        "seed": trial.seed,
        "solver": packing.method if trial.algorithm_1_radians is None else "Algorithm 1",
        "step_radians": trial.algorithm_1_radians,
        "min_angle_degrees": packing.min_angle_degrees,
        "bound_degrees": packing.bound_degrees,
        "fraction_of_bound": packing.min_angle_degrees / packing.bound_degrees,
        "max_cosine": cosine,
        "best_known_cosine": None if known is None else known.cosine,
        "above_best_known": None if known is None else cosine - known.cosine,
        "seconds": round(packing.seconds, 2),
        "steps": packing.steps,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.packing_quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--small-only", action="store_true", help="the small codes, about a minute a seed")
    parser.add_argument("--open", action="store_true", help="three sharp codes nobody's solver finds, 2 minutes each")
    parser.add_argument("--seconds-scale", type=float, default=1.0, help="multiply the time given to large problems")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "packing_quality.json")
    options = parser.parse_args(arguments)
    large = [] if options.small_only else [(n, seconds * options.seconds_scale) for n, seconds in LARGE]
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "instructions": _instructions()}
    rows: dict[str, dict[str, Any]] = {}
    if options.out.is_file():
        before = json.loads(options.out.read_text(encoding="utf-8"))
        rows = before["rows"] if before["about"] == about else {}
    wanted = [trial for trial in trials(options.seeds, large, options.open) if trial.key not in rows]
    for trial in tqdm(wanted, desc="packing quality"):
        rows[trial.key] = measure(trial)
        write_json(options.out, {"about": about, "rows": rows})
    for row in rows.values():
        print(_line(row))
    return 0


def _instructions() -> str:
    return str(torch.backends.cpu.get_cpu_capability())


def _line(row: dict[str, Any]) -> str:
    excess = row["above_best_known"]
    known = "" if excess is None else f"  cosine above best known {excess:+.1e}"
    step = "" if row["step_radians"] is None else f" at {row['step_radians']:g} rad"
    return (
        f"({row['dimension']}, {row['n']})".ljust(14)
        + f"seed {row['seed']}  {row['min_angle_degrees']:.6f} of at most "
        f"{row['bound_degrees']:.6f} degrees ({100 * row['fraction_of_bound']:.2f} %)  {row['seconds']:7.2f} s  "
        f"{row['steps']} steps  {row['solver']}{step}{known}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
