"""Make the shipped recognisers from nothing: render their training sets, train, check, export.

`python -m hyperface_lib.build.recognisers reference` (or `judge`). Rendering and training both continue where an
interrupted run stopped. Sample k of an identity is rendered with `faces.nuisance_seed(identity_seed, k)`, which is
`identity_seed * 1000 + k`, drawn from the profile "wide".
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder, runs_folder
from hyperface_lib.atomic import atomic_path
from hyperface_lib.embedding.networks import NetworkEmbedder, load_recogniser, save_recogniser
from hyperface_lib.training import Every, LogFile, Recipe, Trainer, create_trainer

IMAGE_SIZE = 64
IDENTITIES_PER_CHUNK = 32
LARGEST_FILE_BYTES = 2_980_000
HEADER_BYTES = 40_000
VALIDATION_SPLIT = "validation"
VALIDATION_SAMPLES = 6


@dataclass(frozen=True)
class Plan:
    """What a shipped recogniser is trained on and how."""

    name: str
    split: str
    identities: int
    images_per_identity: int
    recipe: Recipe
    ship_centers: bool


PLANS: dict[str, Plan] = {
    "reference": Plan("reference", "reference", 7000, 18, Recipe(architecture="small", epochs=10, seed=1), True),
    "judge": Plan("judge", "judge", 4000, 15, Recipe(architecture="small-judge", epochs=20, seed=1007), False),
}


def render_set(
    folder: Path,
    name: str,
    seeds: Sequence[int],
    images_per_identity: int,
    profile: str = "wide",
    workers: int | None = 1,
    progress: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Render a labelled set into a file mapped to memory, chunk after chunk; a second call continues the first.

    A set that is the beginning of the one in the folder is taken from it, as soon as so many people are done.
    Returns images (identities * images_per_identity, 64, 64, 3), read-only and grouped by identity, and labels.
    Raises ValueError if the folder holds a set rendered with other seeds or by another version of the renderer.
    """
    from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, nuisance_seed

    folder.mkdir(parents=True, exist_ok=True)
    images_path, state_path = folder / f"{name}-images.npy", folder / f"{name}-images.json"
    described = {
        "renderer_version": RENDERER_VERSION,
        "identities": len(seeds),
        "first_seed": int(seeds[0]),
        "last_seed": int(seeds[-1]),
        "images_per_identity": images_per_identity,
        "profile": profile,
    }
    total = len(seeds) * images_per_identity
    labels = np.repeat(np.arange(len(seeds)), images_per_identity)
    done = 0
    if state_path.exists() and images_path.exists():
        state = json.loads(state_path.read_text(encoding="utf-8"))
        done = int(state.pop("identities_done"))
        if _is_part(described, state) and done >= len(seeds):
            return np.load(images_path, mmap_mode="r")[:total], labels
        if state != described:
            raise ValueError(
                f"{images_path} was rendered with {state} ({done} done), wanted {described}; remove it to start afresh"
            )
        images = np.lib.format.open_memmap(images_path, mode="r+")
    else:
        shape = (total, IMAGE_SIZE, IMAGE_SIZE, 3)
        images = np.lib.format.open_memmap(images_path, mode="w+", dtype=np.uint8, shape=shape)
    world = FaceWorld(IMAGE_SIZE)
    with tqdm(total=len(seeds), initial=done, disable=not progress, desc=f"rendering {name}") as bar:
        while done < len(seeds):
            chunk = seeds[done : done + IDENTITIES_PER_CHUNK]
            who = [seed for seed in chunk for _ in range(images_per_identity)]
            how = [nuisance_seed(seed, sample) for seed in chunk for sample in range(images_per_identity)]
            start = done * images_per_identity
            images[start : start + len(who)] = world.render_batch(who, how, workers=workers, profile=profile)
            images.flush()
            done += len(chunk)
            with atomic_path(state_path) as temporary:
                temporary.write_text(json.dumps({**described, "identities_done": done}), encoding="utf-8")
            bar.update(len(chunk))
    del images
    return np.load(images_path, mmap_mode="r"), labels


def _is_part(wanted: dict[str, Any], rendered: dict[str, Any]) -> bool:
    """Say whether the wanted set is the beginning of the rendered one."""
    length = ("identities", "last_seed")
    same = all(wanted[key] == rendered.get(key) for key in wanted if key not in length)
    return same and all(wanted[key] <= rendered.get(key, -1) for key in length)


def best_accuracy(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> float:
    """Return the accuracy in 0 .. 1 at the best single threshold (no folds), each kind weighing one half."""
    thresholds = np.concatenate([genuine, impostor])
    accepted = np.searchsorted(np.sort(genuine), thresholds, side="left")
    rejected = np.searchsorted(np.sort(impostor), thresholds, side="left")
    return float(np.max((1 - accepted / len(genuine) + rejected / len(impostor)) / 2))


def verification_summary(vectors: NDArray[np.floating]) -> dict[str, float]:
    """Summarise unit vectors (identities, samples, d): accuracy at the best threshold, mean cosines, dimensions.

    `effective_dimension` is the participation ratio of the covariance of the identities' means,
    `dimensions_for_90_percent` the number of principal axes that carry 90 % of its trace.
    """
    count, samples, _ = vectors.shape
    one, other = np.triu_indices(samples, 1)
    genuine = np.einsum("npd,npd->np", vectors[:, one], vectors[:, other]).ravel()
    generator = np.random.default_rng(0)
    first = generator.integers(0, count, len(genuine))
    second = (first + generator.integers(1, count, len(genuine))) % count
    columns = generator.integers(0, samples, (2, len(genuine)))
    impostor = np.einsum("nd,nd->n", vectors[first, columns[0]], vectors[second, columns[1]])
    return {
        "best_accuracy": round(best_accuracy(genuine, impostor), 4),
        "genuine_cosine": round(float(genuine.mean()), 4),
        "impostor_cosine": round(float(impostor.mean()), 4),
        "impostor_cosine_std": round(float(impostor.std()), 4),
        **effective_dimension(vectors.mean(axis=1)),
    }


def effective_dimension(vectors: NDArray[np.floating]) -> dict[str, float]:
    """Return participation ratio and 90 %-of-variance dimension of the covariance of vectors (n, d)."""
    spectrum = np.linalg.eigvalsh(np.cov(vectors.astype(np.float64), rowvar=False))[::-1].clip(0)
    share = np.cumsum(spectrum) / spectrum.sum()
    return {
        "effective_dimension": round(float(spectrum.sum() ** 2 / np.square(spectrum).sum()), 2),
        "dimensions_for_90_percent": int(np.searchsorted(share, 0.9) + 1),
    }


def validation_sets(folder: Path, identities: int = 150, workers: int | None = 1) -> dict[str, NDArray[np.uint8]]:
    """Render small sets of people nobody trains on, one for each nuisance profile."""
    from hyperface_lib.faces import identity_seeds

    seeds = identity_seeds(VALIDATION_SPLIT, identities)
    return {
        profile: render_set(folder, f"validation-{profile}", seeds, VALIDATION_SAMPLES, profile, workers)[0]
        for profile in ("mild", "free", "wide")
    }


def validate(embedder: NetworkEmbedder, sets: dict[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """Return `verification_summary` for each validation set."""
    result = {}
    for profile, images in sets.items():
        vectors = embedder.embed(np.asarray(images))
        result[profile] = verification_summary(vectors.reshape(-1, VALIDATION_SAMPLES, vectors.shape[1]))
    return result


def shippable_centers(backbone: torch.nn.Module, classes: int, dimension: int) -> int:
    """Return how many class centres fit beside the backbone into a file of `LARGEST_FILE_BYTES`."""
    weights = sum(
        tensor.numel() * (2 if tensor.ndim > 1 else 4)
        for tensor in backbone.state_dict().values()
        if tensor.is_floating_point()
    )
    return int(min(classes, (LARGEST_FILE_BYTES - HEADER_BYTES - weights) // (2 * dimension)))


def export(plan: Plan, trainer: Trainer, path: Path, validation: dict[str, Any]) -> Path:
    """Write the shipped file of a finished run."""
    from hyperface_lib.faces import RENDERER_VERSION

    centers = None
    metadata: dict[str, Any] = {
        "name": plan.name,
        "renderer_version": RENDERER_VERSION,
        "identity_split": plan.split,
        "identities": plan.identities,
        "images_per_identity": plan.images_per_identity,
        "nuisance_profile": "wide",
        "nuisance_seed": "identity_seed * 1000 + sample",
        "recipe": trainer.recipe.to_dict(),
        "steps": trainer.step,
        "validation": validation,
    }
    if plan.ship_centers:
        count = shippable_centers(trainer.backbone, plan.identities, trainer.recipe.dimension)
        centers = cast(torch.Tensor, trainer.head.weight).detach()[:count]
        metadata["class_centers"] = f"the first {count} of {plan.identities} training identities, in split order"
    return save_recogniser(path, trainer.backbone, centers, metadata)


def build(
    plan: Plan, folder: Path, out: Path, minutes: float | None = None, workers: int | None = 1, progress: bool = True
) -> Path | None:
    """Render, train, validate and export; returns None if `minutes` ran out first (call again to continue)."""
    from hyperface_lib.faces import identity_seeds

    folder.mkdir(parents=True, exist_ok=True)
    held_out = validation_sets(folder, workers=workers)
    seeds = identity_seeds(plan.split, plan.identities)
    images, labels = render_set(folder, plan.name, seeds, plan.images_per_identity, workers=workers, progress=progress)
    log = folder / f"{plan.name}.log"
    latest: dict[str, Any] = {}

    def check(trainer: Trainer) -> None:
        embedder = NetworkEmbedder(trainer.backbone, plan.name, device=trainer.device)
        latest.update(validate(embedder, held_out))
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": "validation", "step": trainer.step, **latest}) + "\n")

    trainer = create_trainer(
        images,
        labels,
        plan.recipe,
        callbacks=[LogFile(log)],
        checkpoint=folder / f"{plan.name}.checkpoint.pt",
        progress=progress,
        may_change=("epochs", "max_steps"),
    )
    trainer.callbacks.append(Every(max(500, trainer.total_steps // 10), check))
    if minutes is not None:
        trainer.callbacks.append(_Deadline(minutes))
    trainer.fit()
    if trainer.step < trainer.total_steps:
        return None
    if not latest:
        check(trainer)
    path = export(plan, trainer, out, latest)
    load_recogniser(path)
    return path


class _Deadline(Every):
    """Stop after so many minutes."""

    def __init__(self, minutes: float) -> None:
        end = time.monotonic() + 60 * minutes
        super().__init__(1, lambda trainer: trainer.stop() if time.monotonic() > end else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.recognisers", description=__doc__)
    parser.add_argument("name", choices=sorted(PLANS))
    parser.add_argument("--minutes", type=float, help="stop training after so many minutes; call again to continue")
    parser.add_argument("--epochs", type=float, help="length of the schedule (a resumed run may be given another)")
    parser.add_argument("--identities", type=int, help="number of training identities")
    parser.add_argument("--images-per-identity", type=int)
    parser.add_argument("--work", type=Path, help="folder for images, checkpoint and log")
    parser.add_argument("--out", type=Path, help="file to write (default: the shipped place)")
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    plan = PLANS[options.name]
    changes: dict[str, Any] = {}
    if options.identities is not None:
        changes["identities"] = options.identities
    if options.images_per_identity is not None:
        changes["images_per_identity"] = options.images_per_identity
    if options.epochs is not None:
        changes["recipe"] = plan.recipe.with_changes(epochs=options.epochs)
    plan = Plan(**{**vars(plan), **changes})
    folder = options.work or runs_folder() / "build" / "recognisers"
    out = options.out or data_folder() / "recognisers" / f"{plan.name}.safetensors"
    path = build(plan, folder, out, options.minutes, options.workers, progress=not options.quiet)
    print(f"wrote {path}, {path.stat().st_size} bytes" if path else "not finished: run the same command to continue")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
