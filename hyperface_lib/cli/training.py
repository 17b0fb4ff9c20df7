"""`hyperface train`: a recogniser from images by identity, wherever they lie, in one process or many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyperface_lib.cli.output import Device, JsonFile, save, show_one

if TYPE_CHECKING:
    from hyperface_lib.training import Recipe, TrainingData

_MEMORY_GIGABYTES = 2.0


def train(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="aligned crops of one size: FOLDER/<identity>/<image>, a .rec file of MXNet (with its .idx, or "
            "scanned) or the folder that holds it, an .lmdb file as HSFace has it, or a folder of tar shards"
        ),
    ],
    out: Annotated[Path, typer.Argument(help="the recogniser file to write, FILE.safetensors")],
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="recipe values as YAML; options below win over it")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="start from this recipe: quick, small, paper")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="start from a configuration of arcface_torch, read and not run")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="passes over the images")] = None,
    head: Annotated[str | None, typer.Option(help="the loss, such as arcface")] = None,
    head_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="of the loss, such as scale=64; may be repeated")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="small (64 pixels), iresnet18 ... iresnet100")] = None,
    batch_size: Annotated[int | None, typer.Option(help="images a step, over all processes")] = None,
    accumulation: Annotated[int | None, typer.Option(help="parts in which a step works through its batch")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="after the warm-up")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="go on from here after an interrupt")] = None,
    log: Annotated[
        Path | None,
        # torchrun takes --log for a beginning of its own options, even behind the command.
        typer.Option("--log", "--tensorboard", metavar="FOLDER", help="write curves for TensorBoard here"),
    ] = None,
    memory_gigabytes: Annotated[
        float, typer.Option(help="images that need more are read from disk step by step")
    ] = _MEMORY_GIGABYTES,
    seed: Annotated[
        int | None, typer.Option(help="the same seed gives the same result; 0 if no recipe has one")
    ] = None,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Train a recogniser and write it for `hyperface evaluate net:FILE`.

    Identities are numbered anew without gaps, in the order of their labels or names; images labelled -1 have none.

    On many accelerators or machines: torchrun --nproc-per-node N --no-python hyperface train ... (there --log is called
    --tensorboard).
    """
    from hyperface_lib.atomic import atomic_path
    from hyperface_lib.training import Callback, TensorBoardLog, create_trainer, join_processes, trained_recogniser

    processes = join_processes(device)
    data = _read(dataset, memory_gigabytes, processes.leads)
    options = {
        "epochs": epochs,
        "head": head,
        "architecture": architecture,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    start, report = _start(preset, config, recipe_file, len(data.labels), processes.count)
    recipe = _recipe(start, chosen, head_option or [])
    callbacks: list[Callback] = [TensorBoardLog(log)] if log else []
    trainer = create_trainer(data.images, data.labels, recipe, callbacks, checkpoint, device, progress=True)
    if processes.leads:
        typer.echo(trainer.describe() + (f"\n{report}" if report else ""))
    trainer.fit()
    processes.leave()
    if not processes.leads:
        return
    with atomic_path(out) as temporary:
        trained_recogniser(trainer).save(temporary)
    result = {
        "images": len(data.labels),
        "identities": len(set(data.labels.tolist())),
        "file": str(out),
        **recipe.all_values(),
    }
    show_one("trained", result)
    save(json_file, result)


def _start(
    preset: str | None, config: Path | None, recipe_file: Path | None, images: int, processes: int
) -> tuple[dict[str, Any], str]:
    """Return the recipe's values before the options, and what a configuration asks that a recipe cannot say."""
    import yaml

    from hyperface_lib.training import read_arcface_torch_config, recipe_preset

    if preset is not None and config is not None:
        raise ValueError("a run starts from one recipe: found both --preset and --config")
    values: dict[str, Any] = {}
    report = ""
    if config is not None:
        imported = read_arcface_torch_config(config, processes, images)
        values, report = imported.recipe.to_dict(), imported.report()
    elif preset is not None:
        values = recipe_preset(preset).to_dict()
    if recipe_file is not None:
        stated = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
        if not isinstance(stated, dict):
            raise ValueError(f"{recipe_file}: expected a mapping of recipe values, found {type(stated).__name__}")
        values |= stated
    return values, report


def _recipe(start: dict[str, Any], chosen: dict[str, Any], head_options: list[str]) -> Recipe:
    """Return the recipe; a head comes with its own defaults unless options were given for it."""
    import yaml

    from hyperface_lib.training import Recipe

    values = start | chosen
    usual = Recipe().head
    head = values.get("head", usual)
    of_another = "head_options" in start and "head" in start and start["head"] != head
    if of_another or ("head_options" not in start and head != usual):
        values["head_options"] = {}
    for option in head_options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise ValueError(f"--head-option must be NAME=VALUE, found {option!r}")
        options = values.get("head_options", Recipe().head_options)
        values["head_options"] = options | {name: yaml.safe_load(value)}
    return Recipe.from_dict(values)


def _read(dataset: Path, memory_gigabytes: float, progress: bool) -> TrainingData:
    """Open a generated data set, checked against its manifest where it fits into memory, or any other images."""
    import json

    from hyperface_lib.training import TrainingData, as_image_rows, open_training_data

    limit = int(memory_gigabytes * 2**30)
    manifest = dataset / "manifest.json"
    if manifest.is_file() and _decoded_bytes(json.loads(manifest.read_text(encoding="utf-8"))) <= limit:
        from hyperface_lib.synthesis import read_dataset

        images, labels, _ = read_dataset(dataset, progress)
        return TrainingData(as_image_rows(images), labels)
    return open_training_data(dataset, limit, progress=progress)


def _decoded_bytes(manifest: Any) -> int:
    """Return what the images of a manifest need; 0 where it does not say, which its reader will complain about."""
    try:
        return int(manifest["images"]) * int(manifest["parameters"]["image_size"]) ** 2 * 3
    except (KeyError, TypeError, ValueError):
        return 0
