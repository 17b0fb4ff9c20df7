"""`hyperface pack`: points far apart on the sphere, and near a gallery where one is given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperface_lib.cli.output import Device, JsonFile, Seed, save, show_one


def pack(
    n: Annotated[int, typer.Option("--n", help="number of points")],
    dimension: Annotated[
        int | None, typer.Option(help="dimension of the space; the gallery's where one is given")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gallery vectors, as notebook 01 writes them")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="weight of the attraction to the gallery (Eq. 2)")] = None,
    subspace: Annotated[
        float | None,
        typer.Option(help="keep to the gallery's leading directions: how many, or a share of variance up to 1"),
    ] = None,
    initial: Annotated[str, typer.Option(help='"auto", "gallery" or "random"')] = "auto",
    objective: Annotated[
        str,
        typer.Option(
            help='"auto", "hinge", "log-sum-exp", "riesz", "mean-nearest", "closest-pair" (the paper\'s), ...'
        ),
    ] = "auto",
    method: Annotated[
        str, typer.Option(help='"auto", "riemannian-adam", "adamw", "sgd", "rmsprop", "minibatch-adam", "lbfgs"')
    ] = "auto",
    alpha_schedule: Annotated[str, typer.Option(help='"constant", "falling" or "rising"')] = "constant",
    batch_size: Annotated[int | None, typer.Option(help="points in a mini-batch, for minibatch-adam")] = None,
    known_codes: Annotated[bool, typer.Option(help="return a closed form where it is better")] = True,
    max_seconds: Annotated[float | None, typer.Option(help="stop after this time")] = None,
    max_steps: Annotated[int | None, typer.Option(help="stop after this many steps")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="keep the state here every 20 s; go on from it when it is there")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write the points: .npy, or .safetensors of a gallery's embedder"),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Place N points on the unit sphere with the largest smallest angle, and compare with the bound.

    Started by torchrun, the processes share the points: torchrun --nproc-per-node 2 -- .venv/bin/hyperface pack ...
    """
    import numpy as np

    from hyperface_lib.atomic import atomic_path
    from hyperface_lib.runs import IdentityVectors
    from hyperface_lib.sphere import join_processes, process_rank
    from hyperface_lib.sphere import pack as pack_points

    vectors = IdentityVectors.load(gallery) if gallery is not None else None
    if out is not None and (out.suffix not in (".npy", ".safetensors") or (out.suffix != ".npy" and vectors is None)):
        raise ValueError(f"--out: expected FILE.npy, or FILE.safetensors together with --gallery, found {out}")
    if vectors is None and dimension is None:
        raise ValueError("pack needs --dimension or --gallery")
    join_processes(device)
    packing = pack_points(
        n=n,
        dimension=dimension,
        gallery=None if vectors is None else vectors.vectors,
        alpha=alpha,
        subspace=int(subspace) if subspace is not None and subspace > 1 else subspace,
        initial=initial,
        objective=objective,
        method=method,
        use_known_codes=known_codes,
        seed=seed,
        max_seconds=max_seconds,
        max_steps=max_steps,
        device=device,
        alpha_schedule=alpha_schedule,
        batch_size=batch_size,
        checkpoint=checkpoint,
        progress=True,
    )
    if process_rank() > 0:
        return
    if out is not None and vectors is not None and out.suffix == ".safetensors":
        ids = [f"packed-{number:06d}" for number in range(n)]
        IdentityVectors(packing.points, ids, vectors.embedder, vectors.fingerprint, provenance=packing.config).save(out)
    elif out is not None:
        with atomic_path(out) as temporary:
            np.save(temporary, packing.points)
    values = {
        "min_angle_degrees": packing.min_angle_degrees,
        "bound_degrees": packing.bound_degrees,
        "seconds": packing.seconds,
        "steps": packing.steps,
        "method": packing.method,
        "n": n,
        "dimension": int(packing.points.shape[1]),
        "mean_gallery_cosine": packing.mean_gallery_cosine,
    }
    show_one("packing", values)
    save(json_file, values)
