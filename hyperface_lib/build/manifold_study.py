"""Measure what keeps packed points where faces are: `python -m hyperface_lib.build.manifold_study`.

Eq. 2 of HyperFace under many alphas, starts and schedules, the subspace of a gallery, whitened or not, and both
together: smallest angle against closeness to the gallery, on the shipped gallery and on a larger one made like the
embeddings of large recognisers; then what the generator and the judge make of such points. The table,
data/results/manifold.json, is what notebooks/studies/manifold.ipynb reads. Settings are limited by steps, not seconds;
finished rows are kept: an interrupted study goes on.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hyperface_lib.assets import data_folder
from hyperface_lib.atomic import write_json
from hyperface_lib.build.manifold_settings import (
    Setting,
    Vectors,
    embedding_like_gallery,
    geometry_settings,
    identity_settings,
)
from hyperface_lib.build.packed_identities import Setting as IdentitySetting
from hyperface_lib.build.packed_identities import measure
from hyperface_lib.embedding import load_embedder
from hyperface_lib.runs import IdentityVectors, Run
from hyperface_lib.sphere import (
    CollapseWarning,
    effective_dimension,
    min_angle_degrees,
    nearest_neighbour_angles,
    nearest_neighbours,
)
from hyperface_lib.sphere.whitening import supported_directions
from hyperface_lib.synthesis import load_generator

ON_GALLERY_COSINE = 0.99


def closest_on_one_vector(points: Vectors, gallery: Vectors) -> float | None:
    """Return the smallest angle in degrees between two `points` (n, d) nearest to one gallery vector; None without."""
    nearest = nearest_neighbours(points, 1, gallery).indices[:, 0]
    shared = np.flatnonzero(np.bincount(nearest) > 1)
    return min((min_angle_degrees(points[nearest == vector]) for vector in shared), default=None)


def measure_geometry(setting: Setting, gallery: Vectors) -> dict[str, Any]:
    """Make the points of `setting` on `gallery` (m, d) and return its row."""
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points = setting.points(gallery)
    seconds = time.perf_counter() - started
    cosines = np.asarray(nearest_neighbours(points, 1, gallery).cosines)[:, 0]
    smallest = min_angle_degrees(points)
    return {
        **asdict(setting),
        "min_angle_degrees": smallest,
        "nearest_other_degrees": float(nearest_neighbour_angles(points).mean()),
        "gallery_cosine": float(cosines.mean()),
        "gallery_cosine_quantiles": [float(value) for value in np.quantile(cosines, (0.05, 0.5, 0.95))],
        "eq2": float(np.cos(np.radians(smallest)) - 1 + setting.alpha * (1 - cosines.mean(dtype=np.float64))),
        "copies": float((cosines >= ON_GALLERY_COSINE).mean()),
        "closest_on_one_vector_degrees": closest_on_one_vector(points, gallery),
        "warned": any(issubclass(warning.category, CollapseWarning) for warning in caught),
        "seconds": seconds,
    }


def describe(gallery: Vectors) -> dict[str, Any]:
    """Return what a reader needs to compare a gallery with that of another recogniser."""
    sample = gallery[:2000]
    cosines = (sample @ sample.T)[np.triu_indices(len(sample), 1)]
    spectrum = effective_dimension(gallery)
    return {
        "size": len(gallery),
        "dimension": gallery.shape[1],
        "participation_ratio": spectrum.participation_ratio,
        "dimensions_for_90_percent": spectrum.dimensions_for_90_percent,
        "supported_directions": supported_directions(gallery),
        "cosine_deviation": float(cosines.std()),
        "cosine_of_one_pair_in_a_thousand": float(np.quantile(cosines, 0.999)),
        "nearest_angle_quantiles_degrees": [
            float(value) for value in np.quantile(nearest_neighbour_angles(gallery), (0.05, 0.5, 0.95))
        ],
    }


class StudyFile:
    """The rows measured so far, on disk after every one; those of other galleries, nets or sizes are dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[str, Any] = {}
        if path.is_file():
            self.parts = json.loads(path.read_text(encoding="utf-8"))

    def rows(self, part: str, about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the rows of `part` measured under the same `about`."""
        if self.parts.get(part, {}).get("about") != about:
            self.parts[part] = {"about": dict(about), "rows": {}}
        return self.parts[part]["rows"]

    def measure(self, part: str, about: Mapping[str, Any], wanted: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
        """Measure the rows of `wanted` that `part` lacks, in order."""
        rows = self.rows(part, about)
        for key in tqdm([key for key in wanted if key not in rows], desc=part):
            rows[key] = wanted[key]()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.parts)


def study_geometry(file: StudyFile, galleries: Mapping[str, Vectors], settings: Sequence[Setting]) -> None:
    """Measure the geometry of `settings`."""
    about = {name: describe(gallery) for name, gallery in galleries.items()}
    wanted = {setting.key: _row(setting, galleries[setting.gallery]) for setting in settings}
    file.measure("geometry", _rounded(about), wanted)


def _row(setting: Setting, gallery: Vectors) -> Callable[[], dict[str, Any]]:
    return lambda: measure_geometry(setting, gallery)


def _rounded(value: Any) -> Any:
    """Return nested plain values with floats at three decimals, the same on every machine."""
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 3) if isinstance(value, float) else value


def study_identity(file: StudyFile, gallery: IdentityVectors, identities: int, images: int) -> None:
    """Draw the points of the identity settings and have the judge score them."""
    generator: Any = load_generator("reference")
    judge = load_embedder("judge")
    about = {
        "identities": identities,
        "images": images,
        "generator": generator.fingerprint,
        "judge": judge.fingerprint,
        "gallery": len(gallery),
    }

    def row(setting: IdentitySetting) -> Callable[[], dict[str, Any]]:
        return lambda: measure(setting, gallery, generator, judge, images)

    file.measure(
        "identity", about, {setting.key: row(setting) for setting in identity_settings(gallery.vectors, identities)}
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hyperface_lib.build.manifold_study", description=__doc__)
    parser.add_argument("--only", choices=("geometry", "identity"))
    parser.add_argument("--quick", action="store_true", help="a few small settings, to ./manifold-quick.json")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    shipped = Run(data_folder() / "runs" / "reference", fallback=None).read_gallery().vectors
    galleries = {"shipped": shipped.vectors, "first 100 shipped": shipped.vectors[:100]}
    galleries["embedding-like"] = embedding_like_gallery()
    settings = list(geometry_settings(galleries))
    identities, images, out = 200, 4, data_folder() / "results" / "manifold.json"
    if options.quick:
        settings = [replace(setting, steps=min(50, setting.steps)) for setting in settings if setting.n == 200][::12]
        identities, images, out = 20, 2, Path("manifold-quick.json")
    file = StudyFile(options.out or out)
    if options.only != "identity":
        study_geometry(file, galleries, settings)
    if options.only != "geometry":
        study_identity(file, shipped, identities, images)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
