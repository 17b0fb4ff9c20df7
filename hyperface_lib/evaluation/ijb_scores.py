"""What pooled templates score: verification of the listed pairs (1:1) and identification in both galleries (1:N)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hyperface_lib.evaluation.identification import (
    Identification,
    OpenSetIdentification,
    identify,
    identify_open_set,
    mean_rate_at,
)
from hyperface_lib.evaluation.roc import RocCurve, roc_of_scores
from hyperface_lib.evaluation.templates import Templates
from hyperface_lib.formats import IjbMeta, TemplateSubjects

BLOCK = 1024
"""Pairs compared at a time: 4 MB of gathered rows with 512 dimensions."""
LOWEST = -1.0


@dataclass(frozen=True, eq=False)
class IjbVerification:
    """The curve over the template pairs, and how many of them have a template without a vector."""

    curve: RocCurve
    pairs: int
    unscored_pairs: int

    def rate_at(self, false_positive_rate: float) -> float:
        """Give the highest TPR whose FPR does not exceed the one asked for."""
        return self.curve.true_positive_rate_at(false_positive_rate)

    def rate_nearest(self, false_positive_rate: float) -> float:
        """Give the TPR at the FPR nearest to the one asked for: the reading of the published tables."""
        return self.curve.true_positive_rate_nearest(false_positive_rate)


@dataclass(frozen=True, eq=False)
class IjbIdentification:
    """Searches of the probes in each gallery by its name; merged: ranks with the galleries laid together."""

    searches: Mapping[str, OpenSetIdentification]
    merged: Identification

    def rank_rate(self, rank: int) -> float:
        """Average over the galleries the share of mated probes whose mate is among the best `rank`."""
        return float(np.mean([search.closed_set.rate_at(rank) for search in self.searches.values()]))

    def rate_at(self, false_positive_identification_rate: float, rank: int = 1) -> float:
        """Average TPIR at FPIR over the galleries, each with its own threshold."""
        return mean_rate_at(list(self.searches.values()), false_positive_identification_rate, rank)


def verify_templates(meta: IjbMeta, templates: Templates) -> IjbVerification:
    """Score the template pairs of a benchmark by cosine; `templates` are all of its, in the order of their ids.

    A pair with an empty template scores -1 and stays: a system that finds no face answers "not the same", and rates
    over fewer pairs would flatter the one that fails on the hard ones. Raises ValueError without pairs of both kinds.
    """
    scores = pair_cosines(templates.vectors, meta.pairs)
    unscored = templates.is_empty[meta.pairs].any(axis=1)
    scores[unscored] = LOWEST
    curve = roc_of_scores(scores[meta.is_same], scores[~meta.is_same])
    return IjbVerification(curve, len(scores), int(unscored.sum()))


def pair_cosines(vectors: npt.NDArray[np.float32], pairs: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Give the cosines (p,) of pairs (p, 2) of unit rows (t, d), some thousand at a time."""
    cosines = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK):
        rows = pairs[start : start + BLOCK]
        np.einsum("pd,pd->p", vectors[rows[:, 0]], vectors[rows[:, 1]], out=cosines[start : start + BLOCK])
    return np.clip(cosines, -1.0, 1.0, out=cosines)


def identify_templates(meta: IjbMeta, templates: Templates) -> IjbIdentification | None:
    """Search every probe template in each gallery; None where the benchmark has no 1:N lists.

    A probe whose subject is in the gallery is a mated search, every other one a non-mated search. A mated search fails
    where the probe or its gallery template is empty; a non-mated one of an empty probe gives no false positive. Raises
    ValueError for a gallery without searches of both kinds.
    """
    if meta.probes is None:
        return None
    searches = {name: _search(templates, meta.probes, gallery, name) for name, gallery in meta.galleries.items()}
    rows = np.concatenate([gallery.rows for gallery in meta.galleries.values()])
    subjects = np.concatenate([gallery.subjects for gallery in meta.galleries.values()])
    return IjbIdentification(searches, _ranks(templates, meta.probes, TemplateSubjects(rows, subjects)))


def _search(
    templates: Templates, probes: TemplateSubjects, gallery: TemplateSubjects, name: str
) -> OpenSetIdentification:
    mated, searched, present = _who_is_searched(templates, probes, gallery)
    for kind, chosen in (("with", mated), ("without", ~mated)):
        if not (chosen & searched).any():
            raise ValueError(f"Gallery {name} was expected to leave probes {kind} a mate in it, found none.")
    found = identify_open_set(
        templates.vectors[probes.rows[searched]],
        probes.subjects[searched],
        templates.vectors[gallery.rows[present]],
        gallery.subjects[present],
    )
    missed, silent = int((mated & ~searched).sum()), int((~mated & ~searched).sum())
    return OpenSetIdentification(
        mate_cosines=np.append(found.mate_cosines, np.full(missed, LOWEST, np.float32)),
        mate_ranks=np.append(found.mate_ranks, np.full(missed, len(gallery) + 1)),
        impostor_cosines=np.append(found.impostor_cosines, np.full(silent, LOWEST, np.float32)),
        gallery_size=len(gallery),
    )


def _ranks(templates: Templates, probes: TemplateSubjects, gallery: TemplateSubjects) -> Identification:
    mated, searched, present = _who_is_searched(templates, probes, gallery)
    chosen = mated & searched
    found = identify(
        templates.vectors[probes.rows[chosen]],
        probes.subjects[chosen],
        templates.vectors[gallery.rows[present]],
        gallery.subjects[present],
    )
    missed = np.full(int((mated & ~searched).sum()), len(gallery) + 1)
    return Identification(np.append(found.ranks, missed), len(gallery))


def _who_is_searched(
    templates: Templates, probes: TemplateSubjects, gallery: TemplateSubjects
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Say which probes have a mate, which of all can be searched, and which gallery entries have a vector."""
    present = ~templates.is_empty[gallery.rows]
    mated = np.isin(probes.subjects, gallery.subjects)
    findable = np.isin(probes.subjects, gallery.subjects[present])
    searched = ~templates.is_empty[probes.rows] & (findable | ~mated)
    return mated, searched, np.asarray(present)
