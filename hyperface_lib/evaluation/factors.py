"""Recognition against one factor of the picture: what photographs cannot tell, because nobody knows their factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.evaluation.evaluator import crop_size, embed_crops
from hyperface_lib.evaluation.roc import roc_curve
from hyperface_lib.evaluation.verification import best_threshold

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

Array = npt.NDArray[np.float64]
# people of the first benchmark's split, far behind those its folds use
_SPLIT, _FIRST_PERSON = "rendered-lfw", 500_000


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


def factor_curve(
    embedder: Embedder,
    factor: str,
    values: Sequence[float],
    identities: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> FactorCurve:
    """Render people once as they come and once for every value of a factor, and measure what the factor costs.

    factor: a numeric field of `faces.Nuisance`, such as "yaw_degrees", "age_years" or "blur_pixels"; every other factor
    is a mild draw, the same for all values. The people are in no training set and no benchmark. `seed` picks other
    people. Raises ValueError for a factor that is not a number, no values, or fewer than two people.
    """
    from hyperface_lib import faces

    if not isinstance(getattr(faces.Nuisance(), factor, None), int | float) and factor != "age_years":
        raise ValueError(f"There is no numeric factor {factor!r} of a picture: see the fields of faces.Nuisance.")
    if identities < 2 or not len(values):
        raise ValueError(f"A curve needs two people and a value, found {identities} people and {len(values)} values.")
    people = faces.identity_seeds(_SPLIT, identities, start=_FIRST_PERSON + seed * identities)
    world = faces.FaceWorld(crop_size(embedder))

    def draws(sample: int) -> list[Any]:
        return [faces.Nuisance.random(faces.nuisance_seed(person, sample), profile="mild") for person in people]

    def vectors(nuisances: list[Any]) -> npt.NDArray[np.float32]:
        return embed_crops(embedder, world.render_batch(people, nuisances))

    reference, others = vectors(draws(0)), draws(1)
    changed = [
        vectors([nuisance.with_changes(**{factor: float(value)}) for nuisance in others])
        for value in tqdm(values, desc=factor, disable=not progress)
    ]
    return factor_curve_of_vectors(factor, values, reference, np.stack(changed))


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
