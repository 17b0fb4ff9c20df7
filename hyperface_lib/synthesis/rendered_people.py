"""Renders behind a generator's interface: what a generator without fault would draw, for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperface_lib.faces import RENDERER_VERSION, FaceWorld, Nuisance
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.protocol import checked_vectors
from hyperface_lib.synthesis.seeds import expand_seeds


class RenderedPeople:
    """Draw n people of the rendered world: the vector of person i is the i-th axis of a space of n dimensions.

    These vectors say nothing of how people look; they only let `generate_dataset` write renders the way it writes
    drawn faces, with the same manifest and the same resuming. `people` are identity seeds, `profile` names the nuisance
    that an image's seed draws ("clean" is what the shipped generator has learned). Raises ValueError for nobody or for
    one person twice.
    """

    def __init__(self, people: Sequence[int], size: int = 64, profile: str = "clean") -> None:
        if not len(people) or len(set(people)) != len(people):
            raise ValueError(
                f"people: expected different identity seeds, found {len(people)}, {len(set(people))} different"
            )
        self.people = tuple(int(person) for person in people)
        self.profile = profile
        self.image_size = size
        self.dimension = len(self.people)
        self.name = f"renderer, nuisance {profile!r}"
        self.fingerprint = f"renderer-{RENDERER_VERSION}"
        self.embedder_name = "people of the rendered world"
        self.embedder_fingerprint = f"people-{self.people[0]}-{self.people[-1]}"
        self._world = FaceWorld(size)

    @property
    def references(self) -> IdentityVectors:
        """Return one vector a person: the axes (n, n)."""
        ids = [f"render-{person}" for person in self.people]
        axes = np.eye(self.dimension, dtype=np.float32)
        return IdentityVectors(axes, ids, self.embedder_name, self.embedder_fingerprint)

    def sample(
        self,
        vectors: ArrayLike | IdentityVectors,
        seeds: int | Sequence[int],
        nuisance: Nuisance | Sequence[Nuisance] | NDArray[np.floating] | None = None,
        steps: int = 10,
        guidance: float = 1.5,
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Render (n, size, size, 3) uint8 RGB, one picture of each vector (n, people); nothing is denoised or guided.

        seeds and nuisance are those of `ReferenceGenerator.sample`. Raises ValueError in one sentence for vectors that
        are no axes and for wrong numbers of seeds or nuisances.
        """
        del steps, guidance
        rows = checked_vectors(vectors, self)
        who = rows.argmax(axis=1)
        if len(rows) and rows[np.arange(len(rows)), who].min() < 0.999:
            raise ValueError("renders: expected vectors that are axes, one a person, found one between people")
        how = self._nuisances(nuisance, expand_seeds(seeds, len(rows)))
        return self._world.render_batch([self.people[person] for person in who], how, progress=progress)

    def _nuisances(self, nuisance: Any, seeds: list[int]) -> list[Nuisance]:
        if nuisance is None:
            return [Nuisance.random(seed, self.profile) for seed in seeds]
        if isinstance(nuisance, Nuisance):
            return [nuisance] * len(seeds)
        chosen = [one if isinstance(one, Nuisance) else Nuisance.from_vector(one) for one in nuisance]
        if len(chosen) != len(seeds):
            raise ValueError(f"nuisance: expected one for each of {len(seeds)} vectors, found {len(chosen)}")
        return chosen
