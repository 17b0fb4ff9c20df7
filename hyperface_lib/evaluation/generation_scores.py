"""Scores of generated face images in the space of an independent judge: arrays in, numbers out.

The judge is a recogniser that neither conditions the generator nor trained it. Its vectors say whether an image shows
the identity it was asked to show; its features say whether the images are distributed like real ones. Only the first
kind sees an identity that was lost: images that drift to the average face still look like faces.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hyperface_lib.evaluation.identification import identify
from hyperface_lib.evaluation.roc import roc_curve

Array = npt.NDArray[np.float64]
ANGLE_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class GenerationScores:
    """How well generated images show enrolled people; what was not asked for is nan.

    rank1: share of images nearest to their own person's enrolled vector. cosine: mean cosine to it.
    impostor_cosine: mean cosine to the other people's. intra_class_cosine: mean cosine between two generated images of
    a person; real_intra_class_cosine: the same for real images. tpr_at_fpr_1e_2: images against enrolled vectors.
    frechet, frechet_floor: distance of generated to real features, and of one half of the real ones to the other.
    """

    rank1: float
    cosine: float
    impostor_cosine: float
    intra_class_cosine: float
    real_intra_class_cosine: float
    tpr_at_fpr_1e_2: float
    frechet: float
    frechet_floor: float
    identities: int
    images: int

    def to_record(self) -> dict[str, Any]:
        """Give the scores as a flat dictionary, nan as None."""
        return _record(self)


@dataclass(frozen=True)
class PackedScores:
    """How well images keep identities that nobody has: no enrolled truth, only each other.

    rank1: leave-one-out, the share of images whose nearest other image shows the same identity. Angles between the
    judge vectors of two images, of one identity (genuine) and of two (impostor): mean, and 5, 50 and 95 % quantiles.
    """

    rank1: float
    genuine_angle_degrees: float
    impostor_angle_degrees: float
    genuine_angle_quantiles_degrees: tuple[float, ...]
    impostor_angle_quantiles_degrees: tuple[float, ...]
    tpr_at_fpr_1e_2: float
    tpr_at_fpr_1e_3: float
    equal_error_rate: float
    intra_class_cosine: float
    impostor_cosine: float
    identities: int
    images: int

    def to_record(self) -> dict[str, Any]:
        """Give the scores as a flat dictionary, nan as None."""
        return _record(self)


def score_generated(
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    enrolled: npt.ArrayLike,
    enrolled_labels: npt.ArrayLike,
    features: npt.ArrayLike | None = None,
    real_features: npt.ArrayLike | None = None,
    real_vectors: npt.ArrayLike | None = None,
    real_labels: npt.ArrayLike | None = None,
) -> GenerationScores:
    """Score generated images of people of whom real images are known.

    vectors: (n, d) judge vectors of the generated images, labels: (n,) their people. enrolled: (k, d), one a person
    (see `enrol`). features, real_features: (n, f) and (r, f) judge features for the Frechet distance, or the vectors
    again; both are divided by the real ones' standard deviations. real_vectors, real_labels: real images of several
    people, for the real intra-class cosine. Raises ValueError when shapes differ or an image's person is not enrolled.
    """
    generated, ids = _labelled("vectors", vectors, labels)
    centres, centre_ids = _labelled("enrolled", enrolled, enrolled_labels)
    if len(np.unique(centre_ids)) != len(centre_ids):
        raise ValueError("`enrolled` must hold one vector a person, found a person twice: average them first.")
    rank1 = identify(generated, ids, centres, centre_ids).rank1
    cosines = generated @ centres.T
    own = ids[:, None] == centre_ids[None, :]
    frechet = floor = float("nan")
    if features is not None and real_features is not None:
        real = np.asarray(real_features, dtype=np.float64)
        scale = np.where(real.std(axis=0) > 0, real.std(axis=0), 1.0)
        frechet = frechet_distance(np.asarray(features, dtype=np.float64) / scale, real / scale)
        floor = frechet_floor(real / scale)
    real_cosine = float("nan")
    if real_vectors is not None and real_labels is not None:
        real_cosine = intra_class_cosine(real_vectors, real_labels)
    return GenerationScores(
        rank1=rank1,
        cosine=float(cosines[own].mean()),
        impostor_cosine=float(cosines[~own].mean()) if (~own).any() else float("nan"),
        intra_class_cosine=intra_class_cosine(generated, ids),
        real_intra_class_cosine=real_cosine,
        tpr_at_fpr_1e_2=_rates(cosines[own], cosines[~own])[0],
        frechet=frechet,
        frechet_floor=floor,
        identities=len(np.unique(ids)),
        images=len(ids),
    )


def score_packed(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> PackedScores:
    """Score images drawn from packed vectors, which have no ground truth, by how they gather and separate.

    vectors: (n, d) judge vectors, labels: (n,) identities. Raises ValueError without two identities and two images of
    one.
    """
    points, ids = _labelled("vectors", vectors, labels)
    genuine, impostor = genuine_impostor_cosines(points, ids)
    if not len(genuine) or not len(impostor):
        raise ValueError("Two identities and two images of one are needed to score identities against each other.")
    genuine_angles, impostor_angles = _angles_degrees(genuine), _angles_degrees(impostor)
    at_1e_2, at_1e_3, equal_error = _rates(genuine, impostor)
    return PackedScores(
        rank1=leave_one_out_rank1(points, ids),
        genuine_angle_degrees=float(genuine_angles.mean()),
        impostor_angle_degrees=float(impostor_angles.mean()),
        genuine_angle_quantiles_degrees=tuple(float(q) for q in np.quantile(genuine_angles, ANGLE_QUANTILES)),
        impostor_angle_quantiles_degrees=tuple(float(q) for q in np.quantile(impostor_angles, ANGLE_QUANTILES)),
        tpr_at_fpr_1e_2=at_1e_2,
        tpr_at_fpr_1e_3=at_1e_3,
        equal_error_rate=equal_error,
        intra_class_cosine=intra_class_cosine(points, ids),
        impostor_cosine=float(impostor.mean()),
        identities=len(np.unique(ids)),
        images=len(ids),
    )


def enrol(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, npt.NDArray[Any]]:
    """Average every person's vectors and bring the mean to unit length: (k, d) rows and their (k,) sorted labels."""
    points, ids = _labelled("vectors", vectors, labels)
    people, number = np.unique(ids, return_inverse=True)
    total = np.zeros((len(people), points.shape[1]))
    np.add.at(total, number, points)
    return _unit_rows(total), people


def leave_one_out_rank1(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Give the share of images whose nearest other image is of the same identity; a tie with another one is a miss.

    Images that are the only one of their identity cannot be found and are not asked for; nan when all are.
    """
    points, ids = _labelled("vectors", vectors, labels)
    hits = asked = 0
    for start in range(0, len(points), 1024):
        rows = np.arange(start, min(start + 1024, len(points)))
        cosines = points[rows] @ points.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        same = ids[rows, None] == ids[None, :]
        nearest_same = np.where(same, cosines, -np.inf).max(axis=1)
        nearest_other = np.where(same, -np.inf, cosines).max(axis=1)
        can = np.isfinite(nearest_same)
        asked += int(can.sum())
        hits += int((nearest_same[can] > nearest_other[can]).sum())
    return hits / asked if asked else float("nan")


def genuine_impostor_cosines(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, Array]:
    """Give the cosines of all pairs of images of one identity, and of all pairs of two: memory grows as n^2."""
    points, ids = _labelled("vectors", vectors, labels)
    first, second = np.triu_indices(len(points), k=1)
    cosines = np.clip((points @ points.T)[first, second], -1.0, 1.0)
    same = ids[first] == ids[second]
    return cosines[same], cosines[~same]


def intra_class_cosine(vectors: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Average the cosine between two images of an identity, every identity of two or more images weighing alike.

    nan when no identity has two.
    """
    points, ids = _labelled("vectors", vectors, labels)
    people, number, counts = np.unique(ids, return_inverse=True, return_counts=True)
    total = np.zeros((len(people), points.shape[1]))
    np.add.at(total, number, points)
    several = counts > 1
    if not several.any():
        return float("nan")
    # |sum of the unit rows|^2 = n + the sum over ordered pairs
    pair_sums = (total[several] ** 2).sum(axis=1) - counts[several]
    return float((pair_sums / (counts[several] * (counts[several] - 1))).mean())


def frechet_distance(features: npt.ArrayLike, real_features: npt.ArrayLike) -> float:
    """Measure the squared Frechet distance of the Gaussians fitted to features (n, f) and (m, f), in float64.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S2^1/2 S1 S2^1/2)^1/2) (Dowson and Landau, 1982; as FID, Heusel et al., 2017). It
    grows as the sets shrink: read it beside `frechet_floor` of a set of the same size. Raises ValueError for fewer than
    two rows or values that are not finite.
    """
    first, second = np.asarray(features, dtype=np.float64), np.asarray(real_features, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(
            f"Two sets of at least two features of one dimension are needed, found {first.shape} and {second.shape}."
        )
    if not np.isfinite(first).all() or not np.isfinite(second).all():
        raise ValueError("Features must be finite numbers, found nan or infinity.")
    first_covariance = np.atleast_2d(np.cov(first, rowvar=False))
    second_covariance = np.atleast_2d(np.cov(second, rowvar=False))
    # tr (S1 S2)^1/2 through two symmetric eigenproblems: real and stable for the singular covariances of few samples
    values, axes = np.linalg.eigh(second_covariance)
    root = (axes * np.sqrt(np.clip(values, 0.0, None))) @ axes.T
    product = root @ first_covariance @ root
    cross = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0.0, None)).sum()
    shift = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    distance = shift + np.trace(first_covariance) + np.trace(second_covariance) - 2.0 * cross
    return float(max(distance, 0.0))


def frechet_floor(real_features: npt.ArrayLike, seed: int = 0) -> float:
    """Measure the Frechet distance of one random half of real features to the other: what perfection would get.

    A half is smaller than the whole, so the floor is a little high. Raises ValueError for fewer than four rows.
    """
    real = np.asarray(real_features, dtype=np.float64)
    order = np.random.default_rng(seed).permutation(len(real))
    return frechet_distance(real[order[: len(real) // 2]], real[order[len(real) // 2 :]])


def _labelled(name: str, vectors: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, npt.NDArray[Any]]:
    points, ids = np.asarray(vectors, dtype=np.float64), np.asarray(labels)
    if points.ndim != 2 or ids.shape != (len(points),) or not len(points):
        raise ValueError(f"`{name}` must be rows (n, d) with one label each, found {points.shape} and {ids.shape}.")
    return _unit_rows(points), ids


def _unit_rows(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.finfo(np.float64).tiny))


def _rates(genuine: Array, impostor: Array) -> tuple[float, float, float]:
    """Give the true positive rates at 1e-2 and 1e-3 and the equal error rate; nan without scores of both kinds."""
    if not len(genuine) or not len(impostor):
        return float("nan"), float("nan"), float("nan")
    curve = roc_curve(np.concatenate([genuine, impostor]), np.arange(len(genuine) + len(impostor)) < len(genuine))
    return curve.true_positive_rate_at(1e-2), curve.true_positive_rate_at(1e-3), curve.equal_error_rate


def _angles_degrees(cosines: Array) -> Array:
    return np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def _record(scores: GenerationScores | PackedScores) -> dict[str, Any]:
    record = {name.replace("fpr_1e_", "fpr_1e-"): value for name, value in asdict(scores).items()}
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in record.items()}
