"""`hyperface render`: rendered faces as one picture, or as a folder of images by identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperface_lib.cli.output import Seed, console


def render(
    out: Annotated[
        Path, typer.Argument(help="FILE.png for one contact sheet, else a folder: FOLDER/<identity>/<image>.png")
    ],
    identities: Annotated[int, typer.Option(min=1, help="number of people")] = 4,
    images: Annotated[int, typer.Option(min=1, help="pictures of each")] = 8,
    size: Annotated[int, typer.Option(help="pixels: 64 or 112")] = 112,
    profile: Annotated[
        str, typer.Option(help="how much pictures of a person differ: clean, mild, free, wide")
    ] = "free",
    split: Annotated[str, typer.Option(help="the named set of people to draw from")] = "showcase",
    seed: Seed = 0,
) -> None:
    """Render PEOPLE x IMAGES faces of known identity: the same seed gives the same people."""
    import numpy as np
    from PIL import Image

    from hyperface_lib.atomic import atomic_path
    from hyperface_lib.faces import FaceWorld, contact_sheet, identity_seeds, nuisance_seed

    people = identity_seeds(split, identities, start=seed)
    pairs = [(person, sample) for person in people for sample in range(images)]
    drawn = FaceWorld(size=size).render_batch(
        [person for person, _ in pairs],
        [nuisance_seed(person, sample) for person, sample in pairs],
        progress=True,
        profile=profile,
    )
    if out.suffix:
        with atomic_path(out) as temporary:
            Image.fromarray(np.asarray(contact_sheet(drawn, columns=images))).save(temporary)
    else:
        for (person, sample), image in zip(pairs, drawn, strict=True):
            with atomic_path(out / f"{person:09d}" / f"{sample:03d}.png") as temporary:
                Image.fromarray(image).save(temporary)
    console().print(f"{len(drawn)} images of {identities} identities: {out}")
