"""The one door from evaluation to face detection: whole photographs cannot be scored without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats import ImageFiles, PairSet

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

Vectors = npt.NDArray[np.float32]


class PhotographProblem(Protocol):
    """One thing met in one photograph: its place in the list, why, and whether it was left out."""

    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def skipped(self) -> bool: ...


def embed_photographs_of(
    embedder: Embedder, pair_set: PairSet, used: npt.NDArray[np.int64], progress: bool = False
) -> tuple[Vectors, npt.NDArray[np.int64], list[PhotographProblem]]:
    """Embed some photographs of a set: vectors (m, d), the places (m,) in `used` they belong to, and what was met."""
    # detection needs the extra `photos`: only asked for when there are photographs
    from hyperface_lib.embedding.photographs import embed_photographs

    # a path keeps the file's name in the report of problems, and its photograph is read only when its turn comes
    images = pair_set.images
    source = images.paths if isinstance(images, ImageFiles) else images
    found = embed_photographs(
        embedder, [source[int(number)] for number in used], when_missing="center", progress=progress
    )
    return found.vectors, found.kept, list(found.problems)


def count_without_face(problems: Sequence[PhotographProblem]) -> int:
    """Count the photographs left out or used without a face; the others were only converted, which is no loss."""
    return len({problem.index for problem in problems if problem.skipped or problem.reason.startswith("no face")})
