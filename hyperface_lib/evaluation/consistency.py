"""Does every image belong to its identity: the centre of its own other images against the centres of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hyperface_lib.evaluation.gallery_search import TIE
from hyperface_lib.evaluation.identity_centres import IdentityCentres

_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Consistency:
    """For every image (n,): the cosine to the centre of the other images of its identity, and to the nearest other one.

    own_cosines: nan for the only image of an identity, which has nothing to agree with. other_identity: the number of
    the identity whose centre is nearest among the others. misplaced: images at least as near to that one.
    """

    own_cosines: npt.NDArray[np.float64]
    other_cosines: npt.NDArray[np.float64]
    other_identity: npt.NDArray[np.int64]
    misplaced: npt.NDArray[np.bool_]

    @property
    def misplaced_share(self) -> float:
        """The share of misplaced images among those that are not the only one of their identity; nan without any."""
        asked = np.isfinite(self.own_cosines)
        return float(self.misplaced[asked].mean()) if asked.any() else float("nan")


def check_consistency(
    points: Tensor, found: IdentityCentres, progress: bool = False, block: int = _BLOCK
) -> Consistency:
    """Hold the unit rows (n, d) that have these centres against all of them, by blocks.

    An image is left out of its own centre, or it would vouch for itself; a tie with another identity is a miss. Images
    that cancel out have no centre, and the cosine to it is 0.
    """
    identity, centres = found.identity, found.centres
    nearest = torch.full((len(points),), -torch.inf)
    where = torch.zeros(len(points), dtype=torch.int64)
    who = torch.from_numpy(identity)
    for start in tqdm(range(0, len(points), block), desc="own or other", disable=not progress, delay=1):
        rows = slice(start, min(start + block, len(points)))
        for first in range(0, len(centres), block):
            part = centres[first : first + block]
            cosines = points[rows] @ part.T
            inside = torch.nonzero((who[rows] >= first) & (who[rows] < first + len(part)))[:, 0]
            cosines[inside, who[rows][inside] - first] = -torch.inf
            best, place = cosines.max(dim=1)
            better = best > nearest[rows]
            nearest[rows] = torch.where(better, best, nearest[rows])
            where[rows] = torch.where(better, place + first, where[rows])
    own = own_centre_cosines(points, found)
    other = nearest.double().numpy()
    misplaced = np.isfinite(own) & (other >= np.nan_to_num(own, nan=np.inf) - TIE)
    return Consistency(own, other, where.numpy(), misplaced)


def own_centre_cosines(points: Tensor, found: IdentityCentres) -> npt.NDArray[np.float64]:
    """Give every image's cosine (n,) to the mean direction of the other images of its identity; nan if there is none.

    With the sum S of the rows of an identity, x (S - x) / |S - x|, in float64.
    """
    cosines = np.full(len(points), np.nan)
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        identity, rows = found.identity[part], points[part].double().numpy()
        others = found.sums[identity] - rows
        lengths = np.linalg.norm(others, axis=1)
        products = (others * rows).sum(axis=1)
        own = np.where(lengths > 1e-6, products / np.maximum(lengths, 1e-6), 0.0)
        cosines[part] = np.where(found.counts[identity] > 1, np.clip(own, -1.0, 1.0), np.nan)
    return cosines
