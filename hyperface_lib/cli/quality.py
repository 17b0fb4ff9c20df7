"""`hyperface leaks` and `hyperface uniqueness`: whom a data set shows that it must not, and whom it shows twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hyperface_lib.cli.output import RENDERED_NOTE, Device, JsonFile, console, save, show, show_one

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hyperface_lib.cli.real_people import RealPeople
    from hyperface_lib.evaluation import Exclusion, LeakRow, Leaks, LeakTable
    from hyperface_lib.formats import ImageSet

ImageSetPath = Annotated[
    Path, typer.Argument(help="FOLDER/<identity>/<image> of aligned crops, tar shards, or FILE.rec")
]
EmbedderSpec = Annotated[
    str, typer.Option(help='"reference", "judge", "dlib", "net:PATH", "iresnet50:PATH", "onnx:PATH"')
]
Figure = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="also draw the figures, as a page that any browser opens")
]
Thresholds = Annotated[
    list[float] | None, typer.Option("--threshold-degrees", help="an angle; several are given one by one")
]
Compared = Literal["samples-samples", "samples-centres"]
_SHOWN_PAIRS, _LISTED_PAIRS = 12, 100
_USUAL_RATE = 1e-4


def leaks(
    dataset: ImageSetPath,
    gallery: Annotated[
        Path,
        typer.Argument(
            help='real people: crops as DATASET, "folder:PATH" of photographs, or identity vectors (.safetensors)'
        ),
    ],
    embedder: EmbedderSpec = "reference",
    threshold_degrees: Thresholds = None,
    false_accept_rate: Annotated[
        list[float] | None,
        typer.Option(help="the angle at which this share of the pairs of two real people passes; 1e-4 by default"),
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="write the data set without what leaks at the first threshold")
    ] = None,
    compare: Annotated[Compared, typer.Option(help="the comparison whose leaks are excluded, listed and drawn")] = (
        "samples-samples"
    ),
    drop: Annotated[
        Literal["images", "identities"], typer.Option(help="exclude leaking images, or identities that have one")
    ] = "images",
    minimum_images: Annotated[
        int, typer.Option(min=1, help="identities that leaks leave with fewer images go, too")
    ] = 2,
    layout: Annotated[
        Literal["folder", "shards"] | None, typer.Option(help="of what --exclude writes; that of DATASET by default")
    ] = None,
    figure: Figure = None,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Count the images of DATASET that show someone of GALLERY, and leave them out on demand."""
    from hyperface_lib.cli.real_people import read_real_people
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.evaluation import (
        DropIdentities,
        DropImages,
        check_exclusion_place,
        embed_image_set,
        exclude_leaks,
        leak_table,
    )
    from hyperface_lib.formats import open_image_set

    images = open_image_set(dataset, progress=True)
    model = load_embedder(embedder, device=device)
    # what may be refused comes before the long work
    if exclude is not None:
        check_exclusion_place(images, exclude)
    people = read_real_people(gallery, model)
    vectors = embed_image_set(model, images, progress=True)
    rates = false_accept_rate or ([] if threshold_degrees else [_USUAL_RATE])
    table = leak_table(
        vectors, images.labels, people.vectors, people.labels, threshold_degrees or [], rates, progress=True
    )
    found = table.leaks(next(row for row in table.rows if row.compared == compare))
    show(f"{dataset} against {gallery}, embedder {embedder}", [_shown(row) for row in table.rows])
    console().print("real %: real people who are as similar to another real person; what chance alone comes to")
    _say_if_rendered(images)
    done: Exclusion | None = None
    if exclude is not None:
        policy = DropImages(minimum_images) if drop == "images" else DropIdentities()
        done = exclude_leaks(images, found, exclude, model, policy, layout, str(gallery), progress=True)
        _say(done, exclude)
    if figure is not None:
        _write_page(figure, _leak_figures(images, people, table, compare, found))
    record = {
        "dataset": str(dataset),
        "gallery": str(gallery),
        "embedder": model.name,
        "embedder_fingerprint": model.fingerprint,
        "rows": table.to_records(),
        "pairs": _listed(images, people, found, compare),
        "exclusion": None if done is None else done.to_record(),
    }
    save(json_file, record)


def uniqueness(
    dataset: ImageSetPath,
    embedder: EmbedderSpec = "reference",
    threshold_degrees: Thresholds = None,
    duplicate_degrees: Annotated[float, typer.Option(help="images nearer than this are called identical")] = 1.0,
    compared_images: Annotated[
        int, typer.Option(min=4, help="images compared pair by pair; of a larger set, identities evenly spaced")
    ] = 20_000,
    figure: Figure = None,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Say whether the identities of DATASET are different people, and the images of each one person."""
    from hyperface_lib.cli.picture_factors import picture_factors
    from hyperface_lib.embedding import load_embedder
    from hyperface_lib.evaluation import embed_image_set, score_dataset
    from hyperface_lib.evaluation.uniqueness import THRESHOLDS_DEGREES
    from hyperface_lib.formats import open_image_set

    images = open_image_set(dataset, progress=True)
    if len(images.identities) < 2:
        raise ValueError(f"{dataset}: uniqueness is between identities: two were expected, found 1.")
    model = load_embedder(embedder, device=device)
    factors = picture_factors(images)
    vectors = embed_image_set(model, images, progress=True)
    scores = score_dataset(
        vectors,
        images.labels,
        sorted(threshold_degrees or THRESHOLDS_DEGREES),
        factors,
        duplicate_degrees,
        compared_images,
        progress=True,
    )
    show_one(f"{dataset}, embedder {embedder}", scores.summary())
    show("accepted, and unique identities, at each angle", [_shortened(row) for row in scores.at_thresholds()])
    factor_columns = ("factor", "mean_std", "mean_range", "overall_std", "within_share")
    varied = [one.to_record() for one in scores.variation]
    show("factors of the pictures within an identity", [{name: one[name] for name in factor_columns} for one in varied])
    _say_if_rendered(images)
    if figure is not None:
        from hyperface_lib.evaluation import DecodedImages
        from hyperface_lib.plots.uniqueness import genuine_impostor_angles, unique_identity_curve, worst_identities

        marks = {f"{angle:g}°": angle for angle in threshold_degrees or []}
        pictures = DecodedImages(images)
        drawn = [
            genuine_impostor_angles(scores, marks_degrees=marks, title="Within and between identities"),
            unique_identity_curve(scores, name=dataset.name, title="Unique identities"),
            worst_identities(pictures, images.labels, scores),
        ]
        _write_page(figure, drawn)
    record = {
        "dataset": str(dataset),
        "embedder": model.name,
        "embedder_fingerprint": model.fingerprint,
        "names": {str(label): name for label, name in images.identities.items()},
    }
    save(json_file, record | scores.to_record())


def _shown(row: LeakRow) -> dict[str, Any]:
    """Return what fits a terminal; the JSON has the shares and everything else."""
    among_real = "" if row.real_share is None else f"{100 * row.real_share:.1f}"
    return {
        "compared": row.compared.replace("-", " "),
        "angle °": f"{row.threshold_degrees:.1f}",
        "FAR": "" if row.false_accept_rate is None else f"{row.false_accept_rate:g}",
        "images": "" if row.images is None else str(row.images),
        "%": "" if row.image_share is None else f"{100 * row.image_share:.1f}",
        "ids": row.identities,
        "ids %": f"{100 * row.identity_share:.1f}",
        "real %": among_real,
    }


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a threshold's row as it fits a terminal."""
    accepted = {name: row[f"{name}_accepted"] for name in ("genuine", "impostor")}
    return {
        "angle °": f"{row['threshold_degrees']:g}",
        **{f"{name} %": "" if share is None else f"{100 * share:.2f}" for name, share in accepted.items()},
        "unique": row["unique_identities"],
        "isolated": row["isolated_identities"],
        "log10 room": "" if row["log10_room"] is None else f"{row['log10_room']:.1f}",
    }


def _say_if_rendered(images: ImageSet) -> None:
    """Say whose world it is where a manifest names the renderer, or the generator that learned from it."""
    from hyperface_lib.evaluation.kit_datasets import kit_manifest

    manifest = kit_manifest(images)
    generator = "" if manifest is None else str(manifest["parameters"].get("generator"))
    if generator == "reference" or generator.startswith("renderer"):
        console().print(RENDERED_NOTE)


def _say(done: Exclusion, out: Path) -> None:
    console().print(
        f"{done.kept_images} of {done.images} images and {done.kept_identities} of {done.identities} identities are "
        f"left: {out}",
        markup=False,
    )
    for reason, count in done.reasons.items():
        console().print(f"excluded: {count} images ({reason})", markup=False)
    if done.left_over_identities:
        minimum = done.policy.get("minimum_images")
        console().print(f"identities excluded, left with fewer than {minimum} images: {done.left_over_identities}")


def _listed(images: ImageSet, people: RealPeople, found: Leaks, compared: str) -> list[dict[str, Any]]:
    """Name the most similar pairs; a real centre is named by its person."""
    from hyperface_lib.cli.real_people import image_name

    real = people.compared_names(compared)
    pairs = zip(found.samples.tolist(), found.others.tolist(), found.angles_degrees.tolist(), strict=True)
    return [
        {"image": image_name(images, own), "real": real[other], "angle_degrees": angle}
        for own, other, angle in list(pairs)[:_LISTED_PAIRS]
    ]


def _leak_figures(
    images: ImageSet, people: RealPeople, table: LeakTable, compared: str, found: Leaks
) -> list[go.Figure]:
    from hyperface_lib.evaluation import DecodedImages
    from hyperface_lib.plots.leaks import leak_curves, leak_pairs

    drawn = [leak_curves(table, title="Who is within an angle of a real person")]
    pictures = people.compared_pictures(compared)
    if len(found) and pictures is not None:
        drawn.append(leak_pairs(DecodedImages(images), pictures, found, count=_SHOWN_PAIRS))
    return drawn


def _write_page(file: Path, figures: Sequence[go.Figure]) -> None:
    """Write figures below each other as one page that needs no network, whole or not at all."""
    from hyperface_lib.atomic import atomic_path

    parts = [
        figure.to_html(full_html=False, include_plotlyjs=number == 0, validate=False)
        for number, figure in enumerate(figures)
    ]
    with atomic_path(file) as temporary:
        body = "\n".join(parts)
        temporary.write_text(
            f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{body}</body></html>\n', "utf-8"
        )
