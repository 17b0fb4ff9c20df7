"""Who is on the pictures of a pair set, where that can be known, and who is in more folds than one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats import ImageFiles, PairSet

_KNOWN_BENCHMARKS = 1
"""The version of the rendered benchmarks whose order of images is known here."""


@dataclass(frozen=True)
class PairRemark:
    """One thing to know about a pair set: the pair it is seen in first, the file, and what it is; nothing is left out.

    It has the form of a `PhotographProblem`, among which it is reported.
    """

    index: int
    name: str
    reason: str
    skipped: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def people_of(pair_set: PairSet) -> npt.NDArray[np.int64] | None:
    """Number the people on the images of a pair set: (n images,) int64, or None where the set does not say.

    In a pair list the folder of an image is its person (LFW's layout); in a rendered benchmark the order of the images
    says it. Both are believed only if there are pairs of both kinds and every pair agrees: same person, same number,
    and otherwise two. A verification set (.bin) has no names.
    """
    same = pair_set.is_same
    if same.all() or not same.any():
        return None
    people: npt.NDArray[np.int64] | None = None
    if isinstance(pair_set.images, ImageFiles):
        folders = [str(path.parent) for path in pair_set.images.paths]
        people = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    elif pair_set.provenance.get("world") == "rendered faces":
        people = _rendered_people(pair_set)
    if people is None or not np.array_equal(people[pair_set.first] == people[pair_set.second], same):
        return None
    return people


def fold_remarks(pair_set: PairSet, people: npt.NDArray[np.int64]) -> list[PairRemark]:
    """Say so, in one remark, when people are in several folds: a threshold is then chosen on who it is judged by."""
    folds = np.concatenate([np.asarray(pair_set.folds)] * 2)
    who = np.concatenate([people[pair_set.first], people[pair_set.second]])
    pairs = np.tile(np.arange(len(pair_set)), 2)
    met = np.unique(np.stack([who, folds], axis=1), axis=0)
    several, counts = np.unique(met[:, 0], return_counts=True)
    shared = several[counts > 1]
    if not len(shared):
        return []
    mine = np.isin(who, shared)
    one = who[mine][np.argmin(pairs[mine])]
    places = [int(pairs[(who == one) & (folds == fold)].min()) for fold in met[met[:, 0] == one, 1]]
    first, second = sorted(places)[:2]
    name, called = pair_set.name, f"number {one}"
    if isinstance(pair_set.images, ImageFiles):
        name = str(pair_set.provenance.get("pairs", name))
        called = pair_set.images.paths[int(np.flatnonzero(people == one)[0])].parent.name
    reason = (
        f"{len(shared)} of {len(several)} people are in more than one fold, the first, {called}, "
        f"in pairs {first + 1} and {second + 1}, so the folds are not independent"
    )
    return [PairRemark(first, name, reason)]


def _rendered_people(pair_set: PairSet) -> npt.NDArray[np.int64] | None:
    # `faces.rendered_benchmark`: a person's images follow each other, two for every genuine pair it may have, of which
    # there are three where a fold has 90 or more, else one; every fold has the same number of people
    if pair_set.provenance.get("benchmark_version") != _KNOWN_BENCHMARKS:
        return None
    genuine_a_fold = int(pair_set.is_same.sum()) // 10
    each = 3 if genuine_a_fold >= 90 else 1
    images = len(pair_set.images)
    return (
        np.arange(images, dtype=np.int64) // (2 * each)
        if images == 10 * 2 * each * -(-genuine_a_fold // each)
        else None
    )
