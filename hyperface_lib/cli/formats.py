"""`hyperface inspect` and `hyperface convert`: what a file of the field is, and the same images in another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hyperface_lib.cli.output import JsonFile, console, save, show_one


def inspect(
    file: Annotated[
        Path,
        typer.Argument(help=".bin, .rec, .lmdb, pair list, image folder, shards, .npy, .safetensors, .onnx, .pt, ..."),
    ],
    json_file: JsonFile = None,
) -> None:
    """Say what FILE is: counts, sizes, first images, problems. No code in it is run, nothing is changed.

    Recognisers of others are tried on rendered faces, which shows whether they expect RGB or BGR.
    """
    from hyperface_lib.cli.describers import NETWORK_DESCRIBERS
    from hyperface_lib.formats import inspect as look

    found = look(file, NETWORK_DESCRIBERS)
    shown = {name: "\n".join(value) if name.startswith("first_") else value for name, value in found.facts.items()}
    show_one(f"{file}: {found.kind}", shown)
    for problem in found.problems:
        console().print(f"problem: {problem}", markup=False)
    if not found.problems:
        console().print("no problems found")
    save(json_file, found.to_record())


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="FILE.rec, FILE.lmdb, FOLDER/<identity>/<image>, or tar shards")
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="DST", help="FILE.rec, FILE.lmdb, or the folder to make; an interrupted one is gone on with"
        ),
    ],
    to: Annotated[
        Literal["records", "lmdb", "folder", "shards"] | None,
        typer.Option(help="the layout of DST; .rec and .lmdb say it themselves"),
    ] = None,
    layout: Annotated[
        Literal["insightface", "flat"], typer.Option(help="of a .rec: with identity records, or images alone")
    ] = "insightface",
    verify: Annotated[bool, typer.Option(help="decode every image on the way")] = True,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="leave unreadable images out and list them, instead of stopping")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Copy labelled images between .rec, LMDB, image folder and shards; bytes, labels and names stay as they are."""
    from dataclasses import asdict

    from hyperface_lib.formats import convert as copy

    done = copy(
        source,
        destination,
        to=to,
        record_layout=layout,
        verify=verify,
        skip_unreadable=skip_unreadable,
        progress=True,
    )
    written = done.images - len(done.skipped)
    console().print(f"{written} images of {done.identities} identities: {destination}", markup=False)
    for reason in list(done.skipped.values())[:5]:
        console().print(f"left out: {reason}", markup=False)
    if done.skipped:
        console().print(f"{len(done.skipped)} images were left out; all are listed in the conversion's JSON")
    record: dict[str, Any] = asdict(done)
    record["skipped"] = {str(number): reason for number, reason in done.skipped.items()}
    save(json_file, record)
