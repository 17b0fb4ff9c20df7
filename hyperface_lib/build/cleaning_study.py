"""Measure what sub-centres do against label noise: `python -m hyperface_lib.build.cleaning_study`.

Rendered people with 38 % wrong pictures, half swapped within the set and half of outsiders, all known exactly. Each row
of the table trains one network, measures every sample's angle to its dominant centre, and scores the network on the
five rendered benchmarks. data/results/cleaning.json holds one row a training; rows that are there are kept, so that the
study may be interrupted, and goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder, runs_folder
from hyperface_lib.atomic import atomic_path, write_json
from hyperface_lib.build.cleaning_settings import (
    CLEAN_SET,
    CLEANED_SET,
    FULL,
    QUICK,
    SUB_CENTER,
    VALLEY,
    Row,
    StudySize,
    rows,
)
from hyperface_lib.build.recognisers import render_set
from hyperface_lib.build.study_rows import kept_rows, measured
from hyperface_lib.evaluation import average_accuracy, evaluate, load_suite
from hyperface_lib.faces import RENDERER_VERSION, identity_seeds, nuisance_seed
from hyperface_lib.runs import versions
from hyperface_lib.training import Trainer, create_trainer
from hyperface_lib.training.cleaning import (
    SAMPLE_KINDS,
    clean_labels,
    dominant_angles,
    dominant_sub_centers,
    measure_sub_center_angles,
    sample_kinds,
    valley_degrees,
)
from hyperface_lib.training.label_noise import KINDS, NoisyLabels, add_label_noise
from hyperface_lib.training.small_loss import SmallLossArcFaceHead

SPLIT = "rendered"
FIRST_PERSON = 10_000
"""The study's people come after those of the other sets of the split; outsiders follow them."""
BIN_DEGREES = 2.5
EXAMPLE_SEED = 0
EXAMPLES = 12
"""Of each of the four kinds, for the pictures in the notebook."""


@dataclass(frozen=True, eq=False)
class World:
    """The rendered pictures, and who and what each of them is: those of the set, then the outsiders'."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    seeds: NDArray[np.int64]
    """(identity seed, nuisance seed) of every picture: (n, 2)."""

    @classmethod
    def render(cls, size: StudySize, folder: Path, workers: int | None = None) -> World:
        """Render the pictures of a study of `size`, or read them from `folder`."""
        people = identity_seeds(SPLIT, size.identities, start=FIRST_PERSON)
        strangers = identity_seeds(SPLIT, size.outsiders, start=FIRST_PERSON + 10_000)
        name = f"people-{size.identities}x{size.images_per_identity}"
        inside, labels = render_set(folder, name, people, size.images_per_identity, workers=workers, progress=True)
        outside, _ = render_set(folder, f"outsiders-{size.outsiders}", strangers, 1, workers=workers, progress=True)
        pictures = [(who, nuisance_seed(who, sample)) for who in people for sample in range(size.images_per_identity)]
        pictures += [(who, nuisance_seed(who, 0)) for who in strangers]
        return cls(np.concatenate([inside, outside]), labels, np.array(pictures, np.int64))

    def noisy(self, size: StudySize, seed: int) -> NoisyLabels:
        """Draw the noise of a seed."""
        return add_label_noise(self.labels, len(self.images) - len(self.labels), share=size.noise_share, seed=seed)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What one network is trained on: rows of the world's pictures (n,), their labels, and the truth."""

    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    kinds: NDArray[np.int64]
    report: dict[str, Any]


def training_set(row: Row, world: World, noise: NoisyLabels, angles: NDArray[np.float64] | None) -> TrainingSet:
    """Give the set that a row is trained on; `angles` (n,) of the noisy samples are needed for a cleaned one."""
    if row.training_set == CLEAN_SET:
        return TrainingSet(np.arange(len(world.labels)), world.labels, np.zeros(len(world.labels), np.int64), {})
    if row.training_set != CLEANED_SET:
        return TrainingSet(noise.images, noise.labels, noise.kinds, {"noise_before": noise.noise_share})
    assert angles is not None and row.threshold_degrees is not None
    threshold = valley_degrees(angles) if row.threshold_degrees == VALLEY else float(row.threshold_degrees)
    cleaned = clean_labels(angles, noise.labels, threshold, noise.is_clean)
    kept = cleaned.rows
    return TrainingSet(noise.images[kept], cleaned.labels, noise.kinds[kept], asdict(cleaned.report))


def make_trainer(row: Row, images: NDArray[np.uint8], labels: NDArray[np.int64], size: StudySize, seed: int) -> Trainer:
    """Build the trainer of a row; the same seed gives all rows the same first weights of the backbone."""
    recipe = size.recipe(row, seed)
    if row.head != "small-loss-arcface":
        return create_trainer(images, labels, recipe)
    plain = create_trainer(images, labels, recipe.with_changes(head="arcface", head_options={}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = SmallLossArcFaceHead(recipe.dimension, int(labels.max()) + 1, **recipe.head_options)
    return Trainer(plain.backbone, head, images, labels, recipe)


def measure(row: Row, seed: int, size: StudySize, folder: Path) -> dict[str, Any]:
    """Train the network of a row, and return what is stored of it. Its angles are left in `folder`."""
    world = World.render(size, folder)
    noise = world.noisy(size, seed)
    angles = _angles_of(SUB_CENTER, seed, size, folder) if row.training_set == CLEANED_SET else None
    chosen = training_set(row, world, noise, angles)
    images = world.images[chosen.pictures]
    trainer = make_trainer(row, images, chosen.labels, size, seed)
    started = time.perf_counter()
    trainer.fit()
    seconds = time.perf_counter() - started
    every = measure_sub_center_angles(trainer.backbone, trainer.head, images, chosen.labels)
    dominant = dominant_sub_centers(every, chosen.labels, int(chosen.labels.max()) + 1)
    own = dominant_angles(every, chosen.labels, dominant)
    with atomic_path(_angle_file(row.name, seed, size, folder)) as temporary:
        np.save(temporary, own)
    from hyperface_lib.embedding import NetworkEmbedder

    embedder = NetworkEmbedder(trainer.backbone, row.name, flip=False)
    table = evaluate(embedder, load_suite("rendered", pairs=size.pairs))
    result = {
        **asdict(row),
        "seed": seed,
        "seconds": round(seconds, 1),
        "accuracy": {entry.set: round(entry.accuracy, 5) for entry in table},
        "average": round(average_accuracy(table)[row.name], 5),
        "cleaning": {
            key: round(value, 5) if isinstance(value, float) else value for key, value in chosen.report.items()
        },
        "on_dominant": on_dominant(every, dominant, chosen),
        "histogram": histogram(own, chosen.kinds),
        "valley_degrees": round(valley_degrees(own), 2),
    }
    if row.name == SUB_CENTER and seed == EXAMPLE_SEED:
        result["examples"] = examples(own, world, noise)
    return result


def histogram(angles: NDArray[np.float64], kinds: NDArray[np.int64]) -> dict[str, list[int]]:
    """Count angles (n,) of each kind of sample in bins of `BIN_DEGREES` from 0 to 180 degrees."""
    edges = np.arange(0, 180 + BIN_DEGREES, BIN_DEGREES)
    return {name: np.histogram(angles[kinds == kind], edges)[0].tolist() for kind, name in enumerate(KINDS)}


def on_dominant(every: NDArray[np.float64], dominant: NDArray[np.int64], chosen: TrainingSet) -> dict[str, float]:
    """Return the share of each kind of sample that is nearest to the dominant sub-centre of its class."""
    nearest = every.argmin(axis=1) == dominant[chosen.labels]
    return {
        name: round(float(nearest[chosen.kinds == kind].mean()), 4)
        for kind, name in enumerate(KINDS)
        if (chosen.kinds == kind).any()
    }


def examples(angles: NDArray[np.float64], world: World, noise: NoisyLabels, threshold: float = 75.0) -> dict[str, Any]:
    """Choose some samples of each of the four kinds, as seeds to render them from, beside the person of their label.

    They are spread evenly over the angles of their kind, so that they are neither its best nor its worst. The person is
    shown by the clean sample nearest to the centre of the class; where that is the sample itself, by the next.
    """
    names = np.array(sample_kinds(angles, noise.is_clean, threshold))
    result: dict[str, Any] = {"threshold_degrees": threshold}
    by_angle = np.argsort(np.where(noise.is_clean, angles, np.inf), kind="stable")
    typical = {label: by_angle[noise.labels[by_angle] == label][:2] for label in np.unique(noise.labels)}
    for kind in SAMPLE_KINDS:
        members = np.flatnonzero(names == kind)
        members = members[np.argsort(angles[members], kind="stable")]
        spread = members[np.linspace(0, len(members) - 1, min(EXAMPLES, len(members))).round().astype(int)]
        result[kind] = {
            "count": len(members),
            "samples": [
                {
                    "shown": world.seeds[noise.images[sample]].tolist(),
                    "label": world.seeds[noise.images[_other(typical[noise.labels[sample]], sample)]].tolist(),
                    "angle_degrees": round(float(angles[sample]), 1),
                    "kind": KINDS[noise.kinds[sample]],
                }
                for sample in spread
            ],
        }
    return result


def _other(candidates: NDArray[np.int64], sample: np.int64) -> np.int64:
    return candidates[1] if candidates[0] == sample else candidates[0]


def _angle_file(name: str, seed: int, size: StudySize, folder: Path) -> Path:
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)
    return folder / f"angles-{plain}-{seed}-{size.identities}x{size.images_per_identity}-{size.steps}.npy"


def _angles_of(name: str, seed: int, size: StudySize, folder: Path) -> NDArray[np.float64]:
    """Read the angles that a row left behind; train it again if they are gone."""
    path = _angle_file(name, seed, size, folder)
    if not path.exists():
        measure(next(row for row in rows(size) if row.name == name), seed, size, folder)
    return np.load(path)


def study(wanted: Sequence[tuple[Row, int]], size: StudySize, out: Path, folder: Path, workers: int) -> dict[str, Any]:
    """Measure the rows that `out` lacks, `workers` at a time; the file is written after each of them.

    Raises ValueError if `out` holds rows of another size, recipe or version of the renderer.
    """
    recipe = size.recipe(Row(""), 0).to_dict()
    about = {
        **asdict(size),
        **{name: recipe[name] for name in ("dimension", "optimiser", "learning_rate", "head_options")},
        "bin_degrees": BIN_DEGREES,
        "renderer_version": RENDERER_VERSION,
    }
    kept = kept_rows(out, about, recipe=recipe, versions=versions())
    missing = [(row, seed) for row, seed in wanted if row.key(seed) not in kept["rows"]]
    if missing:
        World.render(size, folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    waves = [missing]
    if workers > 1:
        # A cleaned set needs the angles of another row: side by side, those wait for all others.
        waves = [[one for one in missing if (one[0].training_set == CLEANED_SET) == waits] for waits in (False, True)]
    with tqdm(total=len(missing), desc="cleaning") as bar:
        for wave in waves:
            for row, seed, result in measured(measure, wave, (size, folder), workers):
                kept["rows"][row.key(seed)] = result
                write_json(out, kept)
                bar.set_postfix_str(f"{row.name} {seed}: {100 * result['average']:.2f}")
                bar.update()
    return kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.cleaning_study", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each row, with other noise each")
    parser.add_argument("--workers", type=int, default=1, help="trainings side by side, one thread each")
    parser.add_argument("--quick", action="store_true", help="a few seconds of everything, to ./cleaning-quick.json")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    size = QUICK if options.quick else FULL
    out = options.out or (Path("cleaning-quick.json") if options.quick else data_folder() / "results" / "cleaning.json")
    wanted = [(row, seed) for seed in range(options.seeds) for row in rows(size)]
    study(wanted, size, out, runs_folder() / "cleaning", options.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
