"""`hyperface generate` and `hyperface score-generator`: faces drawn from vectors, and what a judge says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hyperface_lib.cli.output import RENDERED_NOTE, Device, JsonFile, Seed, console, save, show_one

GeneratorSpec = Annotated[str, typer.Option(help='"reference", "folder:PATH" or "arc2face:FOLDER"')]
Steps = Annotated[int, typer.Option(help="denoising steps")]
Guidance = Annotated[float, typer.Option(help="how strongly the identity is insisted on; 1 is not at all")]
Beta = Annotated[float, typer.Option(help="size of the noise on the identity vector")]


def generate(
    references: Annotated[
        Path, typer.Argument(help="reference vectors, as notebook 02 or `hyperface pack` writes them")
    ],
    out: Annotated[Path, typer.Argument(help="the folder of the data set; an interrupted one is gone on with")],
    generator: GeneratorSpec = "reference",
    images_per_identity: Annotated[int, typer.Option(min=1, help="images of each identity")] = 8,
    beta: Beta = 0.02,
    steps: Steps = 10,
    guidance: Guidance = 1.5,
    layout: Annotated[
        str, typer.Option(help='"folder": FOLDER/<identity>/<sample>.png, or "shards": tar files')
    ] = "folder",
    picture_format: Annotated[str, typer.Option(help='"png", without loss, or "webp", a fifth of its size')] = "png",
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw IMAGES-PER-IDENTITY images of every reference vector into a data set with a manifest."""
    from hyperface_lib.runs import IdentityVectors
    from hyperface_lib.synthesis import generate_dataset, load_generator

    vectors = IdentityVectors.load(references)
    loaded = load_generator(generator, device=device)
    vectors.require(loaded)
    generate_dataset(
        vectors,
        loaded,
        out,
        images_per_identity=images_per_identity,
        beta=beta,
        seed=seed,
        steps=steps,
        guidance=guidance,
        layout=layout,
        picture_format=picture_format,
        progress=True,
    )
    console().print(f"{len(vectors) * images_per_identity} images of {len(vectors)} identities: {out}")


def score_generator(
    generator: Annotated[str, typer.Argument(help='"reference", "folder:PATH" or "arc2face:FOLDER"')] = "reference",
    references: Annotated[
        Path | None, typer.Option(metavar="FILE", help="score these packed vectors instead of people held out")
    ] = None,
    identities: Annotated[int, typer.Option(min=2, help="how many are drawn")] = 200,
    images_per_identity: Annotated[int, typer.Option(min=2, help="images of each")] = 8,
    embedder: Annotated[str, typer.Option(help="whose vectors the generator takes")] = "reference",
    judge: Annotated[str, typer.Option(help="the independent recogniser that scores")] = "judge",
    beta: Beta = 0.02,
    steps: Steps = 10,
    guidance: Guidance = 1.5,
    seed: Seed = 0,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Score a generator in the space of an independent judge: does it draw whom it was asked to draw?"""
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.evaluation.generator_scoring import score_generator as score_held_out
    from hyperface_lib.evaluation.generator_scoring import score_references
    from hyperface_lib.runs import IdentityVectors
    from hyperface_lib.synthesis import load_generator

    loaded: Any = load_generator(generator, device=device)
    judging = load_embedder(judge, device=device)
    common: dict[str, Any] = {
        "identities": identities,
        "images_per_identity": images_per_identity,
        "steps": steps,
        "guidance": guidance,
        "seed": seed,
        "progress": True,
    }
    if references is not None:
        record = score_references(loaded, IdentityVectors.load(references), judging, beta=beta, **common).to_record()
    else:
        record = score_held_out(loaded, load_embedder(embedder, device=device), judging, **common).to_record()
    show_one(f"generator {generator}, judged by {judge}", record)
    console().print(RENDERED_NOTE)
    save(json_file, record)
