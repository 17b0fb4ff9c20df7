"""How many identities there is room for at a threshold, estimated from areas of the sphere.

Identities are caps of the sphere that must not overlap, and the population they come from is a larger cap. Three
numbers bracket how many fit, as logarithms to the base 10 because in hundreds of dimensions they are astronomical:

- guaranteed: a maximal set of separated centres covers the population by caps of the separation's radius, so there
  are at least A(population) / A(separation) of them (Gilbert and Varshamov's argument);
- cap ratio: caps of half the separation are disjoint, so there are at most A(population + margin) / A(separation / 2)
  of them: the estimate of Boddeti, Sreekumar and Ross, "On the biometric capacity of generative face models", 2023;
- Levenshtein: the most points that known bounds allow at that separation on the whole sphere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor, normalise
from hyperface_lib.sphere.blocks import pair_blocks, row_blocks
from hyperface_lib.sphere.caps import log_cap_area_fraction
from hyperface_lib.sphere.distinct import checked_thresholds
from hyperface_lib.sphere.geometry import angle_degrees_between
from hyperface_lib.sphere.levenshtein import levenshtein_function, order_of_cosine
from hyperface_lib.sphere.subspace import participation_ratio

# Levenshtein's function is evaluated to about this relative error; a bound is rounded to the safe side of it.
_ROUNDING = 1e-9
_ANGLE_BINS = 36_000


def levenshtein_capacity(threshold_degrees: float, dimension: int) -> int:
    """Return the most points that known bounds allow with all angles at least `threshold_degrees`: no set has more.

    The largest n whose `levenshtein_bound_degrees` is not below the threshold, evaluated directly (Levenshtein's
    function of the cosine; Rankin's bounds from 90 degrees on; exact in the plane). Beyond 9 digits it is rounded up.
    Raises ValueError for a threshold outside (0, 180] or a dimension below 2.
    """
    if not 0 < threshold_degrees <= 180:
        raise ValueError(f"a threshold must be above 0 and at most 180 degrees, found {threshold_degrees}.")
    if dimension < 2:
        raise ValueError(f"dimension must be at least 2, found {dimension}.")
    if dimension == 2:
        return math.floor(360 / threshold_degrees * (1 + _ROUNDING))
    cosine = math.cos(math.radians(threshold_degrees))
    if cosine < -1e-12:
        return min(dimension + 1, math.floor((1 - 1 / cosine) * (1 + _ROUNDING)))
    if cosine < 1e-12:
        return 2 * dimension
    binomial, factor = levenshtein_function(dimension, order_of_cosine(dimension, cosine), cosine)
    return math.floor(binomial * Fraction(factor) * (1 + Fraction(_ROUNDING)))


@dataclass(frozen=True)
class Population:
    """The part of the sphere that identities come from: a cap of `radius_degrees` in `dimension` dimensions."""

    radius_degrees: float
    dimension: float


def measure_population(vectors: Array, share: float = 0.95, dimension: float | None = None) -> Population:
    """Return the cap around the mean direction of `vectors` (n, d) that holds `share` of them.

    Its dimension is the participation ratio of the covariance, unless given. For unit vectors without a mean that is
    1 over the mean squared cosine of two of them, so uniform points in that many dimensions have as wide a spread of
    impostor cosines as the population; areas in all d dimensions would count directions no identity varies in.
    Raises ValueError for a share outside (0, 1], non-unit rows, fewer than 2 vectors or a mean of zero.
    """
    tensor = as_unit_tensor(vectors, "vectors")
    _check_share(share)
    if len(tensor) < 2:
        raise ValueError(f"a population needs at least 2 vectors, found {len(tensor)}.")
    mean = tensor.double().mean(dim=0)
    if not float(mean.norm()) > 1e-9:
        raise ValueError("a population's cap needs a mean direction, found a mean of zero (the whole sphere is 180).")
    radius = float(np.quantile(_angles_to_row(tensor, mean), share))
    return Population(radius, participation_ratio(tensor) if dimension is None else dimension)


def measure_population_by_pairs(vectors: Array, share: float = 0.95, dimension: float | None = None) -> Population:
    """Return the cap as Boddeti et al. measure it: half the angle to the farthest other vector, in a quantile.

    For each of `vectors` (n, d) the largest angle to another is taken, and of these the `share` quantile, halved. On
    a circle points do lie in an arc of half their largest angle; in many dimensions they need not (orthogonal vectors
    are 90 degrees apart, and no cap much below 90 degrees holds many of them), so this is smaller than the cap of
    `measure_population`, and so is, in the same dimension, a capacity estimated from it. Its default dimension is all
    d, as in the paper.
    Raises ValueError for a share outside (0, 1], non-unit rows or fewer than 2 vectors.
    """
    tensor = as_unit_tensor(vectors, "vectors")
    _check_share(share)
    if len(tensor) < 2:
        raise ValueError(f"a population needs at least 2 vectors, found {len(tensor)}.")
    farthest = torch.ones(len(tensor), dtype=tensor.dtype, device=tensor.device)
    for rows in row_blocks(len(tensor)):
        for columns in row_blocks(len(tensor)):
            smallest = (tensor[rows] @ tensor[columns].T).amin(dim=1)
            farthest[rows] = torch.minimum(farthest[rows], smallest)
    angles = np.degrees(np.arccos(farthest.clamp(-1, 1).cpu().double().numpy()))
    return Population(float(np.quantile(angles, share)) / 2, tensor.shape[1] if dimension is None else dimension)


def intra_class_radius_degrees(vectors: Array, labels: ArrayLike, share: float = 0.95) -> float:
    """Return the angle to their identity's mean direction that `share` of the image `vectors` (n, d) stay within.

    `labels` (n,) name the identities. Raises ValueError for labels of another length, a share outside (0, 1] or
    non-unit rows.
    """
    tensor = as_unit_tensor(vectors, "vectors")
    _check_share(share)
    names = np.asarray(labels)
    if names.shape != (len(tensor),):
        raise ValueError(f"labels must have shape ({len(tensor)},), found {names.shape}.")
    _, identity = np.unique(names, return_inverse=True)
    where = torch.from_numpy(identity).to(tensor.device)
    sums = torch.zeros((int(identity.max()) + 1, tensor.shape[1]), dtype=tensor.dtype, device=tensor.device)
    centres = normalise(sums.index_add_(0, where, tensor))
    blocks = row_blocks(len(tensor))
    angles = torch.cat([angle_degrees_between(tensor[rows].cpu(), centres[where[rows]].cpu()) for rows in blocks])
    return float(np.quantile(angles.numpy(), share))


def threshold_at_false_accept_rate(vectors: Array, rate: float) -> float:
    """Return the decision threshold in degrees below which a share `rate` of the pairs of `vectors` (n, d) lie.

    `vectors` are of different identities. Pairs are counted in bins of 0.005 degrees, and the lower end of the bin
    where the rate is passed is returned. Raises ValueError for a rate outside (0, 1) or below one pair, fewer than 2
    vectors, or non-unit rows.
    """
    tensor = as_unit_tensor(vectors, "vectors")
    pairs = len(tensor) * (len(tensor) - 1) // 2
    if not 0 < rate < 1 or rate * pairs < 1:
        raise ValueError(f"a false-accept rate must be below 1 and at least one of {pairs} pairs, found {rate}.")
    counts = np.zeros(_ANGLE_BINS, dtype=np.int64)
    for rows, columns, cosines in pair_blocks(tensor):
        if rows == columns:
            cosines = cosines[torch.ones_like(cosines, dtype=torch.bool).triu(diagonal=1)]
        angles = torch.rad2deg(torch.arccos(cosines.clamp(-1, 1))).cpu().numpy()
        counts += np.histogram(angles, bins=_ANGLE_BINS, range=(0.0, 180.0))[0]
    passed = np.flatnonzero(np.cumsum(counts) > rate * pairs)[0]
    return float(passed) * 180 / _ANGLE_BINS


@dataclass(frozen=True)
class CapacityEstimate:
    """Room for identities at each threshold, as logarithms to the base 10, arrays of one length.

    `separation_degrees` is the angle between centres that keeps all images of two identities above the threshold.
    `log10_cap_ratio` is the paper's estimate; `log10_upper` is the smaller of that and Levenshtein's bound.
    """

    population: Population
    intra_class_degrees: float
    thresholds_degrees: NDArray[np.float64]
    separation_degrees: NDArray[np.float64]
    log10_guaranteed: NDArray[np.float64]
    log10_cap_ratio: NDArray[np.float64]
    log10_levenshtein: NDArray[np.float64]

    @property
    def log10_upper(self) -> NDArray[np.float64]:
        """The smaller of the two upper bounds."""
        return np.minimum(self.log10_cap_ratio, self.log10_levenshtein)


def estimate_capacity(
    population: Population, thresholds_degrees: ArrayLike, intra_class_degrees: float = 0.0
) -> CapacityEstimate:
    """Estimate from areas how many identities a population has room for, at each decision threshold.

    With images up to phi = `intra_class_degrees` from their centre and a threshold T on the angle of two images, images
    of two identities stay apart when their centres are T + 2 phi apart, which is when caps of radius phi + T/2 around
    them are disjoint. If all images lie in a cap of radius theta, these caps lie in one of radius theta + T/2: the
    ratio of the areas, A(theta + T/2) / A(phi + T/2), bounds their number (Boddeti et al. 2023, with delta = T/2). It
    leaves out that caps do not fill the sphere, which in many dimensions they are very far from doing; Levenshtein's
    bound, in the dimension rounded up, is then the smaller. The guaranteed number has centres within theta - phi, as
    images reach phi further. All are at least 1.
    Raises ValueError for thresholds outside (0, 180] or a negative intra-class angle.
    """
    thresholds = checked_thresholds(thresholds_degrees)
    if not (thresholds > 0).all() or not intra_class_degrees >= 0:
        raise ValueError(
            f"thresholds must be above 0 and the intra-class angle at least 0 degrees, found {thresholds.min():g} and "
            f"{intra_class_degrees:g}."
        )
    radius, dimension = population.radius_degrees, population.dimension
    separation = np.minimum(thresholds + 2 * intra_class_degrees, 180.0)
    centres = max(radius - intra_class_degrees, 0.0)
    whole = math.ceil(dimension - 1e-9)

    def logarithm(angle_degrees: ArrayLike) -> NDArray[np.float64]:
        return log_cap_area_fraction(np.minimum(angle_degrees, 180.0), dimension) / math.log(10)

    return CapacityEstimate(
        population=population,
        intra_class_degrees=intra_class_degrees,
        thresholds_degrees=thresholds,
        separation_degrees=separation,
        log10_guaranteed=np.maximum(logarithm(centres) - logarithm(separation), 0.0),
        log10_cap_ratio=np.maximum(logarithm(radius + thresholds / 2) - logarithm(separation / 2), 0.0),
        log10_levenshtein=np.array([math.log10(levenshtein_capacity(float(angle), whole)) for angle in separation]),
    )


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise ValueError(f"a share must be above 0 and at most 1, found {share}.")


def _angles_to_row(points: Tensor, direction: Tensor) -> NDArray[np.float64]:
    """Return the angle in degrees of every row to `direction` (d,), in float64."""
    unit = normalise(direction[None].double())
    blocks = row_blocks(len(points))
    return torch.cat([angle_degrees_between(points[rows], unit) for rows in blocks]).cpu().numpy()
