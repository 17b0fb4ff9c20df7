"""How much memory a piece of work takes at its peak, above what was there before: for a process that does only that.

Linux counts the peak of resident memory (VmHWM); memory that was freed before is given back first (malloc_trim), so
that the work cannot hide in it. A peak from before the work counts as the work's, so the figure is never too small.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes(field: str) -> int:
    """Return "VmRSS", what is resident now, or "VmHWM", its peak, in bytes; raises OSError where there is no /proc."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    value = next(line for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(value.split()[1])


def extra_bytes(work: Callable[[], object]) -> int:
    """Return by how much the peak of resident memory with `work` exceeds what was resident before; Linux only."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident_bytes("VmRSS")
    work()
    return resident_bytes("VmHWM") - before


def packing_bytes(n: int, dimension: int, method: str, objective: str, steps: int) -> int:
    """Return the extra bytes of `steps` steps of packing, above the points themselves.

    A smaller packing is taken a step first: threads, libraries and compiled products are not the packing's.
    """
    from hyperface_lib.sphere import define_problem, start_run

    start_run(define_problem(min(n, 4608), dimension), objective, method, 1000).step(2)
    run = start_run(define_problem(n, dimension), objective, method, 1000)
    return extra_bytes(lambda: run.step(steps))


def measure_packing_bytes(n: int, dimension: int, method: str, objective: str = "auto", steps: int = 1) -> int:
    """Return `packing_bytes`, measured in a process of its own; raises RuntimeError with its last words if it fails."""
    command = [sys.executable, "-m", "hyperface_lib.build.peak_memory", str(n), str(dimension), method, objective]
    done = subprocess.run([*command, str(steps)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring the memory of n = {n} failed: {done.stderr.strip().splitlines()[-1:]}")
    return int(json.loads(done.stdout))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.peak_memory", description=__doc__)
    parser.add_argument("n", type=int)
    parser.add_argument("dimension", type=int)
    parser.add_argument("method")
    parser.add_argument("objective")
    parser.add_argument("steps", type=int)
    options = parser.parse_args(arguments)
    print(packing_bytes(options.n, options.dimension, options.method, options.objective, options.steps))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
