"""Identification: who of the gallery is the probe, among distractors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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


def identify(
    probes: npt.ArrayLike,
    probe_ids: npt.ArrayLike,
    gallery: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    distractors: npt.ArrayLike | None = None,
    chunk: int = 2048,
) -> Identification:
    """Rank a gallery for every probe by cosine, as MegaFace does with its million distractors.

    probes: (n, d), gallery: (m, d), distractors: (k, d) unit rows. The rank of a probe is one more than the number of
    entries of other people and of distractors at least as similar as its own best entry: a tie counts against it.
    Raises ValueError when a probe's person is not in the gallery.
    """
    probe, entries = np.asarray(probes, dtype=np.float32), np.asarray(gallery, dtype=np.float32)
    ids, entry_ids = np.asarray(probe_ids), np.asarray(gallery_ids)
    if len(probe) != len(ids) or len(entries) != len(entry_ids):
        raise ValueError(
            f"Every vector needs an identity, found {len(probe)} probes with {len(ids)} and "
            f"{len(entries)} gallery entries with {len(entry_ids)}."
        )
    if not len(probe):
        raise ValueError("There are no probes to identify.")
    absent = np.flatnonzero(~np.isin(ids, entry_ids))
    if len(absent):
        raise ValueError(f"The person of probe {int(absent[0])} ({ids[absent[0]]}) is not in the gallery.")
    strangers = (
        np.zeros((0, probe.shape[1]), np.float32) if distractors is None else np.asarray(distractors, np.float32)
    )
    ranks = np.zeros(len(probe), dtype=np.int64)
    for start in range(0, len(probe), chunk):
        rows = slice(start, start + chunk)
        cosines = probe[rows] @ entries.T
        own = ids[rows, None] == entry_ids[None, :]
        best = np.where(own, cosines, -np.inf).max(axis=1, keepdims=True)
        ranks[rows] = 1 + ((cosines >= best) & ~own).sum(axis=1)
        for other in range(0, len(strangers), chunk):
            ranks[rows] += (probe[rows] @ strangers[other : other + chunk].T >= best).sum(axis=1)
    return Identification(ranks, len(entries) + len(strangers))
