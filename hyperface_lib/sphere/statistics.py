"""Numbers that say how evenly points are spread, each beside what uniform random points would give.

A packing is *more* uniform than random: no two of its points are close, which chance does not see to. Without the value
for random points a reader cannot tell a good number from an ordinary one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperface_lib.sphere.arrays import Array, as_unit_tensor
from hyperface_lib.sphere.blocks import pair_blocks, row_blocks
from hyperface_lib.sphere.bounds import levenshtein_bound_degrees
from hyperface_lib.sphere.caps import (
    Measured,
    expected_nearest_angle_degrees,
    expected_nearest_cosine,
    nearest_angle_density,
    nearest_angle_mean,
    nearest_angle_quantile,
    uniform_gaussian_potential,
    uniform_participation_ratio,
    uniform_riesz_energy,
)
from hyperface_lib.sphere.closeness import QUANTILES, GalleryStatistics, gallery_statistics
from hyperface_lib.sphere.geometry import angle_degrees_between, nearest_of
from hyperface_lib.sphere.slices import (
    UNIFORM_CIRCLE_DISCREPANCY,
    UNIFORM_LINE_DISCREPANCY,
    circle_discrepancy,
    line_discrepancy,
)
from hyperface_lib.sphere.subspace import participation_ratio

_BINS = 60


@dataclass(frozen=True)
class AngleHistogram:
    """Densities per degree over equal bins: of the points, and of uniform points at the bins' centres."""

    edges_degrees: NDArray[np.float64]
    density: NDArray[np.float64]
    uniform_density: NDArray[np.float64]


@dataclass(frozen=True)
class PackingStatistics:
    """How evenly `n` points are spread on the sphere in `dimension` dimensions.

    Every `Measured` is a value beside the mean of the same for n independent uniform points. That mean is exact, but
    for the smallest angle (pairs are pairwise independent, and taken for independent), and for uniformity, effective
    dimension and vector length (a logarithm, a ratio and a root of exact means).
    """

    n: int
    dimension: int
    bound_degrees: float
    min_angle_degrees: Measured
    fraction_of_bound: Measured
    mean_nearest_degrees: Measured
    nearest_quantiles_degrees: dict[float, Measured]
    nearest_histogram: AngleHistogram
    mean_row_maximum: Measured
    koleo: Measured
    uniformity: Measured
    mmd_squared: Measured
    riesz_energy: Measured
    riesz_exponent: float
    line_discrepancy: Measured
    circle_discrepancy: Measured
    effective_dimension: Measured
    mean_vector_length: Measured
    gallery: GalleryStatistics | None = None

    def beside_uniform(self) -> dict[str, Measured]:
        """Return every measure by its name, for a table of two columns."""
        measures = {
            "smallest angle (degrees)": self.min_angle_degrees,
            "fraction of the bound": self.fraction_of_bound,
            "mean nearest angle (degrees)": self.mean_nearest_degrees,
            "mean row maximum": self.mean_row_maximum,
            "KoLeo": self.koleo,
            "uniformity": self.uniformity,
            "MMD squared": self.mmd_squared,
            f"Riesz energy ({self.riesz_exponent:g})": self.riesz_energy,
            "line discrepancy": self.line_discrepancy,
            "circle discrepancy": self.circle_discrepancy,
            "effective dimension": self.effective_dimension,
            "mean vector length": self.mean_vector_length,
        }
        if self.gallery is not None:
            measures["mean cosine to the gallery"] = self.gallery.mean_cosine
            measures["points sharing a gallery vector"] = self.gallery.sharing
        return measures

    def as_row(self) -> dict[str, float]:
        """Return one flat row for a table: sizes, the bound, and each measure followed by its uniform value."""
        row: dict[str, float] = {"n": self.n, "dimension": self.dimension, "bound (degrees)": self.bound_degrees}
        for name, measure in self.beside_uniform().items():
            row[name], row[f"{name}, uniform"] = measure
        if self.gallery is not None:
            row["gallery"], row["collapsed points"] = self.gallery.size, self.gallery.collapsed
        return row


def packing_statistics(
    points: Array,
    gallery: Array | None = None,
    t: float = 2.0,
    riesz_exponent: float = 1.0,
    collapse_degrees: float = 10.0,
    slices: int = 64,
) -> PackingStatistics:
    """Measure how evenly `points` (n, d) are spread, and how they lie to `gallery` (m, d), in O(n d + block^2) memory.

    Uniformity: log mean exp(-t |x - y|^2) over pairs (Wang and Isola 2020). MMD squared: the distance to the uniform
    distribution in that kernel, its mean over all pairs, a point with itself included, minus its closed-form mean
    under uniform (Tokarchuk et al. 2025 motivate dispersion by it). Riesz energy: mean of |x - y|^-s over pairs.
    KoLeo: mean log distance to the nearest other point (Sablayrolles et al. 2019; more is better here). Discrepancies
    along `slices` random lines and circles: see `line_discrepancy` and `circle_discrepancy`. Chords below the square
    root of the precision's epsilon count as that in the energy; duplicates make KoLeo minus infinity.
    Raises ValueError for fewer than 2 points, all points equal, non-unit rows, a gallery of another dimension, or
    parameters that are not positive.
    """
    tensor = as_unit_tensor(points)
    n, dimension = tensor.shape
    for name, value in (("t", t), ("riesz_exponent", riesz_exponent), ("collapse_degrees", collapse_degrees)):
        if not value > 0:
            raise ValueError(f"{name} must be positive, found {value}.")
    if n < 2:
        raise ValueError(f"statistics need at least 2 points, found {n}.")
    others = None if gallery is None else as_unit_tensor(gallery, "gallery", dimension).to(tensor)
    effective = participation_ratio(tensor)
    sums = _sum_pairs(tensor, t, riesz_exponent)
    nearest = _angles_to(tensor, tensor, sums.nearest)
    bound = levenshtein_bound_degrees(n, dimension)
    pairs = n * (n - 1) / 2
    smallest = Measured(float(nearest.min()), nearest_angle_mean(lambda angles: angles, pairs, dimension))
    potential = uniform_gaussian_potential(t, dimension)
    with np.errstate(divide="ignore"):
        koleo = float(_log_chord(nearest).mean())
    return PackingStatistics(
        n=n,
        dimension=dimension,
        bound_degrees=bound,
        min_angle_degrees=smallest,
        fraction_of_bound=Measured(smallest.value / bound, smallest.uniform / bound),
        mean_nearest_degrees=Measured(float(nearest.mean()), expected_nearest_angle_degrees(n, dimension)),
        nearest_quantiles_degrees={
            share: Measured(float(np.quantile(nearest, share)), float(nearest_angle_quantile(share, n - 1, dimension)))
            for share in QUANTILES
        },
        nearest_histogram=_nearest_histogram(nearest, dimension),
        mean_row_maximum=Measured(float(np.cos(np.radians(nearest)).mean()), expected_nearest_cosine(n - 1, dimension)),
        koleo=Measured(koleo, nearest_angle_mean(_log_chord, n - 1, dimension)),
        uniformity=Measured(math.log(sums.gaussian / pairs), math.log(potential)),
        mmd_squared=Measured((2 * sums.gaussian + n) / n**2 - potential, (1 - potential) / n),
        riesz_energy=Measured(sums.riesz / pairs, uniform_riesz_energy(riesz_exponent, dimension)),
        riesz_exponent=riesz_exponent,
        line_discrepancy=Measured(line_discrepancy(tensor, slices), UNIFORM_LINE_DISCREPANCY),
        circle_discrepancy=Measured(circle_discrepancy(tensor, slices), UNIFORM_CIRCLE_DISCREPANCY),
        effective_dimension=Measured(effective, uniform_participation_ratio(n, dimension)),
        mean_vector_length=Measured(float(tensor.mean(dim=0, dtype=_wide(tensor)).norm()), 1 / math.sqrt(n)),
        gallery=None if others is None else gallery_statistics(tensor, others, collapse_degrees),
    )


def uniformity(points: Array, t: float = 2.0) -> float:
    """Return log mean_{i<j} exp(-t |x_i - x_j|^2) of `points` (n, d): lower is more uniform.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity", 2020.
    Raises ValueError for fewer than 2 points or non-unit rows.
    """
    tensor = as_unit_tensor(points)
    n = len(tensor)
    if n < 2:
        raise ValueError(f"uniformity needs at least 2 points, found {n}.")
    total = 0.0
    for rows, columns, cosines in pair_blocks(tensor):
        total += _gaussian_sum(cosines, t) / (2 if rows == columns else 1)
    return math.log(total / (n * (n - 1) / 2))


def mean_nearest_cosine(points: Tensor, gallery: Tensor) -> float:
    """Return the mean over unit rows of the largest inner product with a row of `gallery`."""
    return float(nearest_of(points, gallery)[1].mean())


class _PairTotals(NamedTuple):
    """Sums over pairs i < j of the two kernels, and the nearest other row of every row (n,)."""

    gaussian: float
    riesz: float
    nearest: Tensor


def _sum_pairs(points: Tensor, t: float, exponent: float) -> _PairTotals:
    """Everything that needs all pairs, in one traversal."""
    gaussian = riesz = 0.0
    largest = torch.full((len(points),), -torch.inf, dtype=points.dtype, device=points.device)
    nearest = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    least = torch.finfo(points.dtype).eps
    for rows, columns, cosines in pair_blocks(points):
        for mine, other, block in ((rows, columns, cosines), (columns, rows, cosines.T)):
            best, where = block.max(dim=1)
            better = best > largest[mine]
            nearest[mine] = torch.where(better, where + other.start, nearest[mine])
            largest[mine] = torch.where(better, best, largest[mine])
        share = 0.5 if rows == columns else 1.0
        # On the diagonal the squared distance is infinite, and both kernels 0.
        squares = (1 - cosines.to(_wide(points))).mul_(2).clamp_(min=least)
        riesz += share * float(squares.pow_(-exponent / 2).sum())
        gaussian += share * _gaussian_sum(cosines, t)
    return _PairTotals(gaussian, riesz, nearest)


def _gaussian_sum(cosines: Tensor, t: float) -> float:
    """Sum exp(-t |x - y|^2), |x - y|^2 = 2 - 2 cos: every term is in [exp(-4 t), 1], so none overflows."""
    return float(torch.exp((cosines - 1).mul_(2 * t)).sum(dtype=_wide(cosines)))


def _angles_to(points: Tensor, others: Tensor, indices: Tensor) -> NDArray[np.float64]:
    """Return the angle in degrees between every row and the row of `others` at its index, in float64."""
    points, others, indices = points.cpu(), others.cpu(), indices.cpu()
    blocks = row_blocks(len(points))
    return torch.cat([angle_degrees_between(points[rows], others[indices[rows]]) for rows in blocks]).numpy()


def _log_chord(angles_degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(2 * np.sin(np.radians(angles_degrees) / 2))


def _nearest_histogram(angles_degrees: NDArray[np.float64], dimension: int) -> AngleHistogram:
    """Count angles over a range that holds them and all but 1 in 1000 of uniform points' on either side."""
    others = len(angles_degrees) - 1
    ends = nearest_angle_quantile([0.001, 0.999], others, dimension)
    edges = np.linspace(min(angles_degrees.min(), ends[0]), max(angles_degrees.max(), ends[1]), _BINS + 1)
    density, _ = np.histogram(angles_degrees, edges, density=True)
    return AngleHistogram(edges, density, nearest_angle_density((edges[:-1] + edges[1:]) / 2, others, dimension))


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64
