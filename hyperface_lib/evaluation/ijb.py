"""IJB-B and IJB-C from images to the tables of the papers: align, embed, pool, verify, identify."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hyperface_lib.evaluation.ijb_features import embed_ijb
from hyperface_lib.evaluation.ijb_parts import Align, ImageProblem
from hyperface_lib.evaluation.ijb_scores import (
    IjbIdentification,
    IjbVerification,
    identify_templates,
    verify_templates,
)
from hyperface_lib.evaluation.templates import FeatureRows, Pooling
from hyperface_lib.formats import IjbMeta

if TYPE_CHECKING:
    import pandas

    from hyperface_lib.embedding.protocol import Embedder

IJB_FALSE_POSITIVE_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
IJB_FALSE_POSITIVE_IDENTIFICATION_RATES = (1e-2, 1e-1)
IJB_RANKS = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class IjbScores:
    """What one way of pooling gives; identification is None where the benchmark has no 1:N lists."""

    pooling: Pooling
    verification: IjbVerification
    identification: IjbIdentification | None

    def to_record(self) -> dict[str, Any]:
        """Give all rates as fractions, by name: `tpr_at_*` exact, `tpr_nearest_*` as published tables read them."""
        record: dict[str, Any] = {"pooling": self.pooling.name}
        record |= {"pairs": self.verification.pairs, "same": self.verification.curve.genuine}
        record["unscored_pairs"] = self.verification.unscored_pairs
        for rate in IJB_FALSE_POSITIVE_RATES:
            record[f"tpr_at_fpr_{_power(rate)}"] = self.verification.rate_at(rate)
        for rate in IJB_FALSE_POSITIVE_RATES:
            record[f"tpr_nearest_fpr_{_power(rate)}"] = self.verification.rate_nearest(rate)
        found = self.identification
        for rank in IJB_RANKS:
            record[f"rank{rank}"] = None if found is None else found.rank_rate(rank)
        for rate in IJB_FALSE_POSITIVE_IDENTIFICATION_RATES:
            record[f"tpir_at_fpir_{_power(rate)}"] = None if found is None else found.rate_at(rate)
        for rank in IJB_RANKS:
            record[f"rank{rank}_merged"] = None if found is None else found.merged.rate_at(rank)
        return record


@dataclass(frozen=True, eq=False)
class IjbResult:
    """The scores of a model on IJB-B or IJB-C, a pooling each, and what was missing.

    images, templates: how many the lists name. missing_images: how many of them have no feature; problems: which of
    them, and why, where it is known. empty_templates: ids of those without a vector. notes: what the lists lacked.
    """

    model: str
    benchmark: str
    images: int
    templates: int
    scores: tuple[IjbScores, ...]
    missing_images: int = 0
    problems: tuple[ImageProblem, ...] = ()
    empty_templates: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every image was used; a result that is not compares with no published one."""
        return not self.missing_images and not self.empty_templates

    def to_records(self) -> list[dict[str, Any]]:
        """Give one flat dictionary a pooling, ready for JSON; rates are fractions, None where there are none."""
        common = {
            "model": self.model,
            "set": self.benchmark,
            "complete": self.complete,
            "images": self.images,
            "missing_images": self.missing_images,
            "templates": self.templates,
            "empty_templates": len(self.empty_templates),
        }
        return [{**common, **scores.to_record()} for scores in self.scores]

    def to_dataframe(self) -> pandas.DataFrame:
        """Give the records as a pandas table."""
        import pandas

        return pandas.DataFrame(self.to_records())

    def table(self) -> list[dict[str, str]]:
        """Give the rows of the printed table, in per cent: TPR at each FPR in both readings, then identification."""
        rows = []
        for record in self.to_records():
            for reading, key in (("exact", "tpr_at_fpr"), ("nearest", "tpr_nearest_fpr")):
                row = {"set": self.benchmark + ("" if self.complete else " (partial)"), "pooling": record["pooling"]}
                row["TPR reading"] = reading
                row |= {f"TPR@{_power(rate)}": record[f"{key}_{_power(rate)}"] for rate in IJB_FALSE_POSITIVE_RATES}
                row |= {f"rank-{rank}": record[f"rank{rank}"] for rank in IJB_RANKS}
                for rate in IJB_FALSE_POSITIVE_IDENTIFICATION_RATES:
                    row[f"TPIR@{_power(rate)}"] = record[f"tpir_at_fpir_{_power(rate)}"]
                rows.append({name: _per_cent(value) for name, value in row.items()})
        return rows

    def to_markdown(self) -> str:
        """Give the table in Markdown, with what is missing below it."""
        rows = self.table()
        lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
        lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
        return "\n".join([*lines, *(f"\n{remark}" for remark in self.remarks())])

    def remarks(self) -> list[str]:
        """Say in a sentence each what the lists lacked and which images and templates are missing."""
        said = list(self.notes)
        if self.missing_images:
            first = f", the first: {self.problems[0]}" if self.problems else ""
            said.append(f"{self.missing_images} of {self.images} images could not be used{first}.")
        if self.empty_templates:
            shown = ", ".join(str(one) for one in self.empty_templates[:5])
            said.append(
                f"{len(self.empty_templates)} of {self.templates} templates have no vector and score lowest "
                f"({self.scores[0].verification.unscored_pairs} pairs): {shown}"
                f"{', ...' if len(self.empty_templates) > 5 else ''}."
            )
        return said


def evaluate_ijb(
    embedder: Embedder,
    meta: IjbMeta,
    align: Align | None = None,
    cache: str | Path | None = None,
    poolings: Sequence[Pooling] = (Pooling(),),
    progress: bool = False,
    threads: int | None = None,
) -> IjbResult:
    """Score an embedder on IJB-B or IJB-C: 1:1 over the template pairs, 1:N over both galleries.

    ```
    evaluate_ijb(load_embedder("reference", flip=False), read_ijb(folder), cache=folder_of_features)
    ```
    Every image is cut out of its loose crop by its five points (`align`, the kit's `align_face` by default), embedded
    together with its mirror image, and the sum pooled into templates (`pool_templates`); `embed_ijb` says what is kept
    in `cache` and what is done with images that cannot be used. `poolings`: see `PUBLISHED_POOLINGS`; the default is
    InsightFace's. Raises ValueError as `embed_ijb` and `score_ijb`.

    Source: `eval_ijbc.py` of InsightFace, with its numbers but for the resampling: `align_face` averages where a face
    shrinks, OpenCV's `warpAffine` there picks single pixels.
    """
    features = embed_ijb(embedder, meta, align or _template_alignment(), cache, progress, threads)
    return score_ijb(meta, features, embedder.name, features.present, poolings, features.problems)


def _template_alignment() -> Align:
    from hyperface_lib.embedding.alignment import align_face

    return align_face


def score_ijb(
    meta: IjbMeta,
    features: FeatureRows,
    model: str = "features",
    present: npt.ArrayLike | None = None,
    poolings: Sequence[Pooling] = (Pooling(),),
    problems: Sequence[ImageProblem] = (),
) -> IjbResult:
    """Score features (n, d) of the images in the order of `meta`, image and mirror image summed, not normalised.

    present: (n,) False for an image without a feature. Reports TPR at FPR 1e-6 to 1e-1 in two readings: exact, and at
    the nearest FPR as published tables have it; rank-1, -5, -10 and TPIR at FPIR 1e-2 and 1e-1 averaged over the
    galleries, each searched apart as NIST asks; and the ranks with both galleries merged (`rank1_merged`), as
    InsightFace reports them. How empty templates count: `verify_templates`, `identify_templates`. Raises ValueError
    for features that do not fit the lists.
    """
    if len(features) != len(meta):
        raise ValueError(f"{meta.name} names {len(meta)} images, found {len(features)} features.")
    if not poolings:
        raise ValueError("At least one way of pooling is needed, found none.")
    scores = []
    empty: set[int] = set()
    for pooling in poolings:
        templates = pooling.pool(features, meta.template_ids, meta.media_ids, meta.faceness, present)
        scores.append(IjbScores(pooling, verify_templates(meta, templates), identify_templates(meta, templates)))
        empty |= set(templates.ids[templates.is_empty].tolist())
    return IjbResult(
        model=model,
        benchmark=meta.name,
        images=len(meta),
        templates=len(meta.templates),
        scores=tuple(scores),
        missing_images=0 if present is None else int((~np.asarray(present, bool)).sum()),
        problems=tuple(problems),
        empty_templates=tuple(sorted(empty)),
        notes=meta.notes,
    )


def _power(rate: float) -> str:
    return f"1e{round(math.log10(rate))}"


def _per_cent(value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.2f}"
    return "" if value is None else str(value)
