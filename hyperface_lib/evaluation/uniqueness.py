"""Whether the identities of a data set are different people, and the images of each one person: no truth is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hyperface_lib.evaluation.angle_distributions import AngleDistribution, AngleTally, d_prime, overlap, pair_angles
from hyperface_lib.evaluation.consistency import Consistency, check_consistency
from hyperface_lib.evaluation.gallery_search import unit_rows
from hyperface_lib.evaluation.identity_centres import IdentityCentres, identity_centres
from hyperface_lib.evaluation.leaks import cosines_to_degrees
from hyperface_lib.evaluation.variation import FactorVariation, factor_variation
from hyperface_lib.sphere import (
    CapacityCurve,
    CapacityEstimate,
    Population,
    capacity_curve,
    estimate_capacity,
    intra_class_radius_degrees,
    measure_population,
)
from hyperface_lib.sphere.blocks import nearest_others, pair_blocks

Array = npt.NDArray[np.float64]
THRESHOLDS_DEGREES = tuple(float(angle) for angle in range(5, 125, 5))
COMPARED_IMAGES = 20_000
"""So many images are compared pair by pair; of a larger set, identities evenly spaced."""


@dataclass(frozen=True, eq=False)
class IdentityScores:
    """One row an identity (k,), in the order of the labels.

    spread_degrees: mean angle of its images to the centre of its other images, nan with one image. nearest, its row,
    and nearest_degrees: the other identity whose centre is nearest. misplaced: its images nearer to another identity.
    """

    labels: npt.NDArray[Any]
    images: npt.NDArray[np.int64]
    spread_degrees: Array
    nearest: npt.NDArray[np.int64]
    nearest_degrees: Array
    misplaced: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def worst(self, count: int = 8) -> npt.NDArray[np.int64]:
        """Give the rows of the worst: most of their images misplaced first, then those nearest to another identity."""
        return np.lexsort((self.nearest_degrees, -self.misplaced / self.images))[:count]


@dataclass(frozen=True, eq=False)
class DatasetScores:
    """What `score_dataset` found; angles are those between unit vectors.

    genuine, impostor: pairs of images of one identity and of two, among `compared_images`. centres: pairs of
    identities. own_centre: images to the centre of the other images of their identity; other_centre: to the nearest
    centre of another. misplaced: (n,) images at least as near to another's. duplicates: rows of images (of those
    compared) that are nearly identical to one before them. capacity: unique identities among the centres at each
    threshold, counted; estimate: how many centres there is room for in the cap that holds 95 % of them, from areas
    (None where they have no common direction, or no spread). intra_class_radius_degrees: the angle to their centre that
    95 % of the images stay within. single_image_identities take part as impostors and centres only.
    """

    images: int
    identities: int
    single_image_identities: int
    compared_images: int
    genuine: AngleDistribution
    impostor: AngleDistribution
    centres: AngleDistribution
    own_centre: AngleDistribution
    other_centre: AngleDistribution
    misplaced: npt.NDArray[np.bool_]
    misplaced_share: float
    duplicates: npt.NDArray[np.int64]
    duplicate_degrees: float
    capacity: CapacityCurve
    estimate: CapacityEstimate | None
    intra_class_radius_degrees: float
    by_identity: IdentityScores
    variation: tuple[FactorVariation, ...]

    @property
    def d_prime(self) -> float:
        """How many standard deviations lie between genuine and impostor angles; nan without genuine pairs."""
        return d_prime(self.genuine, self.impostor) if len(self.genuine) else float("nan")

    @property
    def overlap(self) -> float:
        """The area that the histograms of genuine and impostor angles share; nan without genuine pairs."""
        return overlap(self.genuine, self.impostor)

    def summary(self) -> dict[str, Any]:
        """Give the single numbers as a flat dictionary, what is not defined as None."""
        numbers: dict[str, Any] = {
            "images": self.images,
            "identities": self.identities,
            "single_image_identities": self.single_image_identities,
            "compared_images": self.compared_images,
            "genuine_angle_degrees": self.genuine.mean_degrees,
            "impostor_angle_degrees": self.impostor.mean_degrees,
            "centre_angle_degrees": self.centres.mean_degrees,
            "nearest_centre_degrees": float(self.by_identity.nearest_degrees.min()),
            "spread_degrees": self.own_centre.mean_degrees,
            "intra_class_radius_degrees": self.intra_class_radius_degrees,
            "misplaced_share": self.misplaced_share,
            "d_prime": self.d_prime,
            "overlap": self.overlap,
            "duplicate_images": len(self.duplicates),
            "duplicate_degrees": self.duplicate_degrees,
        }
        return {name: _plain(value) for name, value in numbers.items()}

    def at_thresholds(self) -> list[dict[str, Any]]:
        """Give one dictionary a threshold: who is accepted at it, and how many identities are unique."""
        rows = []
        for place, threshold in enumerate(self.capacity.thresholds_degrees):
            room = None if self.estimate is None else float(self.estimate.log10_upper[place])
            row = {
                "threshold_degrees": float(threshold),
                "genuine_accepted": _plain(self.genuine.share_below(threshold)),
                "impostor_accepted": _plain(self.impostor.share_below(threshold)),
                "unique_identities": int(self.capacity.unique[place]),
                "isolated_identities": int(self.capacity.isolated[place]),
                "log10_room": room,
            }
            rows.append(row)
        return rows

    def to_record(self) -> dict[str, Any]:
        """Give everything but the rows of single images as plain values."""
        own = self.by_identity
        worst = own.worst()
        angles = {
            name: getattr(self, name).to_record()
            for name in ("genuine", "impostor", "centres", "own_centre", "other_centre")
        }
        return self.summary() | {
            "angles": angles,
            "thresholds": self.at_thresholds(),
            "variation": [one.to_record() for one in self.variation],
            "worst": [
                {
                    "label": own.labels[row].item(),
                    "images": int(own.images[row]),
                    "misplaced": int(own.misplaced[row]),
                    "spread_degrees": _plain(float(own.spread_degrees[row])),
                    "nearest_label": own.labels[own.nearest[row]].item(),
                    "nearest_degrees": float(own.nearest_degrees[row]),
                }
                for row in worst
            ],
        }


def score_dataset(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    thresholds_degrees: Sequence[float] = THRESHOLDS_DEGREES,
    factors: Mapping[str, npt.ArrayLike] | None = None,
    duplicate_degrees: float = 1.0,
    compared_images: int = COMPARED_IMAGES,
    progress: bool = False,
) -> DatasetScores:
    """Score the uniqueness of a data set's identities and the consistency of their images.

    vectors: (n, d) unit rows of one embedder, labels: (n,) identities. factors: name -> (n,) values of what is known of
    the pictures. Pairs of images are counted among at most `compared_images` (whole identities, evenly spaced); all
    else is done on every image, by blocks. Raises ValueError for fewer than two identities, rows that are not of unit
    length, thresholds outside (0, 180], or lengths that differ.
    """
    points = unit_rows(vectors, "vectors")
    ids = np.asarray(labels)
    if ids.shape != (len(points),):
        raise ValueError(f"There must be one label for each of {len(points)} vectors, found shape {ids.shape}.")
    found = identity_centres(points, ids)
    if len(found) < 2:
        raise ValueError(f"Uniqueness is between identities: two were expected, found {len(found)}.")
    identity, counts, centres = found.identity, found.counts, found.centres
    consistency = check_consistency(points, found, progress)
    compared = _compared(identity, counts, compared_images)
    pairs = pair_angles(points[torch.from_numpy(compared)], identity[compared], duplicate_degrees, progress)
    return DatasetScores(
        images=len(points),
        identities=len(found),
        single_image_identities=int((counts == 1).sum()),
        compared_images=len(compared),
        genuine=pairs.genuine,
        impostor=pairs.impostor,
        centres=_pairs_of(centres),
        own_centre=AngleDistribution.of(cosines_to_degrees(consistency.own_cosines)),
        other_centre=AngleDistribution.of(cosines_to_degrees(consistency.other_cosines)),
        misplaced=consistency.misplaced,
        misplaced_share=consistency.misplaced_share,
        duplicates=compared[pairs.duplicates],
        duplicate_degrees=duplicate_degrees,
        capacity=capacity_curve(centres, np.asarray(thresholds_degrees)),
        estimate=_estimate(centres, thresholds_degrees),
        intra_class_radius_degrees=intra_class_radius_degrees(points, identity),
        by_identity=_by_identity(found, consistency),
        variation=factor_variation(factors or {}, ids),
    )


def _by_identity(found: IdentityCentres, consistency: Consistency) -> IdentityScores:
    identity, counts = found.identity, found.counts
    angles = cosines_to_degrees(np.nan_to_num(consistency.own_cosines, nan=1.0))
    nearest = nearest_others(found.centres)
    return IdentityScores(
        labels=found.labels,
        images=counts,
        spread_degrees=np.where(counts > 1, np.bincount(identity, angles) / counts, np.nan),
        nearest=nearest.indices.numpy(),
        nearest_degrees=cosines_to_degrees(nearest.cosines.numpy()),
        misplaced=np.bincount(identity, consistency.misplaced).astype(np.int64),
    )


def _compared(identity: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return the rows of whole identities, evenly spaced, that together are at most so many, but two at least."""
    if len(identity) <= most:
        return np.arange(len(identity))
    chosen = max(2, int(len(counts) * most / len(identity)))
    while True:
        taken = np.unique(np.linspace(0, len(counts) - 1, chosen).round().astype(np.int64))
        if chosen == 2 or counts[taken].sum() <= most:
            return np.flatnonzero(np.isin(identity, taken))
        chosen = max(2, chosen * 9 // 10)


def _pairs_of(centres: Tensor) -> AngleDistribution:
    tally = AngleTally()
    for rows, columns, cosines in pair_blocks(centres):
        angles = torch.rad2deg(torch.arccos(cosines.clamp_(-1, 1)))
        tally.add(angles[torch.ones_like(angles, dtype=torch.bool).triu(1)] if rows == columns else angles)
    return tally.distribution()


def _estimate(centres: Tensor, thresholds_degrees: Sequence[float]) -> CapacityEstimate | None:
    """Return the room there is for centres; None where they have no common direction or no spread around it."""
    try:
        population = measure_population(centres)
    except ValueError:
        return None
    if not population.radius_degrees > 0.1:
        return None
    # below two dimensions there are no areas
    population = Population(population.radius_degrees, max(population.dimension, 2.0))
    return estimate_capacity(population, np.asarray(thresholds_degrees))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
