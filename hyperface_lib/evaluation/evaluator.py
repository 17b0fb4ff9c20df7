"""Score an embedder on benchmark suites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm.auto import tqdm

from hyperface_lib.evaluation.people import fold_remarks, people_of
from hyperface_lib.evaluation.photographs import PhotographProblem, Vectors, count_without_face, embed_photographs_of
from hyperface_lib.evaluation.suite import RENDERED_SIZES, Suite
from hyperface_lib.evaluation.table import BenchmarkTable, Row
from hyperface_lib.evaluation.verification import PairScores
from hyperface_lib.formats import PairSet

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder


class Images(Protocol):
    """Images by number: an array (n, H, W, 3), or anything that reads one when asked."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> npt.NDArray[np.uint8]: ...


CHUNK = 512
"""Images held at a time: a set of 12,000 decoded crops need not be in memory at once."""


def evaluate(embedder: Embedder, suite: Suite | PairSet, progress: bool = False, flip: bool = True) -> BenchmarkTable:
    """Score an embedder on every set of a suite by the ten-fold protocol: one row a set, scores kept.

    Every image is embedded once, together with its mirror image: the two un-normalised features are summed and the sum
    brought to unit length, as the field's evaluation does (`flip=False` leaves the mirror out; an embedder without
    `embed_raw` has its two unit vectors summed). Crops of another size are resized to the embedder's, which the common
    template allows. Photographs are detected and aligned one by one (`embed_photographs`), unmirrored; where no face
    is found the middle of the photograph stands in, and `skipped` counts them. Benchmarks of templates (IJB) have no
    accuracy: their results are the table's `templates`. Raises ValueError for an embedder that
    takes no template crops (its `image_size` not 64 or a multiple of 112) on a set of aligned crops.
    """
    suite = Suite.of(suite) if isinstance(suite, PairSet) else suite
    rows: list[Row] = []
    scores: dict[tuple[str, str], PairScores] = {}
    problems: dict[tuple[str, str], tuple[PhotographProblem, ...]] = {}
    for name in tqdm(suite.sets, desc=f"{embedder.name} on {suite.name}", disable=not progress):
        pair_set = suite.load(name, size=crop_size(embedder), progress=progress)
        scored, problem = score_pairs(embedder, pair_set, progress=progress, flip=flip)
        rows.append(_row(embedder.name, suite.name, name, scored, count_without_face(problem)))
        scores[embedder.name, name] = scored
        problems[embedder.name, name] = tuple(problem)
    from hyperface_lib.evaluation.ijb import evaluate_ijb  # it embeds by what stands below

    templates = tuple(evaluate_ijb(embedder, meta, progress=progress) for meta in suite.templates)
    return BenchmarkTable(tuple(rows), scores, problems, templates)


def score_pairs(
    embedder: Embedder, pair_set: PairSet, progress: bool = False, flip: bool = True
) -> tuple[PairScores, list[PhotographProblem]]:
    """Give the cosine of every pair, and what was met in the photographs; see `evaluate`.

    Where the set says who is on its images the scores do too (`people_of`), and one remark among the problems says
    which people are in more folds than one. Raises ValueError when no pair is left to score, and
    for an embedder that gives no numbers.
    """
    problems: list[PhotographProblem] = []
    if not len(pair_set):
        raise ValueError(f"The pair set {pair_set.name!r} has no pairs.")
    used, row_of_image = np.unique(np.concatenate([pair_set.first, pair_set.second]), return_inverse=True)
    if pair_set.aligned:
        vectors = embed_crops(embedder, _Chosen(pair_set.images, used), pair_set.name, progress, flip)
        kept = np.arange(len(used))
    else:
        vectors, kept, problems = embed_photographs_of(embedder, pair_set, used, progress)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"{embedder.name} gave a vector that is not finite for {len(wrong)} images of {pair_set.name!r}, the first "
            f"image {used[kept[wrong[0]]]}."
        )
    place = np.full(len(used), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    first, second = place[row_of_image].reshape(2, -1)
    scored = np.flatnonzero((first >= 0) & (second >= 0))
    if not len(scored):
        raise ValueError(f"No pair of {pair_set.name!r} can be scored: {len(problems)} of its images gave no vector.")
    people = people_of(pair_set)
    if people is not None:
        problems += fold_remarks(pair_set, people)
    cosines = np.einsum("pd,pd->p", vectors[first[scored]], vectors[second[scored]], dtype=np.float64)
    return (
        PairScores(
            name=pair_set.name,
            cosines=np.clip(cosines, -1.0, 1.0),
            is_same=pair_set.is_same[scored],
            folds=np.asarray(pair_set.folds)[scored],
            pair_numbers=scored,
            people=None if people is None else people[np.stack([pair_set.first, pair_set.second], axis=1)[scored]],
        ),
        problems,
    )


def embed_with_mirror(embedder: Embedder, images: npt.NDArray[np.uint8]) -> Vectors:
    """Embed crops (n, H, W, 3) and their mirror images, sum the un-normalised features, normalise: (n, d) unit rows."""
    embed = getattr(embedder, "embed_raw", embedder.embed)
    total = np.asarray(embed(images), dtype=np.float32) + np.asarray(
        embed(np.ascontiguousarray(images[:, :, ::-1])), dtype=np.float32
    )
    return _unit_rows(total)


def embed_crops(
    embedder: Embedder, images: Images, name: str = "crops", progress: bool = False, flip: bool = True
) -> Vectors:
    """Embed aligned crops of any size, some hundred at a time, with their mirror images: (n, d) unit rows.

    Raises ValueError for an embedder that takes no template crops.
    """
    size = embedder.image_size
    if not _takes_template_crops(embedder):
        raise ValueError(
            f"{embedder.name} takes its own {size}-pixel chip, not the crops of {name!r}: "
            "score it on photographs (pairs:FOLDER)."
        )
    parts = []
    with tqdm(total=len(images), desc=name, unit="image", leave=False, disable=not progress) as bar:
        for start in range(0, len(images), CHUNK):
            rows = range(start, min(start + CHUNK, len(images)))
            block = np.stack([_resized(images[row], size) for row in rows])
            parts.append(embed_with_mirror(embedder, block) if flip else _unit_rows(np.asarray(embedder.embed(block))))
            bar.update(len(rows))
    return np.concatenate(parts)


def crop_size(embedder: Embedder) -> int:
    """Give the size at which rendered crops suit an embedder best: 64 or 112 pixels."""
    return embedder.image_size if embedder.image_size in RENDERED_SIZES else max(RENDERED_SIZES)


def _takes_template_crops(embedder: Embedder) -> bool:
    return embedder.image_size == 64 or embedder.image_size % 112 == 0


@dataclass(frozen=True)
class _Chosen:
    """Some images of a sequence, read when asked for."""

    images: Images
    numbers: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        return self.images[int(self.numbers[index])]


def _resized(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    if image.shape[:2] == (size, size):
        return image
    if image.shape[0] != image.shape[1]:
        raise ValueError(f"An aligned crop is square, found one of {image.shape[1]} x {image.shape[0]} pixels.")
    resampling = Image.Resampling.BOX if image.shape[0] > size else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((size, size), resampling))


def _unit_rows(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)


def _row(model: str, suite: str, name: str, scored: PairScores, skipped: int) -> Row:
    result = scored.verify()
    return Row(
        model=model,
        suite=suite,
        set=name,
        accuracy=result.accuracy,
        accuracy_std=result.accuracy_std,
        standard_error=max(result.standard_error, result.fold_standard_error),
        pairs=result.pairs,
        protocol=result.protocol,
        tpr_at_fpr_1e_3=result.tpr_at_fpr[1e-3],
        eer=result.eer,
        auc=result.auc,
        best_threshold_accuracy=result.best_threshold_accuracy,
        skipped=skipped,
    )
