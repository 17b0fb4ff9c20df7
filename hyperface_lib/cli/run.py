"""`hyperface run` and `hyperface lab`: the notebooks, executed or opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hyperface_lib.assets import CHECKOUT, notebooks_folder
from hyperface_lib.cli.output import JsonFile, console, save


def run(
    profile: Annotated[str, typer.Option(help="sizes: ci, laptop, long or paper")] = "laptop",
    run_name: Annotated[
        str | None, typer.Option("--run", help="name (or path) of the run folder; the profile's name by default")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="NN", help="first notebook, such as 03")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="NN", help="last notebook, such as 02")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="set a notebook parameter")
    ] = None,
    gallery: Annotated[
        str | None, typer.Option(metavar="folder:PATH", help="photographs to make the gallery of, instead of renders")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="SPEC", help='whose vectors: "reference", "dlib", "iresnet50:PATH" ...')
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be run and what is missing, then stop")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Run the notebooks in order; finished steps are kept, so the same command goes on where it stopped."""
    from hyperface_lib import pipeline

    values: dict[str, Any] = dict(pipeline.parse_parameter(text) for text in parameter or [])
    if gallery is not None:
        values["gallery"] = _absolute(gallery)
    if embedder is not None:
        values["embedder"] = _absolute(embedder)
    plan = pipeline.plan_run(profile, run_name, first, last, values)
    terminal = console()
    terminal.print(pipeline.plan_table(plan))
    if plan.profile.requires:
        terminal.print(pipeline.missing_table(plan))
    if dry_run:
        missing = [{"path": str(one.path), "what": one.what, "source": one.source} for one in plan.profile.missing()]
        steps = [{"notebook": step.name, "parameters": dict(step.parameters)} for step in plan.steps]
        save(json_file, {"steps": steps, "missing": missing})
        return
    try:
        result = pipeline.execute_plan(plan, terminal.print)
    except KeyboardInterrupt:
        terminal.print("interrupted; finished notebooks are kept: the same command goes on where it stopped")
        raise typer.Exit(130) from None
    save(json_file, {"run": str(plan.run.folder), "seconds": result.seconds, "rows": result.rows()})
    terminal.print(pipeline.summary_table(result))
    failed = result.failed
    if failed is not None:
        typer.echo(f"hyperface: {failed.name} failed in {failed.failure}; executed so far: {failed.executed}", err=True)
        raise typer.Exit(2)
    terminal.print(f"results      {plan.run.folder}")
    terminal.print(f"open         {result.steps[-1].html}  (any browser)")
    terminal.print("work on      make lab, which opens the notebooks in JupyterLab")


def lab(context: typer.Context) -> None:
    """Open JupyterLab on this machine only, at the first notebook; further options go to JupyterLab."""
    notebooks = sorted(notebooks_folder().glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(f"{notebooks_folder()}: expected notebooks named like 01_gallery.ipynb, found none")
    inside = notebooks_folder().resolve().is_relative_to(CHECKOUT.resolve())
    root = CHECKOUT if inside else notebooks_folder()
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{notebooks[0].relative_to(root).as_posix()}",
        # No question about updates and no news: nothing leaves this machine.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        *context.args,
    ]
    try:
        code = subprocess.call(command)
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def _absolute(spec: str) -> str:
    """Make the path of KIND:PATH absolute: notebooks run in their own folder."""
    kind, colon, place = spec.partition(":")
    if not colon:
        return spec
    if not place:
        raise ValueError(f"expected {kind}:PATH, found {spec!r}")
    path = Path(place).expanduser().resolve()
    if not path.exists():
        raise FileNotFoundError(f"{path}: {spec!r} names it, but there is nothing")
    return f"{kind}:{path}"
