"""Real people among themselves: how similar two of them are by chance, every pair of strangers seen once, by blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hyperface_lib.evaluation.gallery_search import HighestScores, unit_rows
from hyperface_lib.sphere.blocks import pair_blocks


def impostor_threshold_cosine(
    vectors: npt.ArrayLike, labels: npt.ArrayLike, rate: float, progress: bool = False
) -> float:
    """Find the smallest cosine at or above which at most a share `rate` of the pairs of two people lie.

    vectors: (n, d) unit rows, labels: (n,). Every pair of two people is counted once and exactly, block by block.
    Raises ValueError for a rate outside (0, 1) or below one pair, which the pairs cannot tell.
    """
    points, people = _by_person(vectors, labels)
    sizes = np.bincount(people).astype(np.int64)
    pairs = (len(points) ** 2 - int((sizes**2).sum())) // 2
    # 0.07 of 100 pairs are 7, although the product in floating point is a little less
    allowed = math.floor(rate * pairs * (1 + 1e-12)) if 0 < rate < 1 else 0
    if allowed < 1:
        raise ValueError(
            f"A false accept rate must be below 1 and at least one of the {pairs} pairs of two real people, "
            f"found {rate}: give a threshold in degrees, or a gallery with more people."
        )
    highest = HighestScores(allowed + 1)
    for rows, _, cosines in _stranger_blocks(points, people, progress):
        highest.take(rows, cosines)
    # the first pair that must not pass
    threshold = float(np.nextafter(highest.falling()[allowed], np.float32(2)))
    if threshold > 1:
        raise ValueError(
            f"At a false accept rate of {rate} {allowed} pairs of two real people may pass, found more of equal images."
        )
    return threshold


def nearest_stranger_cosines(
    vectors: npt.ArrayLike, labels: npt.ArrayLike, progress: bool = False
) -> npt.NDArray[np.float32]:
    """Give every row's highest cosine (n,) to a row of another person, -inf where there is nobody else.

    vectors: (n, d) unit rows, labels: (n,). Raises ValueError for rows that are not of unit length.
    """
    order = np.argsort(np.asarray(labels), kind="stable")
    points, people = _by_person(vectors, labels)
    highest = torch.full((len(points),), -torch.inf)
    for rows, columns, cosines in _stranger_blocks(points, people, progress):
        highest[rows] = torch.maximum(highest[rows], cosines.amax(dim=1))
        highest[columns] = torch.maximum(highest[columns], cosines.amax(dim=0))
    found = np.empty(len(points), np.float32)
    found[order] = highest.numpy()
    return found


def _by_person(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """Return the rows in the order of their labels, and the number (n,) of each one's person, rising."""
    points, names = unit_rows(vectors, "real vectors"), np.asarray(labels)
    if names.shape != (len(points),):
        raise ValueError(f"There must be one label for each of {len(points)} real vectors, found shape {names.shape}.")
    order = np.argsort(names, kind="stable")
    people = np.unique(names, return_inverse=True)[1][order]
    return points[torch.from_numpy(order)], people


def _stranger_blocks(
    points: Tensor, people: npt.NDArray[np.int64], progress: bool
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield (rows, columns, cosines) over the pairs of two people, each once; all else is -inf."""
    who = torch.from_numpy(people)
    with tqdm(total=len(points), desc="real people among themselves", disable=not progress, delay=1) as bar:
        for rows, columns, cosines in pair_blocks(points):
            # in order of person, only blocks near the diagonal hold pairs of one
            if who[columns.start] <= who[rows.stop - 1]:
                cosines[who[rows, None] == who[None, columns]] = -torch.inf
            if rows == columns:
                cosines[torch.ones_like(cosines, dtype=torch.bool).tril()] = -torch.inf
                bar.update(rows.stop - rows.start)
            yield rows, columns, cosines
