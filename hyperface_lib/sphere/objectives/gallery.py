"""The second term of the paper's Eq. 2: stay where the gallery is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hyperface_lib.sphere.geometry import nearest_of
from hyperface_lib.sphere.objectives.base import Evaluation, Objective
from hyperface_lib.sphere.traversal import LocalPairs, PairTraversal


class GalleryTerm:
    """Mean distance to the nearest gallery vector, (1/n) sum_i min_g (1 - <x_i, g>) (HyperFace, Eq. 2).

    The nearest vectors are sought in tiles, at every `refresh_every`-th evaluation; in between the last found are kept,
    which bounds the term from above. Gallery rows may be shorter than 1 (a gallery projected into a subspace is).
    """

    def __init__(self, gallery: Tensor, refresh_every: int = 1) -> None:
        self.gallery = gallery
        self.refresh_every = refresh_every
        self.pairs: PairTraversal = LocalPairs()
        self._evaluations = 0
        self._nearest: Tensor | None = None

    def forget(self) -> None:
        """Drop the nearest vectors found earlier."""
        self._evaluations = 0
        self._nearest = None

    def forget_rows(self) -> None:
        """Drop the nearest vectors, which are those of the rows evaluated last: the next ones are other points."""
        self._nearest = None

    def state(self) -> dict[str, Tensor]:
        """Return the number of evaluations, and the nearest vectors of the last one."""
        kept = {"evaluations": torch.tensor(self._evaluations)}
        return kept if self._nearest is None else {**kept, "nearest": self._nearest.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        self._evaluations = int(state["evaluations"])
        self._nearest = state["nearest"].clone() if "nearest" in state else None

    def value_and_gradient(self, points: Tensor) -> tuple[float, Tensor]:
        """Return the term and its gradient (n, d) at `points`, unit rows (n, d)."""
        stale = self._nearest is None or len(self._nearest) != len(points)
        if stale or self._evaluations % self.refresh_every == 0:
            self._nearest, _ = nearest_of(points, self.gallery)
        self._evaluations += 1
        assert self._nearest is not None
        nearest = self.gallery[self._nearest]
        count = self.pairs.count(points)
        products = self.pairs.total((points * nearest).sum())
        return float(1 - products / count), nearest / -count


class WithGallery:
    """An objective plus alpha times the gallery term: Eq. 2 when the objective is minus the smallest distance.

    `alpha` may be changed between steps. After an evaluation `gallery_distance` holds the term itself.
    """

    def __init__(self, objective: Objective, term: GalleryTerm, alpha: float) -> None:
        self.objective = objective
        self.term = term
        self.alpha = alpha
        self.gallery_distance: float | None = None
        self.name = objective.name

    @property
    def pairs(self) -> PairTraversal:
        """How both terms see all points."""
        return self.objective.pairs

    @pairs.setter
    def pairs(self, pairs: PairTraversal) -> None:
        self.objective.pairs = self.term.pairs = pairs

    @property
    def matmul_dtype(self) -> torch.dtype | None:
        """The precision of the pairwise products; the gallery search follows the points."""
        return self.objective.matmul_dtype

    @matmul_dtype.setter
    def matmul_dtype(self, dtype: torch.dtype | None) -> None:
        self.objective.matmul_dtype = dtype

    def forget(self) -> None:
        """Drop what both terms kept of earlier evaluations."""
        self.objective.forget()
        self.term.forget()

    def forget_rows(self) -> None:
        """Drop what both terms kept of single rows."""
        self.objective.forget_rows()
        self.term.forget_rows()

    def state(self) -> dict[str, Tensor]:
        """Return what both terms kept of earlier evaluations; alpha is a setting and not part of it."""
        return {
            **{f"pairs.{name}": kept for name, kept in self.objective.state().items()},
            **{f"gallery.{name}": kept for name, kept in self.term.state().items()},
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the `state` of another."""
        for prefix, part in (("pairs.", self.objective), ("gallery.", self.term)):
            part.restore({name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)})

    def value_and_gradient(self, points: Tensor) -> Evaluation:
        """Return value, gradient and largest cosine at `points`, unit rows (n, d)."""
        base = self.objective.value_and_gradient(points)
        distance, gradient = self.term.value_and_gradient(points)
        self.gallery_distance = distance
        return Evaluation(base.value + self.alpha * distance, base.gradient + self.alpha * gradient, base.max_cosine)
