"""`hyperface train`: a recogniser from a folder of images by identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hyperface_lib.cli.output import Device, JsonFile, Seed, save, show_one


def train(
    dataset: Annotated[Path, typer.Argument(help="FOLDER/<identity>/<image>, aligned crops of one size")],
    out: Annotated[Path, typer.Argument(help="the recogniser file to write, FILE.safetensors")],
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="recipe values as YAML; options below win over it")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="passes over the images")] = None,
    head: Annotated[str | None, typer.Option(help="the loss, such as arcface")] = None,
    architecture: Annotated[str | None, typer.Option(help="small (64 pixels), iresnet18 ... iresnet100")] = None,
    batch_size: Annotated[int | None, typer.Option(help="images a step")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="after the warm-up")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="go on from here after an interrupt")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Train a recogniser and write it for `hyperface evaluate net:FILE`."""
    import yaml

    from hyperface_lib.atomic import atomic_path
    from hyperface_lib.training import Recipe, train_recogniser

    values = yaml.safe_load(recipe_file.read_text(encoding="utf-8")) if recipe_file else {}
    if not isinstance(values, dict):
        raise ValueError(f"{recipe_file}: expected a mapping of recipe values, found {type(values).__name__}")
    options = {
        "epochs": epochs,
        "head": head,
        "architecture": architecture,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    values |= {name: value for name, value in options.items() if value is not None} | {"seed": seed}
    recipe = Recipe.from_dict(values)
    images, labels = _read(dataset)
    trained = train_recogniser(images, labels, recipe, checkpoint=checkpoint, device=device, progress=True)
    with atomic_path(out) as temporary:
        trained.save(temporary)
    result = {"images": len(images), "identities": len(set(labels.tolist())), "file": str(out), **recipe.to_dict()}
    show_one("trained", result)
    save(json_file, result)


def _read(dataset: Path) -> tuple[Any, Any]:
    """Read images (n, h, w, 3) and labels (n,) of a generated data set, or of any folder of aligned crops."""
    import numpy as np

    if (dataset / "manifest.json").is_file():
        from hyperface_lib.synthesis import read_dataset

        images, labels, _ = read_dataset(dataset)
        return images, labels

    from hyperface_lib.formats import read_image_folder

    folder = read_image_folder(dataset)
    pictures = list(folder.images)
    sizes = sorted({picture.shape for picture in pictures})
    if len(sizes) != 1:
        raise ValueError(
            f"{dataset}: expected aligned crops of one size, found {len(sizes)} sizes, such as {sizes[:2]}"
        )
    return np.stack(pictures), folder.labels
