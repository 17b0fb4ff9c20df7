"""Compare losses at equal pictures, steps and scale: `python -m hyperface_lib.build.losses_study`.

Every training starts from the same weights and sees the same batches as the others of its seed; only the loss differs.
Losses over tuples need batches of several images of each identity, which ArcFace gets beside them, too.
Each is scored on the five rendered benchmarks, 10 folds. data/results/losses.json holds one row a training; rows that
are there are kept, so the study may be interrupted, and goes on. `--every` adds all other losses, margins and scales,
144 trainings in all, of a minute or two each.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hyperface_lib.assets import cache_folder, data_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.build.losses_settings import LossSetting, settings
from hyperface_lib.build.recognisers import render_set
from hyperface_lib.build.study_rows import kept_rows, measured
from hyperface_lib.evaluation import average_accuracy, evaluate, load_suite
from hyperface_lib.faces import RENDERER_VERSION, identity_seeds
from hyperface_lib.runs import versions
from hyperface_lib.training import NotFiniteError, Recipe, train_recogniser

SPLIT = "rendered"


@dataclass(frozen=True)
class StudySize:
    """How much each training sees, and how many pairs each benchmark has."""

    identities: int = 1000
    images_per_identity: int = 12
    steps: int = 1200
    pairs: int = 2000

    def recipe(self, setting: LossSetting, seed: int) -> Recipe:
        """Return the recipe of one training; only head, seed and, for tuples, the kind of batch differ."""
        return Recipe(
            architecture="small",
            head=setting.head,
            head_options=dict(setting.options),
            max_steps=self.steps,
            seed=seed,
            images_per_identity=setting.images_per_identity,
        )


QUICK = StudySize(identities=40, images_per_identity=6, steps=12, pairs=100)


def training_set(size: StudySize, folder: Path, workers: int | None = None) -> tuple[Any, Any]:
    """Return images and labels of the study's people, none of whom is in a benchmark; rendered once."""
    seeds = identity_seeds(SPLIT, size.identities)
    name = f"{SPLIT}-{size.identities}x{size.images_per_identity}"
    return render_set(folder, name, seeds, size.images_per_identity, workers=workers, progress=True)


def measure(setting: LossSetting, seed: int, size: StudySize, folder: Path) -> dict[str, Any]:
    """Train with one loss and return its row; a run that diverges has no accuracies but the reason."""
    images, labels = training_set(size, folder)
    recipe = size.recipe(setting, seed)
    about = dataclasses.asdict(setting) | {"seed": seed}
    if not setting.images_per_identity:
        del about["images_per_identity"]
    started = time.perf_counter()
    try:
        trained = train_recogniser(images, labels, recipe)
    except NotFiniteError as failure:
        return {**about, "seconds": time.perf_counter() - started, "failure": str(failure)}
    seconds = time.perf_counter() - started
    table = evaluate(trained.embedder(setting.label), load_suite("rendered", pairs=size.pairs))
    history = trained.history
    return {
        **about,
        "seconds": round(seconds, 1),
        "accuracy": {row.set: round(row.accuracy, 5) for row in table},
        "tpr_at_fpr_1e-3": {row.set: round(row.tpr_at_fpr_1e_3, 5) for row in table},
        "average": round(average_accuracy(table)[setting.label], 5),
        "training_accuracy": round(float(sum(history.accuracy[-50:]) / len(history.accuracy[-50:])), 4),
        "target_degrees": round(float(sum(history.target_degrees[-50:]) / len(history.target_degrees[-50:])), 2),
    }


def study(
    wanted: Sequence[tuple[LossSetting, int]], size: StudySize, out: Path, folder: Path, workers: int
) -> dict[str, Any]:
    """Measure the rows that `out` lacks, `workers` at a time with one thread each; the file is written after every one.

    Raises ValueError if `out` holds rows of another size of study or version of the renderer.
    """
    about = {**dataclasses.asdict(size), "renderer_version": RENDERER_VERSION, "recipe": _common_recipe(size)}
    kept = kept_rows(out, about, versions=versions())
    missing = [(setting, seed) for setting, seed in wanted if setting.key(seed) not in kept["rows"]]
    if not missing:
        return kept
    training_set(size, folder)
    load_suite("rendered", pairs=size.pairs)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(missing), desc="losses") as bar:
        for setting, seed, row in measured(measure, missing, (size, folder), workers):
            kept["rows"][setting.key(seed)] = row
            write_json(out, kept)
            bar.set_postfix_str(f"{setting.label} {seed}: {100 * row.get('average', float('nan')):.2f}")
            bar.update()
    return kept


def _common_recipe(size: StudySize) -> dict[str, Any]:
    recipe = size.recipe(LossSetting("", "arcface"), 0).to_dict()
    return {key: value for key, value in recipe.items() if key not in ("head", "head_options", "seed")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.losses_study", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each setting")
    parser.add_argument("--every", action="store_true", help="all losses, margins and scales")
    parser.add_argument("--only", help="only settings whose label starts so")
    parser.add_argument("--quick", action="store_true", help="a few small trainings, to ./losses-quick.json")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trainings side by side")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else StudySize()
    out = options.out or (Path("losses-quick.json") if options.quick else data_folder() / "results" / "losses.json")
    chosen = [one for one in settings(every=options.every) if one.label.startswith(options.only or "")]
    # Seed after seed, so that an interrupted study has compared everything at least once.
    wanted = [(setting, seed) for seed in range(options.seeds) for setting in chosen]
    study(wanted, size, out, cache_folder() / "losses-study", options.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
