"""Recognition against one factor of the picture: what photographs cannot tell, because nobody knows their factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.evaluation.evaluator import crop_size
from hyperface_lib.evaluation.factor_changes import change_of, usual_values
from hyperface_lib.evaluation.roc import roc_curve
from hyperface_lib.evaluation.template_crops import embed_aligned
from hyperface_lib.evaluation.verification import best_threshold

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

Array = npt.NDArray[np.float64]
# people of the first benchmark's split, far behind those its folds use
_SPLIT, _FIRST_PERSON = "rendered-lfw", 500_000
_CHANGE_STREAM = 0xFC


@dataclass(frozen=True, eq=False)
class FactorCurve:
    """Pairs of an ordinary picture and one with the factor at a value, for every value: (values,) arrays.

    genuine_cosine, impostor_cosine: means; genuine_cosine_std: over people. accuracy: at one threshold for all values,
    the one best over all of them, as a recogniser in use has only one. tpr_at_fpr_1e_2: true positives at the
    threshold that lets 1 % of this value's impostors through. standard_error: the binomial one of the accuracy.
    """

    factor: str
    values: Array
    genuine_cosine: Array
    genuine_cosine_std: Array
    impostor_cosine: Array
    accuracy: Array
    standard_error: Array
    tpr_at_fpr_1e_2: Array
    threshold: float
    identities: int

    def to_records(self) -> list[dict[str, Any]]:
        """Give one dictionary a value."""
        names = ("genuine_cosine", "genuine_cosine_std", "impostor_cosine", "accuracy", "standard_error")
        return [
            {"factor": self.factor, "value": float(value), "tpr_at_fpr_1e-2": float(self.tpr_at_fpr_1e_2[row])}
            | {name: float(getattr(self, name)[row]) for name in names}
            for row, value in enumerate(self.values)
        ]


@dataclass(frozen=True, eq=False)
class FactorPictures:
    """People as they come, reference (people, h, w, 3), and with a factor at each value (values, people, h, w, 3)."""

    factor: str
    values: Array
    reference: npt.NDArray[np.uint8]
    changed: npt.NDArray[np.uint8]


def factor_curve(
    embedder: Embedder,
    factor: str,
    values: Sequence[float] | None = None,
    identities: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> FactorCurve:
    """Render people once as they come and once for every value of a factor, and measure what the factor costs.

    factor: a numeric field of `faces.Nuisance`, such as "yaw_degrees", "age_years" or "blur_pixels", or one of
    `FACTOR_CHANGES`, which take the four factor sets from nothing to their hardest; every other factor is a mild draw,
    the same for all values. values: None for the usual ones. Any embedder that `embed_aligned` knows, with the mirror
    images where it takes template crops. The people are in no training set and no benchmark. `seed` picks other people.
    Raises ValueError for an unknown factor, no values, or fewer than two people.
    """
    pictures = factor_pictures(factor, values, identities, crop_size(embedder), seed, progress)
    return factor_curve_of_pictures(embedder, pictures, progress)


def factor_curves(
    embedders: Mapping[str, Embedder],
    factors: Sequence[str] | Mapping[str, Sequence[float]],
    identities: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, list[FactorCurve]]:
    """Measure several embedders on the same people: name -> one curve a factor, as `factor_curve` does.

    factors: names, or names with their values. Pictures are rendered once for each size that embedders take.
    """
    asked = dict(factors) if isinstance(factors, Mapping) else dict.fromkeys(factors)
    curves: dict[str, list[FactorCurve]] = {name: [] for name in embedders}
    for factor, values in asked.items():
        pictures: dict[int, FactorPictures] = {}
        for name, embedder in embedders.items():
            size = crop_size(embedder)
            if size not in pictures:
                pictures[size] = factor_pictures(factor, values, identities, size, seed, progress)
            curves[name].append(factor_curve_of_pictures(embedder, pictures[size], progress))
    return curves


def factor_pictures(
    factor: str,
    values: Sequence[float] | None = None,
    identities: int = 100,
    size: int = 112,
    seed: int = 0,
    progress: bool = False,
) -> FactorPictures:
    """Render what `factor_curve` measures, at 64 or 112 pixels; same arguments, same errors."""
    from hyperface_lib import faces

    change = change_of(factor)
    chosen = usual_values(factor) if values is None else values
    if identities < 2 or not len(chosen):
        raise ValueError(f"A curve needs two people and a value, found {identities} people and {len(chosen)} values.")
    people = faces.identity_seeds(_SPLIT, identities, start=_FIRST_PERSON + seed * identities)
    world = faces.FaceWorld(size)

    def draws(sample: int) -> list[Any]:
        return [faces.Nuisance.random(faces.nuisance_seed(person, sample), profile="mild") for person in people]

    reference, others = world.render_batch(people, draws(0)), draws(1)
    changed = [
        world.render_batch(
            people,
            # what a change leaves open, such as the side of the light, is the person's own at every value
            [
                change(how, float(value), np.random.default_rng([person, _CHANGE_STREAM]))
                for person, how in zip(people, others, strict=True)
            ],
        )
        for value in tqdm(chosen, desc=factor, disable=not progress)
    ]
    return FactorPictures(factor, np.asarray(chosen, np.float64), reference, np.stack(changed))


def factor_curve_of_pictures(embedder: Embedder, pictures: FactorPictures, progress: bool = False) -> FactorCurve:
    """Measure an embedder on rendered pictures; see `factor_curve`."""
    count, people = pictures.changed.shape[:2]
    every = pictures.changed.reshape(count * people, *pictures.changed.shape[2:])
    vectors = embed_aligned(embedder, np.concatenate([pictures.reference, every]), pictures.factor, progress, flip=True)
    changed = vectors[people:].reshape(count, people, -1)
    return factor_curve_of_vectors(pictures.factor, pictures.values.tolist(), vectors[:people], changed)


def factor_curve_of_vectors(
    factor: str, values: Sequence[float], reference: npt.ArrayLike, changed: npt.ArrayLike
) -> FactorCurve:
    """Measure a curve from vectors: reference (people, d) and changed (values, people, d), unit rows.

    Every person's reference is an impostor to every other person's changed picture.
    """
    own, other = np.asarray(reference, dtype=np.float64), np.asarray(changed, dtype=np.float64)
    if own.ndim != 2 or other.shape != (len(values), *own.shape) or len(own) < 2:
        raise ValueError(
            f"Reference vectors (people, d) and changed ones ({len(values)}, people, d) of at least two people were "
            f"expected, found {own.shape} and {other.shape}."
        )
    cosines = np.einsum("pd,vqd->vpq", own, other)
    diagonal = np.eye(len(own), dtype=bool)
    genuine, impostors = cosines[:, diagonal], cosines[:, ~diagonal]
    # as many impostors as genuine pairs decide the threshold, or the accuracy would be that of rejecting everybody
    neighbours = np.roll(diagonal, 1, axis=1)
    scores = np.concatenate([genuine, cosines[:, neighbours]], axis=1)
    same = np.tile(np.arange(2 * len(own)) < len(own), (len(values), 1))
    _, threshold = best_threshold(scores.ravel(), same.ravel())
    accuracy = ((scores >= threshold) == same).mean(axis=1)
    rates = [
        roc_curve(np.append(one, two), np.arange(len(one) + len(two)) < len(one)).true_positive_rate_at(1e-2)
        for one, two in zip(genuine, impostors, strict=True)
    ]
    return FactorCurve(
        factor=factor,
        values=np.asarray(values, dtype=np.float64),
        genuine_cosine=genuine.mean(axis=1),
        genuine_cosine_std=genuine.std(axis=1),
        impostor_cosine=impostors.mean(axis=1),
        accuracy=accuracy,
        standard_error=np.sqrt(accuracy * (1 - accuracy) / scores.shape[1]),
        tpr_at_fpr_1e_2=np.asarray(rates),
        threshold=threshold,
        identities=len(own),
    )
