"""How much of a synthetic data set leaks real people: counted at several thresholds, in three comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm.auto import tqdm

from hyperface_lib.evaluation.gallery_search import HighestScores, OwnEntries, RowMaximum, scan, unit_rows
from hyperface_lib.evaluation.identity_centres import identity_centres
from hyperface_lib.evaluation.leaks import Leaks, NearestRows, cosines_to_degrees, nearest_rows
from hyperface_lib.sphere.blocks import pair_blocks

LEAK_COMPARISONS = ("samples-samples", "samples-centres", "centres-centres")
"""What of the data set is held against what of the real people; a centre is an identity's mean, of unit length."""


@dataclass(frozen=True)
class LeakRow:
    """What leaks in one comparison at one threshold.

    images: synthetic images at or beyond the threshold, None where centres are compared. identities: synthetic
    identities with such an image (or such a centre). real_identities: the people they leak. false_accept_rate: that of
    the real impostor pairs which gave the threshold, None where the threshold was given. real_share: the share of the
    real images (or centres) themselves that are as similar to another real person: what people who have nothing to do
    with each other come to, because the nearest of many is near. None where only one real person is known.
    """

    compared: str
    threshold_degrees: float
    threshold_cosine: float
    false_accept_rate: float | None
    images: int | None
    identities: int
    real_identities: int
    checked_images: int
    checked_identities: int
    real_share: float | None

    @property
    def image_share(self) -> float | None:
        """The share of the images that leak, None where centres are compared."""
        return None if self.images is None else self.images / self.checked_images

    @property
    def identity_share(self) -> float:
        """The share of the identities that leak."""
        return self.identities / self.checked_identities

    def to_record(self) -> dict[str, Any]:
        """Give the row as a flat dictionary."""
        return asdict(self) | {"image_share": self.image_share, "identity_share": self.identity_share}


@dataclass(frozen=True, eq=False)
class LeakTable:
    """The rows, and for each comparison what is nearest to every synthetic image or centre, to look at the pairs.

    real_cosines: for each comparison the highest cosine of every real image or centre to another real person, -inf if
    there is none. labels: (k,) those of the synthetic centres, real_labels: (r,) those of the real ones, both in the
    order in which centres are compared.
    """

    rows: tuple[LeakRow, ...]
    nearest: Mapping[str, NearestRows]
    real_cosines: Mapping[str, npt.NDArray[np.float32]]
    labels: npt.NDArray[Any]
    real_labels: npt.NDArray[Any]

    def leaks(self, row: LeakRow) -> Leaks:
        """Give the leaks that a row of the table counts, most similar first."""
        return self.nearest[row.compared].leaks(row.threshold_cosine)

    def to_records(self) -> list[dict[str, Any]]:
        """Give one dictionary a row."""
        return [row.to_record() for row in self.rows]


def leak_table(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    real_vectors: npt.ArrayLike,
    real_labels: npt.ArrayLike | None = None,
    thresholds_degrees: Sequence[float] = (),
    false_accept_rates: Sequence[float] = (),
    comparisons: Sequence[str] = LEAK_COMPARISONS,
    chunk: int = 4096,
    progress: bool = False,
) -> LeakTable:
    """Count the images and identities that leak real people: one row for each comparison and threshold.

    vectors: (n, d) unit rows, one a synthetic image, labels: (n,) its identity. real_vectors: (m, d) unit rows of the
    same embedder, one a real image, or a real person's centre; real_labels: (m,) who it is, None for one person a row.
    A leak has an angle of at most the threshold. Each of `false_accept_rates` adds the threshold at which that share of
    the pairs of real images of two people would be taken for one person (`impostor_threshold_cosine`).
    Raises ValueError for no threshold, an unknown comparison, labels of another length, or rows that are not of unit
    length.
    """
    samples = unit_rows(vectors, "synthetic vectors").numpy()
    real = unit_rows(real_vectors, "real vectors").numpy()
    ids = _labels(labels, len(samples), "synthetic")
    real_ids = np.arange(len(real)) if real_labels is None else _labels(real_labels, len(real), "real")
    unknown = [name for name in comparisons if name not in LEAK_COMPARISONS]
    if unknown or not comparisons:
        raise ValueError(f"Comparisons must be some of {', '.join(LEAK_COMPARISONS)}, found {unknown or 'none'}.")
    if not len(samples) or not len(real):
        raise ValueError(f"Both sides need vectors, found {len(samples)} synthetic and {len(real)} real ones.")
    thresholds: list[tuple[float, float, float | None]] = [
        (_cosine(angle), float(angle), None) for angle in thresholds_degrees
    ]
    for wanted in false_accept_rates:
        cosine = impostor_threshold_cosine(real, real_ids, wanted, progress)
        thresholds.append((cosine, float(cosines_to_degrees(cosine)), wanted))
    if not thresholds:
        raise ValueError("A leak table needs a threshold in degrees or a false accept rate, found neither.")
    own_centres = identity_centres(torch.from_numpy(samples), ids)
    real_centres = identity_centres(torch.from_numpy(real), real_ids)
    sides = {"samples": (samples, ids), "centres": (own_centres.centres.numpy(), own_centres.labels)}
    real_sides = {"samples": (real, real_ids), "centres": (real_centres.centres.numpy(), real_centres.labels)}
    rows, nearest, real_cosines = [], {}, {}
    for compared in comparisons:
        own, other = compared.split("-")
        (rows_of, who), (others_of, whom) = sides[own], real_sides[other]
        found = nearest[compared] = nearest_rows(rows_of, others_of, chunk, progress)
        among_real = real_cosines[compared] = _nearest_stranger(*real_sides[own], *real_sides[other], progress)
        for cosine, angle, rate in thresholds:
            leaking = np.flatnonzero(found.cosines >= cosine)
            row = LeakRow(
                compared=compared,
                threshold_degrees=angle,
                threshold_cosine=cosine,
                false_accept_rate=rate,
                images=len(leaking) if own == "samples" else None,
                identities=len(np.unique(who[leaking])),
                real_identities=len(np.unique(whom[found.others[leaking]])),
                checked_images=len(samples),
                checked_identities=len(own_centres),
                real_share=None if len(real_centres) < 2 else float((among_real >= cosine).mean()),
            )
            rows.append(row)
    return LeakTable(tuple(rows), nearest, real_cosines, own_centres.labels, real_centres.labels)


def impostor_threshold_cosine(
    vectors: npt.ArrayLike, labels: npt.ArrayLike, rate: float, progress: bool = False
) -> float:
    """Find the smallest cosine at or above which at most a share `rate` of the pairs of two people lie.

    vectors: (n, d) unit rows, labels: (n,). Every pair of two people is counted once and exactly, block by block.
    Raises ValueError for a rate outside (0, 1) or below one pair, which the pairs cannot tell.
    """
    points = unit_rows(vectors, "real vectors")
    _, people, counts = np.unique(_labels(labels, len(points), "real"), return_inverse=True, return_counts=True)
    pairs = (len(points) ** 2 - int((counts.astype(np.int64) ** 2).sum())) // 2
    # 0.07 of 100 pairs are 7, although the product in floating point is a little less
    allowed = math.floor(rate * pairs * (1 + 1e-12)) if 0 < rate < 1 else 0
    if allowed < 1:
        raise ValueError(
            f"A false accept rate must be below 1 and at least one of the {pairs} pairs of two real people, "
            f"found {rate}: give a threshold in degrees, or a gallery with more people."
        )
    order = np.argsort(people, kind="stable")
    points, who = points[torch.from_numpy(order)], torch.from_numpy(people[order])
    highest = HighestScores(allowed + 1)
    bar = tqdm(total=len(points), desc="real impostors", unit="image", disable=not progress, delay=1)
    for rows, columns, cosines in pair_blocks(points):
        # ordered by person, only blocks near the diagonal hold pairs of one
        if who[columns.start] <= who[rows.stop - 1]:
            cosines[who[rows, None] == who[None, columns]] = -torch.inf
        if rows == columns:
            cosines[torch.ones_like(cosines, dtype=torch.bool).tril()] = -torch.inf
            bar.update(rows.stop - rows.start)
        highest.take(rows, cosines)
    bar.close()
    # the first pair that must not pass
    threshold = float(np.nextafter(highest.falling()[allowed], np.float32(2)))
    if threshold > 1:
        raise ValueError(
            f"At a false accept rate of {rate} {allowed} pairs of two real people may pass, found more of equal images."
        )
    return threshold


def _nearest_stranger(
    vectors: npt.NDArray[np.float32],
    labels: npt.NDArray[Any],
    others: npt.NDArray[np.float32],
    other_labels: npt.NDArray[Any],
    progress: bool,
) -> npt.NDArray[np.float32]:
    """Give every row's highest cosine (m,) to a row of another person, -inf where there is nobody else."""
    highest = RowMaximum(len(vectors))
    own = OwnEntries(labels, other_labels)
    scan(torch.from_numpy(vectors), others, [highest], own, "real people among themselves", progress=progress)
    return np.asarray(highest.cosines.numpy())


def _labels(labels: npt.ArrayLike, count: int, name: str) -> npt.NDArray[Any]:
    array = np.asarray(labels)
    if array.shape != (count,):
        raise ValueError(f"There must be one label for each of {count} {name} vectors, found shape {array.shape}.")
    return array


def _cosine(angle_degrees: float) -> float:
    if not 0 <= angle_degrees <= 180:
        raise ValueError(f"A threshold must be an angle from 0 to 180 degrees, found {angle_degrees}.")
    return math.cos(math.radians(angle_degrees))
