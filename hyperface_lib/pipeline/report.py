"""Tables for the terminal: what will be done, what is missing, what was done."""

from __future__ import annotations

from rich.table import Table

from hyperface_lib.pipeline.plan import Plan
from hyperface_lib.pipeline.run import PipelineResult

_STYLE = {"done": "green", "kept": "cyan", "failed": "bold red"}


def plan_table(plan: Plan) -> Table:
    """Return the notebooks of a plan with the parameters they are given."""
    table = Table(title=f"profile {plan.profile.name}: {plan.profile.description}", title_justify="left")
    table.add_column("notebook")
    table.add_column("parameters")
    for step in plan.steps:
        table.add_row(step.name, ", ".join(f"{name}={value!r}" for name, value in step.parameters.items()))
    return table


def missing_table(plan: Plan) -> Table:
    """Return what the profile needs that the kit cannot ship: is it there, and where does it come from?"""
    table = Table(title="needed beforehand", title_justify="left")
    for heading in ("there", "what", "where it goes", "where it comes from"):
        table.add_column(heading, overflow="fold")
    for one in plan.profile.requires:
        table.add_row("yes" if one.present else "[red]no[/red]", one.what, str(one.path), one.source)
    return table


def summary_table(result: PipelineResult) -> Table:
    """Return one row a notebook: what became of it and the seconds it took."""
    table = Table(title=f"run {result.plan.run.name}", title_justify="left")
    table.add_column("notebook")
    table.add_column("status")
    table.add_column("seconds", justify="right")
    for step in result.steps:
        table.add_row(step.name, f"[{_STYLE[step.status]}]{step.status}[/]", f"{step.seconds:.1f}")
    for left in result.plan.steps[len(result.steps) :]:
        table.add_row(left.name, "not reached", "")
    table.add_row("all", "", f"{result.seconds:.1f}", end_section=True)
    return table
