"""Draw faces with a generator and let an independent recogniser, the judge, say whom they show.

A generator is anything with `sample(vectors, seeds, nuisance, steps, guidance)`, `embedder_fingerprint` and
`image_size`; this room does not know how it draws.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.embedding.protocol import Embedder
from hyperface_lib.evaluation.generation_scores import (
    GenerationScores,
    PackedScores,
    enrol,
    score_generated,
    score_packed,
)
from hyperface_lib.evaluation.identification import identify
from hyperface_lib.faces import FaceWorld, Nuisance, identity_seeds, nuisance_seed
from hyperface_lib.runs import IdentityVectors

HELD_OUT_SPLIT = "generator-heldout"
PROFILE = "clean"
ENROLLED_IMAGES = 8


class DrawsFaces(Protocol):
    """What this room needs of a generator."""

    @property
    def embedder_name(self) -> str:
        """The embedder whose vectors it takes."""

    @property
    def embedder_fingerprint(self) -> str:
        """That embedder's fingerprint."""

    @property
    def image_size(self) -> int:
        """The side of its images, in pixels."""

    def sample(
        self,
        vectors: NDArray[np.float32],
        seeds: Sequence[int],
        nuisance: Any = None,
        steps: int = 10,
        guidance: float = 1.5,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw one image of each unit vector."""


@dataclass(frozen=True)
class GeneratorReport:
    """Scores on people the generator has never seen; `real_rank1` is what real images of the same people get."""

    scores: GenerationScores
    real_rank1: float
    images_per_second: float
    steps: int
    guidance: float

    def to_record(self) -> dict[str, Any]:
        """Give everything as one flat dictionary of plain values."""
        return {
            **self.scores.to_record(),
            "real_rank1": self.real_rank1,
            "images_per_second": self.images_per_second,
            "steps": self.steps,
            "guidance": self.guidance,
        }


@dataclass(frozen=True)
class ReferencesReport:
    """Scores of packed reference vectors, which belong to nobody."""

    scores: PackedScores
    images_per_second: float
    steps: int
    guidance: float
    beta: float

    def to_record(self) -> dict[str, Any]:
        """Give everything as one flat dictionary of plain values."""
        return {
            **self.scores.to_record(),
            "images_per_second": self.images_per_second,
            "steps": self.steps,
            "guidance": self.guidance,
            "beta": self.beta,
        }


def held_out_images(
    identities: int,
    size: int,
    images_per_identity: int = 2 * ENROLLED_IMAGES,
    workers: int | None = None,
    progress: bool = False,
) -> NDArray[np.uint8]:
    """Render people no net was trained on: (identities, images_per_identity, size, size, 3) uint8."""
    seeds = identity_seeds(HELD_OUT_SPLIT, identities)
    wanted = [(who, sample) for who in seeds for sample in range(images_per_identity)]
    drawn = [Nuisance.random(nuisance_seed(who, sample), PROFILE) for who, sample in wanted]
    images = FaceWorld(size=size).render_batch([who for who, _ in wanted], drawn, workers=workers, progress=progress)
    return images.reshape(identities, images_per_identity, *images.shape[1:])


def score_generator(
    generator: DrawsFaces,
    reference_embedder: Embedder,
    judge_embedder: Embedder,
    identities: int = 200,
    images_per_identity: int = 8,
    steps: int = 10,
    guidance: float = 1.5,
    seed: int = 0,
    held_out: NDArray[np.uint8] | None = None,
    progress: bool = False,
) -> GeneratorReport:
    """Score a generator on rendered people that nothing was trained on.

    Each person is enrolled by the mean vector of their first 8 renders: the reference embedder's is the condition, the
    judge's is what the drawn images are compared with. Their other renders say what real images score. `held_out` is
    what `held_out_images` gives (people, images, size, size, 3); rendered here if None. Raises ValueError when the
    generator speaks of another embedder's vectors.
    """
    if reference_embedder.fingerprint != generator.embedder_fingerprint:
        raise ValueError(
            f"the generator takes vectors of embedder {generator.embedder_name!r} "
            f"(fingerprint {generator.embedder_fingerprint}), found embedder {reference_embedder.name!r} "
            f"(fingerprint {reference_embedder.fingerprint})"
        )
    if held_out is None:
        held_out = held_out_images(identities, generator.image_size, progress=progress)
    people = np.asarray(held_out[:identities])
    if len(people) < identities or people.shape[1] < ENROLLED_IMAGES + 2:
        raise ValueError(
            f"held-out images: expected {identities} people of at least {ENROLLED_IMAGES + 2} images, "
            f"found shape {people.shape}"
        )
    first, rest = people[:, :ENROLLED_IMAGES], people[:, ENROLLED_IMAGES:]
    conditions, _ = enrol(*_embedded(reference_embedder, first, progress))
    enrolled, names = enrol(*_embedded(judge_embedder, first, progress))
    real_vectors, real_labels = _embedded(judge_embedder, rest, progress)

    labels = np.repeat(np.arange(identities), images_per_identity)
    seeds = [seed + number for number in range(len(labels))]
    started = time.perf_counter()
    drawn = generator.sample(
        conditions[labels].astype(np.float32), seeds, steps=steps, guidance=guidance, progress=progress
    )
    seconds = time.perf_counter() - started
    vectors = judge_embedder.embed(drawn, progress=progress)
    scores = score_generated(
        vectors, labels, enrolled, names, vectors, real_vectors, real_vectors=real_vectors, real_labels=real_labels
    )
    real_rank1 = identify(real_vectors, real_labels, enrolled, names).rank1
    return GeneratorReport(scores, float(real_rank1), len(labels) / seconds, steps, guidance)


def score_references(
    generator: DrawsFaces,
    references: IdentityVectors,
    judge_embedder: Embedder,
    images_per_identity: int = 8,
    identities: int = 200,
    beta: float = 0.02,
    steps: int = 10,
    guidance: float = 1.5,
    seed: int = 0,
    progress: bool = False,
) -> ReferencesReport:
    """Score packed vectors by the images drawn of them: do they gather by identity, do identities stay apart?

    At most `identities` of the references, spread evenly over the file. Images are of normalise(x + beta * noise) with
    nuisance drawn from the generator's bank. Raises ValueError when the references are of another embedder.
    """
    references.require(generator)
    count = min(identities, len(references))
    chosen = references.vectors[np.linspace(0, len(references) - 1, count).round().astype(int)]
    labels = np.repeat(np.arange(count), images_per_identity)
    noise = np.random.default_rng(seed).standard_normal((len(labels), references.dimension))
    moved = chosen[labels] + beta * noise
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    seeds = [seed + number for number in range(len(labels))]
    started = time.perf_counter()
    drawn = generator.sample(moved.astype(np.float32), seeds, steps=steps, guidance=guidance, progress=progress)
    seconds = time.perf_counter() - started
    scores = score_packed(judge_embedder.embed(drawn, progress=progress), labels)
    return ReferencesReport(scores, len(labels) / seconds, steps, guidance, beta)


def _embedded(embedder: Embedder, people: NDArray[np.uint8], progress: bool) -> tuple[NDArray[np.float32], NDArray]:
    """Embed images (people, pictures, h, w, 3); return vectors (people * pictures, d) and their people."""
    flat = people.reshape(-1, *people.shape[2:])
    return embedder.embed(flat, progress=progress), np.repeat(np.arange(len(people)), people.shape[1])
