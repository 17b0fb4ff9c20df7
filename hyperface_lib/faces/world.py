"""The rendered-face world: people and pictures in, aligned images out."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from hyperface_lib.faces.identity import Identity
from hyperface_lib.faces.nuisance import Nuisance
from hyperface_lib.faces.renderer import Renderer

SIZES = (64, 112)
CHUNK = 48
"""Pictures rendered together: their geometry is one matrix product."""
SERIAL_LIMIT = 400
"""Below this many pictures starting worker processes costs more than it saves."""


@functools.lru_cache(maxsize=4)
def _renderer(size: int) -> Renderer:
    return Renderer(size)


def _render_chunk(
    size: int, identities: Sequence[int | Identity], nuisances: Sequence[int | Nuisance], profile: str
) -> np.ndarray:
    people = [Identity.random(who) if isinstance(who, int) else who for who in identities]
    pictures = [Nuisance.random(how, profile) if isinstance(how, int) else how for how in nuisances]
    return _renderer(size).render(people, pictures)


def _plain(items: Iterable[Any]) -> list[Any]:
    """Turn numpy integers into int, so that seeds from arrays work."""
    return [int(item) if isinstance(item, np.integer) else item for item in items]


class FaceWorld:
    """Render aligned faces of known identity and known nuisance, `size` 64 or 112 pixels."""

    def __init__(self, size: int = 64) -> None:
        if size not in SIZES:
            raise ValueError(f"FaceWorld renders {' or '.join(map(str, SIZES))} pixels, found size={size!r}.")
        self.size = size

    def render(self, identity: Identity | int, nuisance: Nuisance | int) -> np.ndarray:
        """Render one picture: (size, size, 3) uint8 RGB."""
        return self.render_batch([identity], [nuisance], workers=1)[0]

    def render_batch(
        self,
        identities: Sequence[int | Identity] | np.ndarray,
        nuisances: Sequence[int | Nuisance] | np.ndarray,
        workers: int | None = None,
        progress: bool = False,
        profile: str = "free",
    ) -> np.ndarray:
        """Render n pictures in parallel processes: (n, size, size, 3) uint8 RGB.

        Args:
            identities: n seeds or `Identity` objects.
            nuisances: n seeds (drawn from `profile`) or `Nuisance` objects.
            workers: processes; None takes every core for large batches and none for small ones.
            progress: show a bar.
            profile: the nuisance profile that seeds are drawn from.

        Raises:
            ValueError: the two lists differ in length.
        """
        identities, nuisances = _plain(identities), _plain(nuisances)
        if len(identities) != len(nuisances):
            raise ValueError(
                f"render_batch needs as many nuisances as identities, found {len(nuisances)} and {len(identities)}."
            )
        count = len(identities)
        out = np.empty((count, self.size, self.size, 3), np.uint8)
        starts = range(0, count, CHUNK)
        if workers is None:
            workers = 1 if count < SERIAL_LIMIT else (os.cpu_count() or 1)
        jobs = (
            (self.size, identities[start : start + CHUNK], nuisances[start : start + CHUNK], profile)
            for start in starts
        )
        if workers > 1 and count > CHUNK:
            _renderer(self.size)  # compile and cache the kernels once, before the workers ask for them
            results = Parallel(n_jobs=workers, return_as="generator")(delayed(_render_chunk)(*job) for job in jobs)
        else:
            results = (_render_chunk(*job) for job in jobs)
        with tqdm(total=count, desc="rendering faces", unit="img", disable=not progress, leave=False) as bar:
            for start, images in zip(starts, results, strict=True):
                out[start : start + len(images)] = images
                bar.update(len(images))
        return out

    def landmarks(self, identity: Identity | int, nuisance: Nuisance | int) -> np.ndarray:
        """Return the true 5 points of a picture, (5, 2) pixels, in the order of the ArcFace template."""
        person = Identity.random(identity) if isinstance(identity, int) else identity
        picture = Nuisance.random(nuisance) if isinstance(nuisance, int) else nuisance
        return _renderer(self.size).landmarks(person, picture)
