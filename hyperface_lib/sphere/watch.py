"""What surrounds the steps of a packing: clock, progress bar, callback, checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hyperface_lib.sphere.bounds import levenshtein_bound_degrees
from hyperface_lib.sphere.checkpoint import load_state, save_state
from hyperface_lib.sphere.problem import PackingProblem
from hyperface_lib.sphere.run import PackingRecord, PackingRun
from hyperface_lib.sphere.sharding import process_rank

Callback = Callable[[PackingRun], Any]
DEFAULT_STEPS = 1000
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


class Checkpoint:
    """The file of a packing in progress; one beside it for every further process."""

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        rank = process_rank()
        self.path = path if rank == 0 else path.with_name(f"{path.stem}.process-{rank}{path.suffix}")
        self.config = config
        self._last_saved = time.perf_counter()

    def restore(self, run: PackingRun) -> None:
        """Let `run` go on from the file, where there is one."""
        state = load_state(self.path, self.config)
        if state is not None:
            run.restore(state)

    def save(self, run: PackingRun) -> None:
        """Write the state of `run`."""
        save_state(self.path, run.state(), self.config)
        self._last_saved = time.perf_counter()

    def save_when_due(self, run: PackingRun) -> None:
        """Write the state of `run` if the file has grown old."""
        if run.pairs.agree(time.perf_counter() - self._last_saved) > _SECONDS_BETWEEN_CHECKPOINTS:
            self.save(run)


class Watch:
    """Keeps the clock and the progress bar of a packing, and asks the callback; use it as a context.

    Seconds spent before an interrupted run was taken up again count.
    """

    def __init__(
        self,
        problem: PackingProblem,
        max_seconds: float | None,
        max_steps: int | None,
        callback: Callback | None,
        progress: bool,
        default_steps: int | None,
    ) -> None:
        self.started = time.perf_counter()
        self.max_seconds = max_seconds
        self.callback = callback
        self.bound = levenshtein_bound_degrees(problem.n, problem.working_dimension)
        self.total = max_steps if max_steps is not None or max_seconds is not None else default_steps
        hidden = not progress or process_rank() > 0
        self.bar = tqdm(total=self.total, desc="packing", unit="step", disable=hidden)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def take_up(self, run: PackingRun) -> None:
        """Let steps and seconds already in the history of `run` count."""
        if run.history:
            self.started -= run.history[-1].seconds
            self.bar.update(run.steps)

    def seconds_left(self) -> float | None:
        """Return what is left of `max_seconds`; None where time is not limited."""
        return None if self.max_seconds is None else self.max_seconds - (time.perf_counter() - self.started)

    def fraction(self, steps: int) -> float:
        """Return how much of the run has passed, by steps or by seconds."""
        by_steps = 0.0 if self.total is None else steps / self.total
        if self.max_seconds is None:
            return by_steps
        return max(by_steps, (time.perf_counter() - self.started) / self.max_seconds)

    def stop(self, run: PackingRun, history: list[PackingRecord]) -> bool:
        """Report a step; say whether to end."""
        self.bar.update(1)
        self.bar.set_postfix_str(
            f"{history[-1].min_angle_degrees:.2f} of at most {self.bound:.2f} degrees", refresh=False
        )
        asked = self.callback is not None and self.callback(run) is True
        return asked or self.fraction(len(history)) >= 1
