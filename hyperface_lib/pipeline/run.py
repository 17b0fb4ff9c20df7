"""Carry out a plan: step after step, one process a run folder, stopping at the first failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from filelock import FileLock, Timeout

from hyperface_lib.pipeline.conditioning import refuse_unconditioned
from hyperface_lib.pipeline.execute import StepResult, execute_step, stored_key
from hyperface_lib.pipeline.keys import reference_key, step_key
from hyperface_lib.pipeline.plan import Plan


@dataclass(frozen=True)
class PipelineResult:
    """The results of the steps that were reached, in order, and the seconds all of it took."""

    plan: Plan
    steps: tuple[StepResult, ...]
    seconds: float

    @property
    def failed(self) -> StepResult | None:
        """Return the step that failed, None if all went well."""
        return next((step for step in self.steps if step.status == "failed"), None)

    def rows(self) -> list[dict[str, object]]:
        """Return one row a step: notebook, status, seconds, failure."""
        return [
            {
                "notebook": step.name,
                "status": step.status,
                "seconds": round(step.seconds, 2),
                "failure": str(step.failure) if step.failure else None,
                "executed": str(step.executed),
            }
            for step in self.steps
        ]


def execute_plan(plan: Plan, announce: Callable[[str], None] = lambda text: None) -> PipelineResult:
    """Run the steps in order; `announce` is told of each in one line.

    Raises FileNotFoundError when the profile's requirements are not there, ValueError when the generator does not take
    the embedder's vectors, RuntimeError when another process is at
    work in the same folder. A KeyboardInterrupt passes through: what was finished is kept, the next call goes on there.
    """
    missing = plan.profile.missing()
    if missing:
        raise FileNotFoundError(
            f"profile {plan.profile.name!r} needs {len(missing)} things that the kit cannot ship, the first being "
            f"{missing[0].what} at {missing[0].path}: "
            f"`hyperface run --profile {plan.profile.name} --dry-run` lists all and where they come from"
        )
    refuse_unconditioned(plan)
    plan.executed_folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    try:
        with FileLock(plan.run.folder / ".lock", timeout=0):
            results = _execute(plan, announce)
    except Timeout as problem:
        raise RuntimeError(
            f"run folder {plan.run.folder}: another process is at work there; wait for it to end"
        ) from problem
    return PipelineResult(plan, tuple(results), time.perf_counter() - started)


def _execute(plan: Plan, announce: Callable[[str], None]) -> list[StepResult]:
    results: list[StepResult] = []
    upstream = (stored_key(plan.executed_folder / plan.before.name) if plan.before else "") or reference_key()
    for step in plan.steps:
        key = step_key(step, upstream)
        announce(f"{step.name} ...")
        result = execute_step(step, key, plan.run.folder, plan.executed_folder)
        results.append(result)
        announce(f"{step.name}: {result.status}, {result.seconds:.0f} s")
        if result.status == "failed":
            break
        upstream = key
    return results
