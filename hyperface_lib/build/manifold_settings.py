"""What the study of the manifold measures: galleries, ways to make points, and the plan.

A setting is one way to make n points on a gallery: where they may lie, from which start, under which alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyperface_lib.build.packed_identities import Setting as IdentitySetting
from hyperface_lib.sphere import best_known, effective_dimension, nearest_neighbours, pack, random_points
from hyperface_lib.sphere.whitening import Whitening, supported_directions

Vectors = NDArray[np.float32]

ALPHAS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
FEW_ALPHAS = (0.1, 0.5, 2.0)
# With two points to each gallery vector the pairs stand at the cosine alpha / 4 to it, and coincide from 4 on.
COLLAPSE_ALPHAS = (1.0, 2.0, 3.0, 3.5, 3.9, 4.2, 5.0, 20.0)


def embedding_like_gallery(
    size: int = 10_000,
    dimension: int = 512,
    decay: float = 100,
    clusters: int = 50,
    cluster_share: float = 0.17,
    seed: int = 0,
) -> Vectors:
    """Return unit rows (size, dimension) clustered as embeddings of many people are.

    Normalised Gaussians whose variance along axis k is proportional to exp(-k / decay), of which the share
    `cluster_share` lies between the centres of `clusters` equally likely loose clusters (people of one sex, ancestry
    and age resemble one another) and the rest within them. The defaults score as ArcFace does on LFW: one pair of
    different people in a thousand has a cosine above 0.28 (Deb, Zhang and Jain, "AdvFaces", 2020).
    """
    generator = np.random.default_rng(seed)
    within = np.sqrt(1 - cluster_share) * generator.standard_normal((size, dimension))
    centres = np.sqrt(cluster_share) * generator.standard_normal((clusters, dimension))
    rows = (within + centres[generator.integers(clusters, size=size)]) * np.exp(-np.arange(dimension) / (2 * decay))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def turned_towards(points: Vectors, gallery: Vectors, rounds: int = 10) -> Vectors:
    """Turn `points` (n, d) as a whole so that they come nearer to `gallery` (m, d): no angle between them changes.

    Each round is the orthogonal Procrustes problem (Schonemann 1966) of the points and their nearest gallery vectors;
    none lowers the mean cosine to the nearest.
    """
    turned = points.astype(np.float64)
    for _ in range(rounds):
        nearest = nearest_neighbours(turned, 1, gallery.astype(np.float64)).indices[:, 0]
        left, _, right = np.linalg.svd(turned.T @ gallery[nearest])
        turned = turned @ (left @ right)
    return turned.astype(np.float32)


@dataclass(frozen=True)
class Setting:
    """One row of the geometry: what is packed, where, from which start, under which alpha, and for how many steps.

    `space` is "whole", "subspace" (the `k` leading ones of the gallery) or "whitened" (the same, in whitened
    coordinates, alpha pulling towards the whitened gallery). With 0 steps the points are the start.
    """

    gallery: str
    n: int
    steps: int
    alpha: float
    start: str = "gallery"
    schedule: str = "constant"
    space: str = "whole"
    k: int | None = None
    seed: int = 0

    @property
    def key(self) -> str:
        """What tells the row from all others."""
        place = "whole space" if self.k is None else f"{self.space} {self.k}"
        return (
            f"{self.gallery}, n {self.n}, {place}, alpha {self.alpha:g} {self.schedule}, start {self.start}, "
            f"{self.steps} steps, seed {self.seed}"
        )

    def points(self, gallery: Vectors) -> Vectors:
        """Make the points of the setting on `gallery` (m, d): (n, d)."""
        if self.space == "whitened":
            assert self.k is not None
            whitening = Whitening.fit(gallery, self.k)
            return np.asarray(whitening.unwhiten(self._packed(np.asarray(whitening.whiten(gallery)), None)))
        return self._packed(gallery, self.k)

    def _packed(self, gallery: Vectors, subspace: int | None) -> Vectors:
        initial = STARTS[self.start](self.n, gallery, self.seed)
        if self.steps == 0:
            return np.asarray(initial, np.float32)
        found = pack(
            self.n,
            gallery=gallery,
            alpha=self.alpha,
            subspace=subspace,
            initial=initial,
            method="riemannian-adam",
            use_known_codes=False,
            seed=self.seed,
            max_steps=self.steps,
            alpha_schedule=self.schedule,
        )
        return np.asarray(found.points, np.float32)


def _closed_form(n: int, gallery: Vectors, seed: int) -> Vectors:
    """Return the best closed form, turned at random."""
    dimension = gallery.shape[1]
    code = best_known(n, dimension)
    if code is None:
        raise ValueError(f"no closed form of {n} points in {dimension} dimensions is known.")
    rotation = np.linalg.qr(np.asarray(random_points(dimension, dimension, seed, dtype=torch.float64))).Q
    return (code.points() @ rotation).astype(np.float32)


STARTS: dict[str, Callable[[int, Vectors, int], Any]] = {
    "gallery": lambda n, gallery, seed: "gallery",
    "random": lambda n, gallery, seed: "random",
    "closed form": _closed_form,
    "turned closed form": lambda n, gallery, seed: turned_towards(_closed_form(n, gallery, seed), gallery),
}


def geometry_settings(galleries: Mapping[str, Vectors]) -> Iterator[Setting]:
    """Give the settings of the geometry, small ones first."""
    yield from _two_hundred(galleries["shipped"])
    for start in ("gallery", "random"):
        yield from (Setting("first 100 shipped", 200, 500, alpha, start) for alpha in COLLAPSE_ALPHAS)
        yield from (Setting("shipped", 200, 500, alpha, start) for alpha in (20.0, 100.0))
    yield from _larger(Setting("shipped", 1000, 300, 0.5), galleries["shipped"])
    yield from _larger(Setting("embedding-like", 1000, 200, 0.5), galleries["embedding-like"])
    yield from _largest(Setting("embedding-like", 10_000, 60, 0.5), galleries["embedding-like"])


def _two_hundred(gallery: Vectors) -> Iterator[Setting]:
    """Give all questions at the size where an answer takes a second."""
    base = Setting("shipped", 200, 500, 0.0)
    for start in STARTS:
        yield from (replace(base, alpha=alpha, start=start) for alpha in ALPHAS)
        for seed in (1, 2):
            yield from (replace(base, alpha=alpha, start=start, seed=seed) for alpha in FEW_ALPHAS)
    for start in ("closed form", "turned closed form"):
        yield replace(base, start=start, steps=0)
    for schedule in ("falling", "rising"):
        yield from (replace(base, alpha=alpha, schedule=schedule) for alpha in FEW_ALPHAS)
    supported = supported_directions(gallery)
    others = sorted({effective_dimension(gallery).dimensions_for_90_percent, 10, 20, 30, 60})
    for space in ("subspace", "whitened"):
        for k in others:
            yield from (replace(base, alpha=alpha, space=space, k=k) for alpha in (0.0, 0.25))
        for alpha in (0.0, 0.05, 0.1, 0.25, 0.5, 1.0):
            yield replace(base, alpha=alpha, space=space, k=supported)
    for start in STARTS:
        yield from (replace(base, steps=2000, alpha=alpha, start=start) for alpha in FEW_ALPHAS)


def _larger(base: Setting, gallery: Vectors) -> Iterator[Setting]:
    """Give the questions at a thousand points."""
    yield from (replace(base, alpha=alpha) for alpha in ALPHAS)
    k = supported_directions(gallery)
    for space in ("subspace", "whitened"):
        yield from (replace(base, alpha=alpha, space=space, k=k) for alpha in (0.0, 0.25))
    yield from (replace(base, start=start) for start in ("random", "closed form", "turned closed form"))
    yield from (replace(base, alpha=0.0, start=start, steps=0) for start in ("closed form", "turned closed form"))
    yield from (replace(base, schedule=schedule) for schedule in ("falling", "rising"))


def _largest(base: Setting, gallery: Vectors) -> Iterator[Setting]:
    """Give the few settings affordable at ten thousand points, those that answer most first."""
    k = supported_directions(gallery)
    yield from (replace(base, alpha=0.0, start=start, steps=0) for start in ("closed form", "turned closed form"))
    yield base
    yield replace(base, alpha=0.0, space="subspace", k=k)
    yield from (replace(base, alpha=alpha) for alpha in (0.1, 2.0))
    yield replace(base, alpha=0.0, space="whitened", k=k)
    yield replace(base, start="turned closed form")
    yield replace(base, start="random")
    yield from (replace(base, schedule=schedule) for schedule in ("falling", "rising"))


def identity_settings(gallery: Vectors, n: int) -> Iterator[IdentitySetting]:
    """Give the rows that data/results/packed_identities.json lacks: whitened, both together, other starts, seeds."""
    base = Setting("shipped", n, 1000, 0.0)
    k = supported_directions(gallery)
    chosen = [replace(base, space="whitened", k=k), replace(base, space="subspace", k=k)]
    chosen += [replace(base, space="whitened", k=20), replace(base, space="subspace", k=30, alpha=0.25)]
    chosen += [replace(base, start="turned closed form", steps=0)]
    chosen += [replace(base, alpha=0.5, seed=1), replace(base, space="subspace", k=30, seed=1)]
    chosen += [replace(base, space="whitened", k=k, alpha=0.25), replace(base, space="whitened", k=60)]
    chosen += [replace(base, alpha=0.5, start="random"), replace(base, alpha=0.5, schedule="rising")]
    for setting in chosen:
        place = [] if setting.k is None else [f"{setting.space} {setting.k}"]
        pull = [f"alpha {setting.alpha:g}"] if setting.alpha or setting.k is None else []
        start = [] if setting.start == "gallery" else [f"start {setting.start}"]
        schedule = [] if setting.schedule == "constant" else [setting.schedule]
        yield IdentitySetting(", ".join(place + pull + schedule + start), _made(setting, gallery), setting.seed)


def _made(setting: Setting, gallery: Vectors) -> Callable[[], Vectors]:
    return lambda: setting.points(gallery)
