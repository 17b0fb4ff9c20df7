"""How much of a synthetic data set leaks real people: counted at several thresholds, in three comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

from hyperface_lib.evaluation.gallery_search import OwnEntries, RowMaximum, scan, unit_rows
from hyperface_lib.evaluation.identity_centres import identity_centres
from hyperface_lib.evaluation.leaks import Leaks, NearestRows, cosines_to_degrees, nearest_rows
from hyperface_lib.evaluation.strangers import impostor_threshold_cosine, nearest_stranger_cosines

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
    unknown = [name for name in comparisons if name not in LEAK_COMPARISONS]
    if unknown or not comparisons:
        raise ValueError(f"Comparisons must be some of {', '.join(LEAK_COMPARISONS)}, found {unknown or 'none'}.")
    made, real = _Side.of(vectors, labels, "synthetic"), _Side.of(real_vectors, real_labels, "real")
    thresholds = [_Threshold(float(angle), _cosine(angle), None) for angle in thresholds_degrees]
    for rate in false_accept_rates:
        cosine = impostor_threshold_cosine(*real.samples, rate, progress)
        thresholds.append(_Threshold(float(cosines_to_degrees(cosine)), cosine, rate))
    if not thresholds:
        raise ValueError("A leak table needs a threshold in degrees or a false accept rate, found neither.")
    rows, nearest, real_cosines = [], {}, {}
    for compared in comparisons:
        own, other = compared.split("-")
        nearest[compared] = nearest_rows(getattr(made, own)[0], getattr(real, other)[0], chunk, progress)
        real_cosines[compared] = real.strangers(own, other, progress)
        rows += [
            _row(compared, threshold, made, real, nearest[compared], real_cosines[compared]) for threshold in thresholds
        ]
    return LeakTable(tuple(rows), nearest, real_cosines, made.centres[1], real.centres[1])


class _Threshold(NamedTuple):
    degrees: float
    cosine: float
    rate: float | None


def _row(
    compared: str,
    threshold: _Threshold,
    made: _Side,
    real: _Side,
    nearest: NearestRows,
    real_cosines: npt.NDArray[np.float32],
) -> LeakRow:
    own, other = compared.split("-")
    leaking = np.flatnonzero(nearest.cosines >= threshold.cosine)
    who, whom = getattr(made, own)[1], getattr(real, other)[1]
    return LeakRow(
        compared=compared,
        threshold_degrees=threshold.degrees,
        threshold_cosine=threshold.cosine,
        false_accept_rate=threshold.rate,
        images=len(leaking) if own == "samples" else None,
        identities=len(np.unique(who[leaking])),
        real_identities=len(np.unique(whom[nearest.others[leaking]])),
        checked_images=len(made.samples[0]),
        checked_identities=len(made.centres[0]),
        real_share=None if len(real.centres[0]) < 2 else float((real_cosines >= threshold.cosine).mean()),
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One side of the comparisons: images and centres, each as (unit rows, labels)."""

    samples: tuple[npt.NDArray[np.float32], npt.NDArray[Any]]
    centres: tuple[npt.NDArray[np.float32], npt.NDArray[Any]]

    @classmethod
    def of(cls, vectors: npt.ArrayLike, labels: npt.ArrayLike | None, name: str) -> Self:
        points = unit_rows(vectors, f"{name} vectors")
        if not len(points):
            raise ValueError(f"Both sides need vectors, found 0 {name} ones.")
        ids = np.arange(len(points)) if labels is None else np.asarray(labels)
        if ids.shape != (len(points),):
            raise ValueError(
                f"There must be one label for each of {len(points)} {name} vectors, found shape {ids.shape}."
            )
        found = identity_centres(points, ids)
        return cls((points.numpy(), ids), (found.centres.numpy(), found.labels))

    def strangers(self, own: str, other: str, progress: bool) -> npt.NDArray[np.float32]:
        """Give the highest cosine of every image or centre of this side to another identity of it, -inf if none."""
        vectors, labels = getattr(self, own)
        if own == other:
            return nearest_stranger_cosines(vectors, labels, progress)
        others, other_labels = getattr(self, other)
        highest = RowMaximum(len(vectors))
        mated = OwnEntries(labels, other_labels)
        scan(torch.from_numpy(vectors), others, [highest], mated, "real people among themselves", progress=progress)
        return np.asarray(highest.cosines.numpy())


def _cosine(angle_degrees: float) -> float:
    if not 0 <= angle_degrees <= 180:
        raise ValueError(f"A threshold must be an angle from 0 to 180 degrees, found {angle_degrees}.")
    return math.cos(math.radians(angle_degrees))
