"""`hyperface estimate`: what a run will take, before it is started."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hyperface_lib.cli.output import JsonFile, console, save, show

_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))


def estimate(
    profile: Annotated[str, typer.Option(help="sizes: ci, laptop, long or paper")] = "laptop",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="set a notebook parameter")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="NN", help="first notebook, such as 03")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="NN", help="last notebook, such as 02")] = None,
    scale: Annotated[float, typer.Option(help="how many times faster than the measured machine yours is")] = 1.0,
    accelerator: Annotated[
        str | None,
        typer.Option(help="where networks and packing run, at an assumed speed: l4, rtx4090, a100, h100"),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Print time, memory and disk of each notebook, from constants measured beforehand; nothing is run.

    Every line says what its time rests on: measured, scaled from a measurement, counted operations, or assumed.
    """
    from hyperface_lib import pipeline
    from hyperface_lib.pipeline.cost_book import ACCELERATORS, CostBook
    from hyperface_lib.pipeline.estimate import estimate_plan

    if accelerator is not None and accelerator not in ACCELERATORS:
        raise ValueError(f"--accelerator: expected one of {', '.join(ACCELERATORS)}, found {accelerator!r}")
    values = dict(pipeline.parse_parameter(text) for text in parameter or [])
    plan = pipeline.plan_run(profile, None, first, last, values)
    chosen = None if accelerator is None else ACCELERATORS[accelerator]
    found = estimate_plan(plan, CostBook.load(), scale, chosen)
    rows: list[dict[str, Any]] = []
    for step in found.steps:
        rows += [
            {
                "notebook": step.notebook,
                "part": part.what,
                "amount": f"{part.amount:,.0f} {part.unit}",
                "time": "?" if part.seconds is None else duration(part.seconds),
                "from": part.basis,
                "note": part.note,
            }
            for part in step.parts
        ]
    show(f"profile {profile} on {found.machine}", rows)
    totals = [
        {
            "notebook": step.notebook,
            "time": duration(step.seconds) + (" and more" if step.unknown else ""),
            "memory": size(step.memory_bytes),
            "disk": size(step.disk_bytes),
        }
        for step in found.steps
    ]
    record = found.to_record()
    memory, disk = size(record["memory_bytes"]), size(record["disk_bytes"])
    unknown = sorted({part.what for step in found.steps for part in step.unknown})
    time = duration(found.seconds) + (" and more" if unknown else "")
    totals.append({"notebook": "all", "time": time, "memory": memory, "disk": disk})
    show("in all", totals)
    if unknown:
        console().print(f"not in these times, because nobody measured it: {', '.join(unknown)}")
    if chosen is not None:
        peak = f"{chosen.peak_bfloat16:.3g} operations a second in bfloat16, {chosen.peak_float32:.3g} in float32"
        console().print(f"{chosen.name}: {100 * chosen.share_reached:.0f} % of its data sheet is assumed ({peak})")
    save(json_file, {"profile": profile, "scale": scale, "accelerator": accelerator, **record})


def duration(seconds: float) -> str:
    """Return seconds in the unit a person would take, with two digits or three."""
    for length, unit in _UNITS:
        if seconds >= 1.5 * length:
            return f"{seconds / length:.3g} {unit}" if seconds < 1000 * length else f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def size(count: float) -> str:
    """Return bytes as MB, GB or TB."""
    for length, unit in ((1e12, "TB"), (1e9, "GB")):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e6:.0f} MB"
