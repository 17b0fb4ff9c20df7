"""A data set without what leaks: the same bytes in a new place, labels from 0, and a record of what is gone and why.

The record lies as `exclusion.json` in the new folder: source, threshold, embedder, policy, every excluded image with
the angle to whom it shows, and the old label and name of every new label.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from hyperface_lib.atomic import write_json
from hyperface_lib.evaluation.exclusion_policies import KEPT, TOO_FEW_LEFT, DropImages, ExclusionPolicy
from hyperface_lib.evaluation.kept_images import KeptImages, write_kept_folder, write_kept_shards
from hyperface_lib.evaluation.kit_datasets import kit_manifest, write_kit_manifest
from hyperface_lib.evaluation.leaks import Leaks, cosines_to_degrees
from hyperface_lib.formats import ImageSet, open_image_set
from hyperface_lib.formats.image_sets import check_names
from hyperface_lib.runs import versions

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

ExclusionLayout = Literal["folder", "shards"]
FORMAT = "hyperface exclusion 1"
NOTE = "exclusion.json"


@dataclass(frozen=True)
class Exclusion:
    """What was left out of a data set, and what remains.

    reasons: the number of images excluded for each reason, see `exclusion_policies`. dropped_identities: those of which
    nothing is left; left_over_identities: those among them that only had too few images left.
    """

    source: str
    fingerprint: str
    layout: ExclusionLayout
    embedder: str
    embedder_fingerprint: str
    compared_with: str
    threshold_cosine: float
    threshold_degrees: float
    policy: Mapping[str, Any]
    excluded_sum: str
    images: int
    identities: int
    kept_images: int
    kept_identities: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    dropped_identities: int = 0
    left_over_identities: int = 0

    def to_record(self) -> dict[str, Any]:
        """Give the exclusion as a dictionary of plain values."""
        return asdict(self)


def exclude_leaks(
    dataset: ImageSet | str | Path,
    leaks: Leaks,
    out: str | Path,
    embedder: Embedder,
    policy: ExclusionPolicy | None = None,
    layout: ExclusionLayout | None = None,
    compared_with: str = "",
    progress: bool = False,
) -> Exclusion:
    """Write a data set without what leaks into folder `out`; interrupted, the same call goes on.

    dataset: an image set, or where one lies. leaks: of its images in its own order, found with `embedder`'s vectors
    against what `compared_with` names. policy: `DropImages()` by default, or `DropIdentities()`. layout: "folder" or
    "shards" (of 64 identities), by default that of the data set, a folder for record files.

    Encoded bytes are copied as they are. Labels become 0 .. k - 1 in the old order. Images keep the names that the set
    has, except that identities and samples of a data set with the kit's manifest are numbered anew, as those are; if
    its identities stayed whole, the manifest is written again for what is left. Raises ValueError when the leaks belong
    to other images, when nothing is left, and for a place that holds something else.
    """
    images = dataset if isinstance(dataset, ImageSet) else open_image_set(dataset, progress)
    target, rule = Path(out), DropImages() if policy is None else policy
    kind = _layout(images, layout)
    if len(leaks.nearest_cosines) != len(images):
        raise ValueError(
            f"The leaks are those of {len(leaks.nearest_cosines)} images, but {images.source} holds {len(images)}."
        )
    check_exclusion_place(images, target)
    check_names(images)
    leaking = np.zeros(len(images), dtype=bool)
    leaking[leaks.samples] = True
    reasons = rule.reasons(images.labels, leaking)
    manifest = kit_manifest(images)
    kept = KeptImages.of(images, np.flatnonzero(reasons == KEPT), numbered=manifest is not None)
    wanted = _described(images, leaks, reasons, kept, kind, embedder, rule, compared_with)
    if not len(kept):
        raise ValueError(f"{images.source}: of {len(images)} images none would be left, so nothing is written.")
    if _claim(target, wanted):
        return wanted
    (write_kept_folder if kind == "folder" else write_kept_shards)(kept, target, progress)
    if manifest is not None and kept.whole_identities:
        write_kit_manifest(target, manifest, kind, list(kept.old_labels), wanted.to_record())
    # the record is complete before it says so
    write_json(target / NOTE, _note(wanted, True) | _details(images, leaks, reasons, kept))
    return wanted


def check_exclusion_place(images: ImageSet, out: str | Path) -> None:
    """Refuse a place where the images cannot be written without what leaks, before long work is done for it.

    Raises ValueError for one inside the data set, and for one that holds something else than an exclusion.
    """
    target = Path(out)
    if target.resolve().is_relative_to(images.source.resolve()):
        raise ValueError(f"{target}: a place outside the data set {images.source} was expected.")
    if (target / NOTE).exists():
        return
    foreign = ["a file"] if target.is_file() else []
    if target.is_dir():
        foreign = [entry.name for entry in target.iterdir() if not entry.name.startswith(".")]
    if foreign:
        raise ValueError(f"{target}: an empty folder or an unfinished exclusion was expected, found {foreign[0]}.")


def _layout(images: ImageSet, layout: str | None) -> ExclusionLayout:
    if layout is None:
        return "shards" if images.kind == "shards" else "folder"
    if layout not in get_args(ExclusionLayout):
        raise ValueError(f"layout: expected one of {', '.join(get_args(ExclusionLayout))}, found {layout!r}")
    return "shards" if layout == "shards" else "folder"


def _described(
    images: ImageSet,
    leaks: Leaks,
    reasons: npt.NDArray[np.str_],
    kept: KeptImages,
    layout: ExclusionLayout,
    embedder: Embedder,
    policy: ExclusionPolicy,
    compared_with: str,
) -> Exclusion:
    dropped = np.setdiff1d(images.labels, np.asarray(kept.old_labels, np.int64))
    return Exclusion(
        source=str(images.source),
        fingerprint=images.fingerprint,
        layout=layout,
        embedder=embedder.name,
        embedder_fingerprint=embedder.fingerprint,
        compared_with=compared_with,
        threshold_cosine=float(leaks.threshold),
        threshold_degrees=float(cosines_to_degrees(leaks.threshold)),
        policy=policy.describe(),
        excluded_sum=hashlib.sha256(np.flatnonzero(reasons != KEPT).tobytes()).hexdigest()[:16],
        images=len(images),
        identities=len(np.unique(images.labels)),
        kept_images=len(kept),
        kept_identities=len(kept.old_labels),
        reasons=dict(sorted(Counter(str(reason) for reason in reasons if reason != KEPT).items())),
        dropped_identities=len(dropped),
        left_over_identities=len(np.unique(images.labels[reasons == TOO_FEW_LEFT])),
    )


def _claim(target: Path, wanted: Exclusion) -> bool:
    """Note what is to be done before the first image; say whether it was done before; refuse another exclusion."""
    note = target / NOTE
    if not note.exists():
        target.mkdir(parents=True, exist_ok=True)
        write_json(note, _note(wanted, False))
        return False
    try:
        there = json.loads(note.read_text(encoding="utf-8"))
        if there["format"] != FORMAT:
            raise ValueError("another format")
        complete = bool(there["complete"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{note} was expected to describe an exclusion, found: {problem}.") from problem
    own = json.loads(json.dumps(wanted.to_record()))
    for name in ("fingerprint", "layout", "embedder_fingerprint", "threshold_cosine", "policy", "excluded_sum"):
        if there.get(name) != own[name]:
            raise ValueError(
                f"{target} holds another exclusion, with {name} {there.get(name)}, now {own[name]}: "
                "choose another name."
            )
    return complete


def _note(wanted: Exclusion, complete: bool) -> dict[str, Any]:
    return {"format": FORMAT, "complete": complete, "versions": versions(), **wanted.to_record()}


def _details(images: ImageSet, leaks: Leaks, reasons: npt.NDArray[np.str_], kept: KeptImages) -> dict[str, Any]:
    """Give what became of every identity, and of every image that is gone."""
    names = images.identities
    angle_of = dict(zip(leaks.samples.tolist(), leaks.angles_degrees.tolist(), strict=True))
    other_of = dict(zip(leaks.samples.tolist(), leaks.others.tolist(), strict=True))
    excluded = [
        {
            "image": int(number) if images.paths is None else images.paths[number],
            "label": int(images.labels[number]),
            "reason": str(reasons[number]),
            "angle_degrees": angle_of.get(int(number)),
            "compared_row": other_of.get(int(number)),
        }
        for number in np.flatnonzero(reasons != KEPT)
    ]
    return {
        "labels": {str(new): {"label": old, "name": names[old]} for new, old in enumerate(kept.old_labels)},
        "excluded": excluded,
    }
