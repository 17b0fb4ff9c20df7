"""Clean a training set by sub-centres: keep the dominant one of each class, drop what lies far from it.

Sub-center ArcFace (Deng et al., ECCV 2020; arXiv 1801.07698v4, L7) gives each class K centres and lets a sample use the
nearest: theta_j = arccos(max_k W_jk . x). Clean samples gather on one of them. Afterwards that one is kept (K -> 1),
samples further from it than a threshold are dropped, and a new network is trained on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from hyperface_lib.embedding.networks import NetworkEmbedder
from hyperface_lib.losses import ArcFaceHead, unit_rows

EASY_CLEAN, HARD_CLEAN, HARD_NOISY, EASY_NOISY = "easy clean", "hard clean", "hard noisy", "easy noisy"
SAMPLE_KINDS = (EASY_CLEAN, HARD_CLEAN, HARD_NOISY, EASY_NOISY)
"""Easy is what the angle gets right: clean samples near their centre, noisy ones far from it."""


@torch.no_grad()
def sub_center_angles(features: Tensor, weight: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Measure the angles in degrees of features (n, d) to the sub-centres of their own class: (n, K).

    weight: (classes, K, d), or (classes, d) for a head with one centre a class. Raises ValueError for other shapes and
    for labels (n,) without a centre.
    """
    centers = weight.detach().double()
    if centers.ndim == 2:
        centers = centers[:, None]
    if centers.ndim != 3 or features.ndim != 2 or features.shape[1] != centers.shape[2]:
        raise ValueError(
            f"features (n, d) and sub-centres (classes, K, d) must share d, found {tuple(features.shape)} and "
            f"{tuple(weight.shape)}"
        )
    if labels.shape != features.shape[:1] or (
        len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(centers)
    ):
        raise ValueError(f"labels must be ({len(features)},) numbers in 0 .. {len(centers) - 1}")
    own = unit_rows(centers)[labels.long()]
    cosines = torch.einsum("nd,nkd->nk", unit_rows(features.double()), own)
    return np.degrees(np.arccos(cosines.clamp(-1, 1).cpu().numpy()))


def measure_sub_center_angles(
    backbone: nn.Module,
    head: nn.Module,
    images: NDArray[np.uint8],
    labels: ArrayLike,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> NDArray[np.float64]:
    """Embed uint8 images (n, size, size, 3) and return their `sub_center_angles` (n, K) to the centres of `head`.

    The backbone is left in evaluation mode; images are taken as they are, without mirror or augmentation.
    """
    embedder = NetworkEmbedder(backbone, "cleaning", flip=False, device=device)
    features = torch.from_numpy(embedder.embed_raw(images, progress=progress))
    weight: Tensor = head.weight  # type: ignore[assignment]
    return sub_center_angles(features, weight.cpu(), torch.from_numpy(np.asarray(labels, np.int64)))


def dominant_sub_centers(angles_degrees: ArrayLike, labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Return the sub-centre of each class that is nearest to most of its samples: (classes,).

    angles_degrees: (n, K) to the sub-centres of the own class. A tie goes to the sub-centre whose samples are nearer to
    it on the average, a class without samples to its first. Raises ValueError if the shapes disagree.
    """
    angles, numbers = np.asarray(angles_degrees, np.float64), np.asarray(labels, np.int64)
    if angles.ndim != 2 or numbers.shape != angles.shape[:1]:
        raise ValueError(f"angles (n, K) need labels (n,), found {angles.shape} and {numbers.shape}")
    nearest = angles.argmin(axis=1)
    shape = (classes, angles.shape[1])
    counts, sums = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (numbers, nearest), 1)
    np.add.at(sums, (numbers, nearest), angles.min(axis=1))
    means = sums / np.maximum(counts, 1)
    # A mean angle is at most 180 degrees: it decides between equal counts only.
    return np.argmax(counts - means / 360, axis=1)


def dominant_angles(angles_degrees: ArrayLike, labels: ArrayLike, dominant: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each sample's angle in degrees to the dominant sub-centre of its class: (n,) of (n, K)."""
    angles, numbers = np.asarray(angles_degrees, np.float64), np.asarray(labels, np.int64)
    return angles[np.arange(len(angles)), dominant[numbers]]


def drop_sub_centers(head: nn.Module, dominant: NDArray[np.integer]) -> ArcFaceHead:
    """Return an ArcFace head of the same scale and margin that has the dominant sub-centres (K -> 1) as its centres.

    dominant: (classes,). Raises ValueError if that is not one sub-centre for each class of `head`.
    """
    weight: Tensor = head.weight.detach()  # type: ignore[operator]
    chosen = torch.from_numpy(np.asarray(dominant, np.int64)).to(weight.device)
    if weight.ndim != 3 or chosen.shape != weight.shape[:1] or int(chosen.min()) < 0 or chosen.max() >= weight.shape[1]:
        raise ValueError(
            f"one sub-centre for each class is needed of a head with weights (classes, K, d), found "
            f"{tuple(chosen.shape)} for {tuple(weight.shape)}"
        )
    single = ArcFaceHead(
        dimension=weight.shape[2],
        classes=weight.shape[0],
        scale=float(head.scale),  # type: ignore[arg-type]
        margin_radians=float(head.margin_radians),  # type: ignore[arg-type]
    ).to(device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        single.weight.copy_(weight[torch.arange(len(chosen), device=weight.device), chosen])
    return single


@dataclass(frozen=True)
class CleaningReport:
    """What cleaning did. Noise and clean shares are None where the truth is unknown.

    noise_before, noise_after: the share of wrong samples; clean_kept: the share of the right ones that stay.
    """

    threshold_degrees: float
    samples: int
    kept: int
    identities: int
    identities_dropped: int
    noise_before: float | None = None
    noise_after: float | None = None
    clean_kept: float | None = None

    @property
    def dropped(self) -> int:
        """The number of samples dropped."""
        return self.samples - self.kept


@dataclass(frozen=True, eq=False)
class CleanedLabels:
    """The samples that stay: their rows (m,) in the set before, and their labels (m,), renumbered from 0."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]
    """The old label of each new one."""
    report: CleaningReport


def clean_labels(
    angles_degrees: ArrayLike, labels: ArrayLike, threshold_degrees: float = 75.0, is_clean: ArrayLike | None = None
) -> CleanedLabels:
    """Drop the samples whose angle (n,) to their dominant centre exceeds the threshold.

    Identities left without samples are dropped and the others renumbered. is_clean: (n,) the truth, where it is known,
    for the report. Raises ValueError if the lengths differ or nothing is left.
    """
    angles, numbers = np.asarray(angles_degrees, np.float64), np.asarray(labels, np.int64)
    if angles.ndim != 1 or numbers.shape != angles.shape:
        raise ValueError(f"cleaning needs one angle for each label, found {angles.shape} and {numbers.shape}")
    rows = np.flatnonzero(angles <= threshold_degrees)
    if not len(rows):
        raise ValueError(
            f"no sample lies within {threshold_degrees} degrees of its centre, the nearest at {angles.min():.1f}"
        )
    before = np.unique(numbers)
    identities, renumbered = np.unique(numbers[rows], return_inverse=True)
    noise_before = noise_after = clean_kept = None
    if is_clean is not None:
        clean = np.asarray(is_clean, bool)
        if clean.shape != numbers.shape:
            raise ValueError(f"the truth must be ({len(numbers)},) to match the labels, found {clean.shape}")
        noise_before, noise_after = float(1 - clean.mean()), float(1 - clean[rows].mean())
        clean_kept = float(clean[rows].sum() / max(1, clean.sum()))
    report = CleaningReport(
        float(threshold_degrees),
        len(numbers),
        len(rows),
        len(before),
        len(before) - len(identities),
        noise_before,
        noise_after,
        clean_kept,
    )
    return CleanedLabels(rows, renumbered, identities, report)


def sample_kinds(angles_degrees: ArrayLike, is_clean: ArrayLike, threshold_degrees: float = 75.0) -> Sequence[str]:
    """Name the kind of each sample, one of `SAMPLE_KINDS`: whether it is clean, and whether its angle says so."""
    near = np.asarray(angles_degrees) <= threshold_degrees
    clean = np.asarray(is_clean, bool)
    names = np.where(clean, np.where(near, EASY_CLEAN, HARD_CLEAN), np.where(near, HARD_NOISY, EASY_NOISY))
    return [str(name) for name in names]


def valley_degrees(angles_degrees: ArrayLike, bin_degrees: float = 1.0) -> float:
    """Return the threshold that parts angles (n,) in degrees into two groups, without knowing the truth.

    The one that leaves the least variance within the groups (Otsu 1979), between bins of `bin_degrees`. Raises
    ValueError if all angles lie in one bin.
    """
    angles = np.asarray(angles_degrees, np.float64)
    counts, edges = np.histogram(angles, np.arange(0, 180 + bin_degrees, bin_degrees))
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    inside = (below > 0) & (above > 0)
    if not inside.any():
        raise ValueError("angles that all lie in one bin have no valley between them")
    sums = np.cumsum(counts * middle)
    low, high = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = np.where(inside, below * above * np.square(high - low), -1.0)
    # Where nothing lies between the groups many thresholds are equal: the middle of them.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return float(edges[1:-1][best].mean())
