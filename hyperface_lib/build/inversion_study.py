"""Measure how much of a face a template gives back: `python -m hyperface_lib.build.inversion_study`.

Fifty class centres of `reference` (closed set) and the embeddings of fifty people it never saw (open set) are turned
back into images, under several settings. `judge`, which shares neither weights nor training people with `reference`,
then says how high the right person ranks among a thousand. The table, data/results/inversion.json, and the sheet of
images beside it are what notebooks/studies/inversion.ipynb reads. Images are kept in the work folder as they are
found, so that an interrupted study goes on; the whole takes fifteen to thirty minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from hyperface_lib.assets import asset, data_folder, runs_folder
from hyperface_lib.atomic import atomic_path, write_json
from hyperface_lib.build.inversion_people import (
    ACCEPTED_FALSELY,
    ENROLLED_PICTURES,
    PROFILE,
    SPLITS,
    TEMPLATE_PICTURES,
    People,
    acceptance_threshold,
    kept_people,
    noise_images,
)
from hyperface_lib.embedding import Embedder, Recogniser, load_embedder, load_recogniser
from hyperface_lib.embedding.networks import fingerprint_of
from hyperface_lib.faces import contact_sheet
from hyperface_lib.training.inversion import InversionSettings, invert_class, invert_embedding
from hyperface_lib.training.inversion_scores import identity_percentiles
from hyperface_lib.training.inversion_views import NO_VIEWS

SHEET_COLUMNS = 8
SHEET = (
    ("closed", "a picture of the person"),
    ("closed", "default, seed 0"),
    ("open", "a picture of the person"),
    ("open", "default, seed 0"),
    ("open", "without the prior, seed 0"),
    ("open", "without views, seed 0"),
    ("open", "the paper's terms, seed 0"),
)


@dataclass(frozen=True)
class Row:
    """One row of the table: which side, what differs from the defaults, and the seed."""

    side: str
    name: str
    seed: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)
    enrolled: int = ENROLLED_PICTURES  # pictures behind an embedding (open set)
    part: int = 25  # people inverted between two savings

    @property
    def key(self) -> str:
        """What tells the row from all others."""
        return f"{self.side}, {self.name}, seed {self.seed}"

    def settings(self, part: int) -> InversionSettings:
        """Return the settings of one part; parts start from different noise."""
        return InversionSettings(seed=self.seed + 1000 * part, **self.changes)


def study_rows() -> list[Row]:
    """Return the rows of the study: three seeds of the default, one of what differs from it in one thing or two."""
    single: dict[str, dict[str, Any]] = {
        "without the prior": {"batch_norm_weight": 0.0},
        "the paper's terms": {"levels": 1, "views": NO_VIEWS},
        "the paper's terms without the prior": {"levels": 1, "views": NO_VIEWS, "batch_norm_weight": 0.0},
        "without views": {"views": NO_VIEWS},
        "prior 0.25": {"batch_norm_weight": 0.25},
        "prior 0.005": {"batch_norm_weight": 0.005},
        "one resolution": {"levels": 1},
    }
    rows = [Row(side, "default", seed) for seed in range(3) for side in SPLITS]
    rows += [Row(side, name, 0, changes) for name, changes in single.items() for side in SPLITS]
    return [
        *rows,
        Row("open", "one picture enrolled", 0, {}, enrolled=1),
        Row("closed", "without a margin", 0, {"margin_radians": 0.0}),
        Row("open", "l2 distance", 0, {"distance": "l2"}),
        Row("open", "each image alone", 0, {"batch_size": 1}, part=10),
    ]


def inverted_parts(
    folder: Path, row: Row, people: People, recogniser: Recogniser, deadline: float
) -> tuple[NDArray[np.uint8], dict[str, float]] | None:
    """Return the images (identities, 64, 64, 3) of a row and what the search said, or None when time ran out first."""
    images, reports, count = [], [], len(people.pictures)
    for part, first in enumerate(range(0, count, row.part)):
        last = min(first + row.part, count)
        settings = row.settings(part)
        file = folder / f"{row.key.replace(',', '').replace(' ', '-').replace(chr(39), '')}-{count}-{part}.npz"
        of = fingerprint_of(recogniser.backbone.state_dict())
        described = json.dumps({**asdict(settings), "enrolled": row.enrolled, "network": of}, sort_keys=True)
        if not _made_so(file, described):
            if time.monotonic() > deadline:
                return None
            started = time.perf_counter()
            if row.side == "closed":
                assert recogniser.class_centers is not None
                who = np.arange(first, last)
                found = invert_class(recogniser.backbone, recogniser.class_centers, who, settings, progress=False)
            else:
                wanted = people.vectors(row.enrolled)[first:last]
                found = invert_embedding(recogniser.backbone, wanted, settings, progress=False)
            report = [found.identity_losses[-1], found.priors[-1], time.perf_counter() - started]
            with atomic_path(file) as temporary:
                np.savez(temporary, images=found.images, report=report, settings=described)
        with np.load(file) as stored:
            images.append(stored["images"])
            reports.append([last - first, *stored["report"]])
    shares, losses, priors, seconds = np.asarray(reports).T
    said = {
        "identity_loss": float(np.average(losses, weights=shares)),
        "prior": float(np.average(priors, weights=shares)),
        "seconds": round(float(seconds.sum()), 1),
    }
    return np.concatenate(images), said


def _made_so(file: Path, described: str) -> bool:
    """Say whether the images in `file` were found under the same settings, of the same network."""
    if not file.is_file():
        return False
    with np.load(file) as stored:
        return str(stored["settings"]) == described


def score(
    images: NDArray[np.uint8], people: People, networks: Mapping[str, Embedder], threshold: float
) -> dict[str, Any]:
    """Let judge, and the inverted network itself, look for each person's image (identities, 64, 64, 3) among all.

    `other_percentile` is that of the next person: what an image gets for looking like people in general.
    """
    who = np.arange(len(images))
    vectors = networks["judge"].embed(images)
    percentiles = identity_percentiles(vectors, people.templates, who)
    cosines = np.einsum("nd,nd->n", vectors, people.templates[who])
    itself = identity_percentiles(networks["reference"].embed(images), people.own_templates, who)
    return {
        "mean_percentile": round(float(percentiles.mean()), 2),
        "median_percentile": round(float(np.median(percentiles)), 2),
        "rank1": float((percentiles == 100).mean()),
        "accepted": float((cosines > threshold).mean()),
        "mean_cosine": round(float(cosines.mean()), 4),
        "other_percentile": round(float(identity_percentiles(vectors, people.templates, np.roll(who, 1)).mean()), 2),
        "reference_percentile": round(float(itself.mean()), 2),
        "percentiles": [round(float(value), 2) for value in percentiles],
        "cosines": [round(float(value), 3) for value in cosines],
    }


def write_sheet(path: Path, found: Mapping[tuple[str, str], NDArray[np.uint8]]) -> list[str]:
    """Write the first people of each row of `SHEET` as one picture without gaps; return the rows that were found."""
    rows = [name for name in SHEET if name in found]
    images = np.concatenate([found[name][:SHEET_COLUMNS] for name in rows])
    with atomic_path(path) as temporary:
        sheet = contact_sheet(images, columns=len(found[rows[0]][:SHEET_COLUMNS]), gap=0)
        Image.fromarray(sheet).save(temporary, quality=90, method=6)
    return [f"{side}: {name}" for side, name in rows]


def study(
    rows: Sequence[Row], identities: int, candidates: int, work: Path, out: Path, minutes: float | None = None
) -> bool:
    """Measure every row and write table and sheet; False when `minutes` ran out first (call again to go on)."""
    deadline = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    work.mkdir(parents=True, exist_ok=True)
    networks = {name: load_embedder(name, "cpu") for name in ("reference", "judge")}
    recogniser = load_recogniser(asset("recognisers/reference.safetensors"))
    sides = {side: kept_people(work, side, identities, candidates, networks) for side in SPLITS}
    thresholds = {side: acceptance_threshold(people, networks["judge"]) for side, people in sides.items()}
    table: dict[str, Any] = {
        "about": {
            "identities": identities,
            "candidates": candidates,
            "template_pictures": TEMPLATE_PICTURES,
            "enrolled_pictures": ENROLLED_PICTURES,
            "profile": PROFILE,
            "splits": SPLITS,
            "accepted_falsely": ACCEPTED_FALSELY,
            "thresholds": {side: round(value, 4) for side, value in thresholds.items()},
            "fingerprints": {name: network.fingerprint for name, network in networks.items()},
            "defaults": asdict(InversionSettings()),
        },
        "lines": {},
        "rows": {},
    }
    found: dict[tuple[str, str], NDArray[np.uint8]] = {}
    for side, people in sides.items():
        for name, images in (("a picture of the person", people.pictures), ("noise", noise_images(identities))):
            table["lines"][f"{side}, {name}"] = score(images, people, networks, thresholds[side])
            found[side, name] = images
    said: dict[str, dict[str, float]] = {}
    for row in tqdm(rows, desc="inversion"):
        part = inverted_parts(work, row, sides[row.side], recogniser, deadline)
        if part is None:
            return False
        found[row.side, f"{row.name}, seed {row.seed}"], said[row.key] = part
    for row in rows:
        changes = {name: asdict(value) if name == "views" else value for name, value in row.changes.items()}
        described = {"side": row.side, "name": row.name, "seed": row.seed, "changes": changes, "enrolled": row.enrolled}
        images = found[row.side, f"{row.name}, seed {row.seed}"]
        scored = score(images, sides[row.side], networks, thresholds[row.side])
        table["rows"][row.key] = {**described, **said[row.key], **scored}
    sheet = out.with_suffix(".webp")
    columns = min(SHEET_COLUMNS, identities)
    table["sheet"] = {"file": sheet.name, "rows": write_sheet(sheet, found), "columns": columns}
    write_json(out, table)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.inversion_study", description=__doc__)
    parser.add_argument("--identities", type=int, default=50)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--minutes", type=float, help="stop after so many minutes; call again to continue")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--work", type=Path, help="folder for the images found so far")
    parser.add_argument("--out", type=Path, default=data_folder() / "results" / "inversion.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    work = options.work or runs_folder() / "build" / "inversion"
    rows = study_rows()
    if not study(rows, options.identities, options.candidates, work, options.out, options.minutes):
        print("not finished: run the same command to continue")
        return 0
    table = json.loads(options.out.read_text(encoding="utf-8"))
    for key, row in {**table["lines"], **table["rows"]}.items():
        print(
            f"{key:<40} percentile {row['mean_percentile']:6.2f}  rank-1 {row['rank1']:.2f}  "
            f"accepted {row['accepted']:.2f}  cosine {row['mean_cosine']:.3f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
