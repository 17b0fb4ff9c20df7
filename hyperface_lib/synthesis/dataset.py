"""Data sets: so many images of every reference vector, written so that any part can be made again alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.atomic import write_json
from hyperface_lib.runs import IdentityVectors, versions
from hyperface_lib.synthesis.conditioning import read_json
from hyperface_lib.synthesis.dataset_layouts import layout_named
from hyperface_lib.synthesis.protocol import Generator
from hyperface_lib.synthesis.seeds import image_seed, scattered

if TYPE_CHECKING:
    from hyperface_lib.faces.nuisance import Nuisance

FORMAT = "hyperface dataset 1"
MANIFEST = "manifest.json"
PARAMETERS = "parameters.json"
_IMAGES_AT_ONCE = 256


@dataclass(frozen=True)
class DatasetParameters:
    """All that decides what the images of a data set look like."""

    identities: int
    images_per_identity: int
    image_size: int
    beta: float
    seed: int
    steps: int
    guidance: float
    nuisance: str
    layout: str
    references: str
    generator: str
    generator_fingerprint: str
    embedder: str
    embedder_fingerprint: str
    picture_format: str = "png"


def generate_dataset(
    references: IdentityVectors,
    generator: Generator,
    out: str | os.PathLike[str],
    images_per_identity: int = 8,
    beta: float = 0.02,
    seed: int = 0,
    steps: int = 10,
    guidance: float = 1.5,
    nuisance: Nuisance | Sequence[Nuisance] | None = None,
    layout: str = "folder",
    picture_format: str = "png",
    identities: range | None = None,
    progress: bool = False,
) -> dict[str, Any] | None:
    """Draw `images_per_identity` images of each reference vector into folder `out`; return the manifest.

    Sample k of identity i is drawn of normalise(x_i + beta * noise) (HyperFace, section 3) with nuisance from the
    generator's bank; noise, nuisance and latents are functions of (seed, i, k), so that the same call makes the same
    images. `nuisance`: one for every image, or one for each sample, the same for every identity. layout "folder" writes
    out/<identity>/<sample>.png, "shards" tar files of 64 identities for webdataset. picture_format "png" is lossless,
    "webp" a fifth of its size and some 43 dB from it.

    Interrupted, it is called again and goes on. `identities` draws only a range, for many machines; the call that finds
    all of them there writes the manifest, any other returns None. Raises ValueError in one sentence: references of
    another embedder than the generator's, or a folder that holds images of other parameters.
    """
    references.require(generator)
    if images_per_identity < 1:
        raise ValueError(f"images_per_identity: expected at least 1, found {images_per_identity}")
    wanted = range(len(references)) if identities is None else identities
    if len(wanted) and not (min(wanted) >= 0 and max(wanted) < len(references)):
        raise ValueError(f"identities: expected numbers from 0 to {len(references) - 1}, found {wanted}")
    samples = _one_a_sample(nuisance, images_per_identity)
    parameters = DatasetParameters(
        identities=len(references),
        images_per_identity=images_per_identity,
        image_size=generator.image_size,
        beta=float(beta),
        seed=int(seed),
        steps=int(steps),
        guidance=float(guidance),
        nuisance="bank" if samples is None else _sum_of(np.stack([one.to_vector() for one in samples])),
        layout=layout,
        references=_sum_of(references.vectors),
        generator=generator.name,
        generator_fingerprint=generator.fingerprint,
        embedder=generator.embedder_name,
        embedder_fingerprint=generator.embedder_fingerprint,
        picture_format=picture_format,
    )
    folder, files = Path(out), layout_named(layout, picture_format)
    _claim(folder, parameters)
    parts = files.parts(len(references))
    missing = [
        part for part in parts if not files.path(folder, part).exists() and any(number in wanted for number in part)
    ]
    # Identities of a part beyond the range are drawn with it: a shard is written whole.
    total = sum(len(part) for part in missing) * images_per_identity
    with tqdm(total=total, disable=not progress, desc="drawing the data set", unit="image") as bar:
        for group in _groups(missing, images_per_identity):
            numbers = [number for part in group for number in part]
            drawn = _draw(references.vectors, numbers, generator, parameters, samples)
            first = 0
            for part in group:
                files.write(folder, part, drawn[first : first + len(part)])
                first += len(part)
            bar.update(len(numbers) * images_per_identity)
    if not all(files.path(folder, part).exists() for part in parts):
        return None
    manifest = {
        "format": FORMAT,
        "kind": "dataset",
        "images": len(references) * images_per_identity,
        "parameters": asdict(parameters),
        "ids": list(references.ids),
        "files": {files.path(folder, part).name: files.digest(folder, part) for part in parts},
        "versions": versions(),
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_dataset(
    folder: str | os.PathLike[str], progress: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[str, Any]]:
    """Read a data set: images (n, h, w, 3) uint8 grouped by identity, labels (n,), the manifest.

    Every part is compared with the manifest by hash, number and size. Raises FileNotFoundError or ValueError in one
    sentence naming the file.
    """
    root = Path(folder)
    manifest = read_json(root / MANIFEST)
    try:
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r}")
        parameters = DatasetParameters(**manifest["parameters"])
        digests = dict(manifest["files"])
        files = layout_named(parameters.layout, parameters.picture_format)
        parts = files.parts(parameters.identities)
        if sorted(digests) != sorted(files.path(root, part).name for part in parts):
            raise ValueError(f"{len(digests)} files instead of {len(parts)}")
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"{root / MANIFEST}: expected the manifest of a data set, found: {problem}") from problem
    size, samples = parameters.image_size, parameters.images_per_identity
    images = np.empty((parameters.identities, samples, size, size, 3), np.uint8)
    for part in tqdm(parts, disable=not progress, desc="reading the data set"):
        place = files.path(root, part)
        if not place.exists():
            raise FileNotFoundError(f"{place}: the manifest lists it, but it is missing")
        read = files.read(root, part, samples)
        if files.digest(root, part) != digests[place.name]:
            raise ValueError(f"{place}: its SHA-256 is not the manifest's, so it is not what was generated")
        if read.shape[2:] != (size, size, 3):
            raise ValueError(f"{place}: expected images of {size} pixels a side, found shape {read.shape[2:]}")
        images[part.start : part.stop] = read
    labels = np.repeat(np.arange(parameters.identities), samples)
    return images.reshape(-1, size, size, 3), labels, manifest


def _claim(folder: Path, parameters: DatasetParameters) -> None:
    """Note the parameters in `folder` before the first image; refuse a folder that has others."""
    folder.mkdir(parents=True, exist_ok=True)
    note, own = folder / PARAMETERS, asdict(parameters)
    if not note.exists():
        foreign = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
        if foreign:
            raise ValueError(f"{folder}: expected an empty folder or an unfinished data set, found {foreign[0]!r}")
        write_json(note, own)
    there = read_json(note)
    differing = [
        f"{name} {there.get(name)!r}, now {value!r}" for name, value in own.items() if there.get(name) != value
    ]
    if differing:
        raise ValueError(f"{folder}: it holds a data set of other parameters: {differing[0]}; choose another folder")


def _draw(
    vectors: NDArray[np.float32],
    numbers: Sequence[int],
    generator: Generator,
    parameters: DatasetParameters,
    nuisance: Sequence[Nuisance] | None,
) -> NDArray[np.uint8]:
    """Draw the images (identities, samples, h, w, 3) of some identities."""
    samples = parameters.images_per_identity
    seeds = [image_seed(parameters.seed, number, sample) for number in numbers for sample in range(samples)]
    rows = np.repeat(vectors[list(numbers)], samples, axis=0)
    images = generator.sample(
        scattered(rows, seeds, parameters.beta),
        seeds,
        nuisance=None if nuisance is None else list(nuisance) * len(numbers),
        steps=parameters.steps,
        guidance=parameters.guidance,
    )
    return images.reshape(len(numbers), samples, *images.shape[1:])


def _groups(parts: Sequence[range], images_per_identity: int) -> list[list[range]]:
    """Gather parts into groups of about 256 images, so that batches are full and an interruption costs seconds."""
    groups: list[list[range]] = []
    room = 0
    for part in parts:
        if room <= 0:
            groups.append([])
            room = _IMAGES_AT_ONCE
        groups[-1].append(part)
        room -= len(part) * images_per_identity
    return groups


def _one_a_sample(nuisance: Nuisance | Sequence[Nuisance] | None, samples: int) -> list[Nuisance] | None:
    if nuisance is None:
        return None
    chosen: list[Any] = [nuisance] * samples if hasattr(nuisance, "to_vector") else list(nuisance)
    if len(chosen) != samples:
        raise ValueError(f"nuisance: expected one for each of {samples} samples of an identity, found {len(chosen)}")
    return chosen


def _sum_of(array: NDArray[np.floating]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, np.float32).tobytes()).hexdigest()[:16]
