"""Measure what the generator makes of packed points: `python -m hyperface_lib.build.packed_identities`.

Points are packed on the reference run's gallery under several attractions and in several subspaces, drawn, and scored
by the judge; four kinds of points that nobody packed stand beside them. The table, data/results/packed_identities.json,
is what the default attraction, subspace and beta are chosen by. Finished rows are kept: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.embedding import load_embedder
from hyperface_lib.evaluation.generator_scoring import held_out_images, score_references
from hyperface_lib.runs import IdentityVectors, Run
from hyperface_lib.sphere import (
    min_angle_degrees,
    nearest_neighbour_angles,
    nearest_neighbours,
    pack,
    random_below_threshold,
)
from hyperface_lib.synthesis import load_generator

ALPHAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
SUBSPACES = (5, 10, 15, 20, 30, 40)
BETAS = (0.0, 0.05, 0.1)
BETA = 0.02
BETAS_OF = ("alpha 0.5", "subspace 30")
_STEPS = 1000

Vectors = Any  # (n, d) float32, as `pack` and the gallery give them


@dataclass(frozen=True)
class Setting:
    """One row: how its points are made, of which seed, and how much noise is put on them."""

    name: str
    points: Callable[[], Vectors]
    seed: int
    beta: float = BETA

    @property
    def key(self) -> str:
        """What tells the row from all others."""
        return f"{self.name}, beta {self.beta:g}, seed {self.seed}"


def settings(gallery: Vectors, people: Vectors, n: int, seed: int) -> Iterator[Setting]:
    """Give the settings of one seed: n points on a gallery (m, d); `people` (n, d) are vectors of people held out."""
    dimension = gallery.shape[1]

    def attracted(alpha: float) -> Callable[[], Vectors]:
        return lambda: pack(n, gallery=gallery, alpha=alpha, seed=seed, max_steps=_STEPS, use_known_codes=False).points

    def inside(k: int) -> Callable[[], Vectors]:
        return lambda: pack(n, gallery=gallery, alpha=0.0, subspace=k, seed=seed, max_steps=_STEPS).points

    packed = {f"alpha {alpha:g}": attracted(alpha) for alpha in ALPHAS}
    packed |= {f"subspace {k}": inside(k) for k in SUBSPACES if k <= dimension}
    chosen = np.random.default_rng(seed).choice(len(gallery), n, replace=False)
    others: dict[str, Callable[[], Vectors]] = {
        "held-out people": lambda: people,
        "random gallery": lambda: gallery[chosen],
        "random below cosine 0.3": lambda: random_below_threshold(n, dimension, max_cosine=0.3, seed=seed),
    }
    for name, points in (others | packed).items():
        yield Setting(name, points, seed)
    for name in BETAS_OF:
        for beta in BETAS:
            yield Setting(name, packed[name], seed, beta)


def measure(setting: Setting, gallery: IdentityVectors, generator: Any, judge: Any, images: int) -> dict[str, Any]:
    """Make the points of a setting, draw them, and give a row: geometry of the points, then the judge's scores."""
    points = np.asarray(setting.points(), np.float32)
    ids = [f"point-{number:04d}" for number in range(len(points))]
    references = IdentityVectors(points, ids, gallery.embedder, gallery.fingerprint)
    report = score_references(
        generator,
        references,
        judge,
        images_per_identity=images,
        identities=len(points),
        beta=setting.beta,
        seed=setting.seed,
    )
    return {
        "points": setting.name,
        "seed": setting.seed,
        "min_angle_degrees": float(min_angle_degrees(points)),
        "nearest_other_degrees": float(nearest_neighbour_angles(points).mean()),
        "gallery_cosine": float(nearest_neighbours(points, 1, gallery.vectors).cosines.mean()),
        **report.to_record(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.packed_identities", description=__doc__)
    parser.add_argument("--identities", type=int, default=200)
    parser.add_argument("--images", type=int, default=8, help="images of each")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--generator", default="reference")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "packed_identities.json")
    options = parser.parse_args(arguments)
    gallery = Run(data_folder() / "runs" / "reference", fallback=None).read_gallery().vectors
    reference, judge = load_embedder("reference"), load_embedder("judge")
    generator: Any = load_generator(options.generator)
    # As `score-generator` enrols: the mean vector of eight pictures of each person.
    enrolment = held_out_images(options.identities, generator.image_size, 8)
    each = reference.embed(enrolment.reshape(-1, *enrolment.shape[2:])).reshape(options.identities, 8, -1)
    mean = each.mean(axis=1)
    people = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
    about = {
        "identities": options.identities,
        "images": options.images,
        "generator": generator.fingerprint,
        "judge": judge.fingerprint,
        "gallery": len(gallery),
    }
    rows: dict[str, dict[str, Any]] = {}
    if options.out.is_file():
        before = json.loads(options.out.read_text(encoding="utf-8"))
        rows = before["rows"] if before["about"] == about else {}
    wanted = [
        setting
        for seed in range(options.seeds)
        for setting in settings(gallery.vectors, people, options.identities, seed)
        if setting.key not in rows
    ]
    for setting in tqdm(wanted, desc="packed identities"):
        rows[setting.key] = measure(setting, gallery, generator, judge, options.images)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.out, {"about": about, "rows": rows})
    for key, row in rows.items():
        print(
            f"{key:<44} min {row['min_angle_degrees']:5.1f}°  gallery {row['gallery_cosine']:.2f}  "
            f"rank-1 {row['rank1']:.3f}  TPR@1e-2 {row['tpr_at_fpr_1e-2']:.3f}  "
            f"genuine {row['genuine_angle_degrees']:.1f}°  impostor {row['impostor_angle_degrees']:.1f}°"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
