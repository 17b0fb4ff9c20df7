"""Identification: who of the gallery is the probe, among distractors, and is the probe in the gallery at all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hyperface_lib.evaluation.gallery_search import (
    BLOCK,
    CountAtLeast,
    HighestScores,
    OwnEntries,
    RowMaximum,
    scan,
    unit_rows,
)
from hyperface_lib.evaluation.roc import is_measured


@dataclass(frozen=True, eq=False)
class Identification:
    """ranks: (n,) the place of the right person for every probe, 1 is best; gallery_size counts the distractors too."""

    ranks: npt.NDArray[np.int64]
    gallery_size: int

    @property
    def rank1(self) -> float:
        """The share of probes whose best match is right."""
        return self.rate_at(1)

    def rate_at(self, rank: int) -> float:
        """Give the share of probes whose right person is among the best `rank` entries."""
        return float((self.ranks <= rank).mean())

    def cumulative_match(self, ranks: int = 20) -> npt.NDArray[np.float64]:
        """Give the cumulative match characteristic: (ranks,) the rates at ranks 1, 2, ... up to `ranks`."""
        places = np.bincount(np.minimum(self.ranks, ranks + 1), minlength=ranks + 2)[1 : ranks + 1]
        return np.cumsum(places) / len(self.ranks)


@dataclass(frozen=True, eq=False)
class OpenSetIdentification:
    """What searches gave when not every probe's person is in the gallery.

    mate_cosines, mate_ranks: (m,) of each probe with a mate, its best entry's cosine and that entry's place.
    impostor_cosines: (k,) the best match of each search that had no mate to find.
    """

    mate_cosines: npt.NDArray[np.float32]
    mate_ranks: npt.NDArray[np.int64]
    impostor_cosines: npt.NDArray[np.float32]
    gallery_size: int

    @property
    def closed_set(self) -> Identification:
        """The ranks of the probes that have a mate."""
        return Identification(self.mate_ranks, self.gallery_size)

    def threshold_at(self, false_positive_identification_rate: float) -> float:
        """Give the cosine that a best match must exceed so that the rate of false positives is not above the one given.

        Below one false positive in the searches at hand it is the highest of them; -inf where all may be accepted.
        """
        searches = len(self.impostor_cosines)
        allowed = int(false_positive_identification_rate * (1 + 1e-12) * searches)
        if allowed >= searches:
            return -np.inf
        place = searches - 1 - allowed
        return float(np.partition(self.impostor_cosines, place)[place])

    def measures(self, false_positive_identification_rate: float) -> bool:
        """Tell whether a rate stands for one false positive or more in the searches that had no mate to find."""
        return is_measured(false_positive_identification_rate, len(self.impostor_cosines))

    def rate_at(self, false_positive_identification_rate: float, rank: int = 1) -> float:
        """Give TPIR at FPIR: the share of mated searches that find their mate, in the best `rank`, over the threshold.

        A mate over the threshold behind another person is no success; this is 1 - FNIR(N, R, T) of NIST.
        """
        found = (self.mate_cosines > self.threshold_at(false_positive_identification_rate)) & (self.mate_ranks <= rank)
        return float(found.mean())


@dataclass(frozen=True, eq=False)
class DistractorSearch:
    """Identification and verification against distractors alone, as MegaFace and Trillion Pairs report them.

    identification: ranks of the probes, distractors in the gallery; impostor searches are those of the same probes
    among the distractors alone. highest_impostors: falling, the cosines of the most similar pairs of a probe and a
    distractor, of `impostor_pairs` in all.
    """

    identification: OpenSetIdentification
    highest_impostors: npt.NDArray[np.float32]
    impostor_pairs: int

    def measures(self, false_accept_rate: float) -> bool:
        """Tell whether a rate stands for one false accept or more among the pairs of a probe and a distractor."""
        return is_measured(false_accept_rate, self.impostor_pairs)

    def true_accept_rate_at(self, false_accept_rate: float) -> float:
        """Give the share of probes that meet their own person at a false accept rate over all probe-distractor pairs.

        Raises ValueError for a rate beyond the pairs that were kept.
        """
        allowed = int(false_accept_rate * (1 + 1e-12) * self.impostor_pairs)
        if allowed >= len(self.highest_impostors):
            kept = max(len(self.highest_impostors) - 1, 0) / self.impostor_pairs
            raise ValueError(f"The highest false accept rate kept is {kept:.3g}, asked for {false_accept_rate:g}.")
        return float((self.identification.mate_cosines > self.highest_impostors[allowed]).mean())


def identify(
    probes: npt.ArrayLike,
    probe_ids: npt.ArrayLike,
    gallery: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    distractors: npt.ArrayLike | None = None,
    chunk: int = BLOCK,
    progress: bool = False,
) -> Identification:
    """Rank a gallery for every probe by cosine, as MegaFace does with its million distractors.

    probes: (n, d), gallery: (m, d), distractors: (k, d) unit rows, in memory or mapped from a file; a row that shows a
    probe itself must not be in the gallery. The rank of a probe is one more than the number of entries of other people
    and of distractors at least as similar as its own best entry: a tie (within 1e-6) counts against it. Beyond the
    vectors memory is chunk x (chunk + d) x 4 bytes (`gallery_search.scan`). Raises ValueError when a probe's person is
    not in the gallery, and for vectors that are not unit rows of one dimension.
    """
    search = _Search(probes, probe_ids, gallery, gallery_ids)
    search.require_mates()
    count = CountAtLeast(search.own_cosines)
    scan(search.probes, search.gallery, [count], search.own, "gallery", chunk, progress)
    strangers = _rows_of(distractors, search.probes.shape[1])
    scan(search.probes, strangers, [count], None, "distractors", chunk, progress)
    return Identification(1 + count.counts, len(search.gallery) + len(strangers))


def identify_open_set(
    probes: npt.ArrayLike,
    probe_ids: npt.ArrayLike,
    gallery: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    distractors: npt.ArrayLike | None = None,
    chunk: int = BLOCK,
    progress: bool = False,
) -> OpenSetIdentification:
    """Search a gallery for probes of which some have no mate in it; arguments, ties and memory as for `identify`.

    A probe whose identity is in the gallery is a mated search, every other one a non-mated search whose best match is
    a false positive where it exceeds the threshold. Raises ValueError without searches of both kinds. Source: NIST's
    FRVT part 2 (IR 8271), FNIR(N, R, T) and FPIR(N, T); with the two galleries of IJB-B and IJB-C see `mean_rate_at`.
    """
    search = _Search(probes, probe_ids, gallery, gallery_ids)
    mated = search.own.mated
    if mated.all() or not mated.any():
        raise ValueError(
            f"Open-set identification needs probes with and without a mate in the gallery, found {int(mated.sum())} "
            f"with one of {len(mated)}."
        )
    count, best = CountAtLeast(search.own_cosines), RowMaximum(len(mated))
    scan(search.probes, search.gallery, [count, best], search.own, "gallery", chunk, progress)
    strangers = _rows_of(distractors, search.probes.shape[1])
    scan(search.probes, strangers, [count, best], None, "distractors", chunk, progress)
    return OpenSetIdentification(
        mate_cosines=search.own_cosines.numpy()[mated],
        mate_ranks=1 + count.counts[mated],
        impostor_cosines=best.cosines.numpy()[~mated],
        gallery_size=len(search.gallery) + len(strangers),
    )


def search_distractors(
    probes: npt.ArrayLike,
    probe_ids: npt.ArrayLike,
    gallery: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    distractors: npt.ArrayLike,
    highest_false_accept_rate: float = 1e-5,
    chunk: int = BLOCK,
    progress: bool = False,
) -> DistractorSearch:
    """Search distractors for every probe and keep ranks, best matches and the highest impostor cosines.

    Arguments and errors as for `identify`. Of the n x k pairs of a probe and a distractor the share
    `highest_false_accept_rate` is kept, in 8 bytes a pair. Source: MegaFace (Kemelmacher-Shlizerman et al., CVPR 2016:
    rank-1 with 1M distractors, TAR at FAR 1e-6) and Trillion Pairs (TPR at FPIR 1e-3, TAR at FAR 1e-9), with two
    differences: all probes share one gallery, and a probe's impostor pairs are those with distractors alone.
    """
    search = _Search(probes, probe_ids, gallery, gallery_ids)
    search.require_mates()
    strangers = _rows_of(distractors, search.probes.shape[1])
    if not len(strangers):
        raise ValueError("There are no distractors to search.")
    pairs = len(search.probes) * len(strangers)
    count, best = CountAtLeast(search.own_cosines), RowMaximum(len(search.probes))
    highest = HighestScores(int(highest_false_accept_rate * (1 + 1e-12) * pairs) + 1)
    scan(search.probes, search.gallery, [count], search.own, "gallery", chunk, progress)
    scan(search.probes, strangers, [count, best, highest], None, "distractors", chunk, progress)
    identification = OpenSetIdentification(
        mate_cosines=search.own_cosines.numpy(),
        mate_ranks=1 + count.counts,
        impostor_cosines=best.cosines.numpy(),
        gallery_size=len(search.gallery) + len(strangers),
    )
    return DistractorSearch(identification, highest.falling(), pairs)


def mean_rate_at(
    searches: Sequence[OpenSetIdentification], false_positive_identification_rate: float, rank: int = 1
) -> float:
    """Average TPIR at FPIR over galleries, each with its own threshold, as IJB-B and IJB-C ask for their two."""
    return float(np.mean([search.rate_at(false_positive_identification_rate, rank) for search in searches]))


class _Search:
    """Checked probes and gallery, and every probe's cosine with its own person."""

    def __init__(
        self,
        probes: npt.ArrayLike,
        probe_ids: npt.ArrayLike,
        gallery: npt.ArrayLike,
        gallery_ids: npt.ArrayLike,
    ) -> None:
        self.ids, entry_ids = np.asarray(probe_ids), np.asarray(gallery_ids)
        for vectors, ids, name in ((probes, self.ids, "probes"), (gallery, entry_ids, "gallery entries")):
            if len(np.asarray(vectors)) != len(ids):
                found = f"{len(np.asarray(vectors))} {name} with {len(ids)}"
                raise ValueError(f"Every vector needs an identity, found {found}.")
        if not len(self.ids):
            raise ValueError("There are no probes to identify.")
        self.probes, self.gallery = unit_rows(probes, "probes"), unit_rows(gallery, "gallery")
        if self.gallery.shape[1] != self.probes.shape[1]:
            found = f"{self.probes.shape[1]} and {self.gallery.shape[1]}"
            raise ValueError(f"Probes and gallery must have one dimension, found {found}.")
        self.own = OwnEntries(self.ids, entry_ids)
        self.own_cosines = self.own.highest_cosines(self.probes, self.gallery)

    def require_mates(self) -> None:
        absent = np.flatnonzero(~self.own.mated)
        if len(absent):
            raise ValueError(f"The person of probe {absent[0]} ({self.ids[absent[0]]}) is not in the gallery.")


def _rows_of(distractors: npt.ArrayLike | None, dimension: int) -> npt.NDArray[np.floating]:
    return np.zeros((0, dimension), np.float32) if distractors is None else np.asarray(distractors)
