"""From features of images to one vector a template: a set of photographs, the frames of a video, or both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

BLOCK = 2048
"""Features weighted and summed at a time, in float64: 8 MB with 512 dimensions."""


class FeatureRows(Protocol):
    """Features (n, d): an array, one mapped from a file, or anything that gives a range of rows as one."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> npt.NDArray[np.floating[Any]]: ...


@dataclass(frozen=True)
class Pooling:
    """How much each image counts in its template; see `pool_templates`."""

    use_faceness: bool = True
    normalize_before_pooling: bool = False

    @property
    def name(self) -> str:
        """The name under which CVLface reports it: Norm says that lengths are kept, Det that faceness weighs."""
        return f"Norm:{not self.normalize_before_pooling}_Det:{self.use_faceness}"

    def pool(
        self,
        features: FeatureRows,
        template_ids: npt.ArrayLike,
        media_ids: npt.ArrayLike,
        faceness: npt.ArrayLike | None = None,
        present: npt.ArrayLike | None = None,
    ) -> Templates:
        """Pool features this way, with the faceness (n,) of the images; arguments and errors as `pool_templates`."""
        if self.use_faceness and faceness is None:
            raise ValueError(f"Pooling {self.name} weighs images by their faceness, which is not given.")
        weights = faceness if self.use_faceness else None
        return pool_templates(features, template_ids, media_ids, weights, self.normalize_before_pooling, present)


PUBLISHED_POOLINGS = (Pooling(True, False), Pooling(False, False), Pooling(True, True))
"""InsightFace's own (`eval_ijbc.py`), and the two more of which CVLface reports results."""


@dataclass(frozen=True, eq=False)
class Templates:
    """Template ids (t,), rising; unit rows (t, d) float32; how many images each was pooled from (t,).

    A template without an image, or whose features add up to nothing, has a row of zeros.
    """

    ids: npt.NDArray[Any]
    vectors: npt.NDArray[np.float32]
    images: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_empty(self) -> npt.NDArray[np.bool_]:
        """Which templates (t,) have no vector."""
        return np.asarray(~self.vectors.any(axis=1))


def pool_templates(
    features: FeatureRows,
    template_ids: npt.ArrayLike,
    media_ids: npt.ArrayLike,
    faceness: npt.ArrayLike | None = None,
    normalize_before_pooling: bool = False,
    present: npt.ArrayLike | None = None,
) -> Templates:
    """Pool features (n, d) into templates: mean within each medium, sum over the media of the template, unit length.

    features: as the network gives them, of the image and its mirror image summed. Their length weighs an image, and so
    does its `faceness` (n,) where given; `normalize_before_pooling` takes the length out first.
    template_ids, media_ids: (n,) numbers or names; frames of one video share a medium, and a medium counts anew in
    every template. Where videos are compared (YTF), each is a template of one medium. present: (n,) False leaves an
    image out, as if it were not listed.

    Sums are in float64; beyond features and result memory is t x d x 8 bytes. Raises ValueError for lengths that differ
    and for a feature or weight that is not a finite number or a weight below 0, naming the row.

    Source: `eval_ijbc.py` of InsightFace (`use_norm_score=True` there is `normalize_before_pooling=False`, and the
    reverse in its `ijb_evals.py`). opensphere weighs an image by 1 / (images of its medium x media of its template),
    without faceness: that is the same sum divided by the number of media, so the same unit vector.
    """
    ids, segment, media = _numbered(len(features), template_ids, media_ids)
    counted = np.ones(len(features), bool) if present is None else np.asarray(present, bool)
    if counted.shape != (len(features),):
        raise ValueError(f"Every feature is present or not, found {counted.shape} for {len(features)} features.")
    weights = _media_shares(segment, media, counted) * _checked_faceness(faceness, len(features))
    totals: npt.NDArray[np.float64] | None = None
    for chosen, part in _blocks(features, segment, counted):
        if totals is None:
            totals = np.zeros((len(ids), part.shape[1]))
        shares = weights[chosen]
        if normalize_before_pooling:
            lengths = np.linalg.norm(part, axis=1)
            shares = shares / np.where(lengths > 0, lengths, 1.0)
        part *= shares[:, None]
        starts = np.flatnonzero(np.diff(segment[chosen], prepend=-1))
        totals[segment[chosen[starts]]] += np.add.reduceat(part, starts, axis=0)
    if totals is None:
        raise ValueError("There are no features to pool.")
    lengths = np.linalg.norm(totals, axis=1, keepdims=True)
    totals /= np.where(lengths > 0, lengths, 1.0)
    return Templates(ids, totals.astype(np.float32), np.bincount(segment[counted], minlength=len(ids)))


def _blocks(
    features: FeatureRows, segment: npt.NDArray[np.int64], counted: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Yield the numbers of some images in the order of their templates, and their features in float64."""
    for start in range(0, len(features), BLOCK):
        inside = np.flatnonzero(counted[start : start + BLOCK])
        if not len(inside):
            continue
        chosen = start + inside
        order = np.argsort(segment[chosen], kind="stable")
        part = np.asarray(features[start : start + BLOCK])
        if part.ndim != 2:
            raise ValueError(f"Features must be rows (n, d), found {part.ndim} dimensions.")
        part = part[inside[order]].astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(wrong):
            raise ValueError(f"The feature in row {chosen[order[wrong[0]]]} is not of finite numbers.")
        yield chosen[order], part


def _numbered(
    count: int, template_ids: npt.ArrayLike, media_ids: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    templates, media = np.asarray(template_ids), np.asarray(media_ids)
    if templates.shape != (count,) or media.shape != (count,):
        raise ValueError(
            f"Every feature needs a template and a medium, found {count} features, template ids of shape "
            f"{templates.shape} and media ids of shape {media.shape}."
        )
    ids, segment = np.unique(templates, return_inverse=True)
    return ids, segment.astype(np.int64), np.unique(media, return_inverse=True)[1].astype(np.int64)


def _media_shares(
    segment: npt.NDArray[np.int64], media: npt.NDArray[np.int64], counted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Give each image that counts its share in the mean of its medium within its template, 0 to the others."""
    both = segment * (media.max(initial=0) + 1) + media
    _, place, images = np.unique(both[counted], return_inverse=True, return_counts=True)
    shares = np.zeros(len(segment))
    shares[counted] = 1.0 / images[place]
    return shares


def _checked_faceness(faceness: npt.ArrayLike | None, count: int) -> npt.NDArray[np.float64]:
    if faceness is None:
        return np.ones(count)
    weights = np.asarray(faceness, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"Every feature needs a faceness, found shape {weights.shape} for {count} features.")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise ValueError(f"A faceness is at least 0 and finite, found {weights[wrong[0]]} in row {wrong[0]}.")
    return weights
