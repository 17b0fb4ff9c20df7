"""The people of the inversion study: whom to find, among whom, and pictures that were used for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyperface_lib.atomic import atomic_path
from hyperface_lib.embedding import Embedder, unit_vectors
from hyperface_lib.embedding.images import to_images
from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, identity_seeds, nuisance_seed
from hyperface_lib.training.inversion import InversionSettings
from hyperface_lib.training.inversion_views import Canvas

SPLITS = {"closed": "reference", "open": "generator-heldout"}
"""Whom each side inverts. `judge` was trained on neither split, `reference` on the first only."""
PROFILE = "clean"
FIRST_SAMPLE = 20  # the training sets hold samples 0 .. 17 of a person
TEMPLATE_PICTURES = 5
ENROLLED_PICTURES = 8
ACCEPTED_FALSELY = 1e-3


@dataclass(frozen=True)
class People:
    """One side: whom to find, among whom, and pictures that were used for nothing else."""

    templates: NDArray[np.float32]  # (candidates, d) by the judge; the first are those to find
    own_templates: NDArray[np.float32]  # (candidates, d) by the inverted network
    enrolled: NDArray[np.float32]  # (identities, 8, d) unit vectors of single pictures by the inverted network
    pictures: NDArray[np.uint8]  # (identities, 64, 64, 3), one real picture each

    def vectors(self, pictures: int) -> NDArray[np.float32]:
        """Return the unit embedding (identities, d) of each person from so many pictures."""
        return unit_vectors(self.enrolled[:, :pictures].mean(axis=1))


def render_people(split: str, identities: int, candidates: int, networks: Mapping[str, Embedder]) -> People:
    """Render and embed one side; templates, embeddings and the upper line are made of different pictures."""
    world, seeds = FaceWorld(64), identity_seeds(split, candidates)
    more = TEMPLATE_PICTURES + ENROLLED_PICTURES + 1

    def pictures(people: Sequence[int], first: int, last: int) -> NDArray[np.uint8]:
        samples = range(FIRST_SAMPLE + first, FIRST_SAMPLE + last)
        who = [person for person in people for _ in samples]
        how = [nuisance_seed(person, sample) for person in people for sample in samples]
        images = world.render_batch(who, how, workers=1, progress=True, profile=PROFILE)
        return images.reshape(len(people), len(samples), *images.shape[1:])

    def features(name: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return networks[name].embed(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:2], -1)

    known = pictures(seeds, 0, TEMPLATE_PICTURES)
    others = pictures(seeds[:identities], TEMPLATE_PICTURES, more)
    return People(
        templates=unit_vectors(features("judge", known).mean(axis=1)),
        own_templates=unit_vectors(features("reference", known).mean(axis=1)),
        enrolled=features("reference", others[:, :-1]),
        pictures=others[:, -1],
    )


def kept_people(folder: Path, side: str, identities: int, candidates: int, networks: Mapping[str, Embedder]) -> People:
    """Return one side from the work folder, or render it and keep it there."""
    marks = "-".join([str(RENDERER_VERSION), *(networks[name].fingerprint for name in ("reference", "judge"))])
    file = folder / f"people-{side}-{identities}-{candidates}-{marks}.npz"
    if not file.is_file():
        people = render_people(SPLITS[side], identities, candidates, networks)
        with atomic_path(file) as temporary:
            np.savez(temporary, **vars(people))
    with np.load(file) as stored:
        return People(**stored)


def acceptance_threshold(people: People, judge: Embedder) -> float:
    """Return the judge's cosine that one real picture in a thousand reaches with another person's template."""
    cosines = judge.embed(people.pictures) @ people.templates.T
    others = np.arange(cosines.shape[0])[:, None] != np.arange(cosines.shape[1])
    return float(np.quantile(cosines[others], 1 - ACCEPTED_FALSELY))


def noise_images(identities: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return the noise a search with the default settings starts from (identities, 64, 64, 3)."""
    settings = InversionSettings()
    generator = torch.Generator().manual_seed(seed)
    return to_images(Canvas(identities, 64, settings.levels, settings.start_deviation, generator).images())
