"""What an IJB folder says of itself when it is inspected."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperface_lib.formats.ijb import IjbMeta, find_ijb, read_ijb
from hyperface_lib.formats.inspection import Facts, Inspection, survey_images


def describe_ijb(path: Path) -> Inspection | None:
    """Describe a folder of IJB-B or IJB-C, or one that holds them."""
    found = find_ijb(path) if path.is_dir() else []
    if not found:
        return None
    kind = "template benchmark (IJB)"
    if len(found) > 1:
        return Inspection(path, kind, {"holds": [str(folder) for folder in found]})
    try:
        meta = read_ijb(found[0])
    except (ValueError, FileNotFoundError) as problem:
        return Inspection(path, kind, {"folder": str(found[0])}, (str(problem),))
    absent = set(meta.missing_images())
    present = [row for row, name in enumerate(meta.image_names) if name not in absent]
    problems = list(meta.notes)
    if absent:
        problems.append(f"{len(absent)} of {len(meta)} images are not in {meta.images}, the first: {min(absent)}.")
    if not present:
        return Inspection(path, kind, _facts(meta), tuple(problems))
    survey = survey_images(
        len(present), lambda row: meta.path(present[row]).read_bytes(), lambda row: meta.image_names[present[row]]
    )
    # loose crops are of all sizes
    problems += [problem for problem in survey.problems if " sizes of " not in problem]
    return Inspection(path, kind, {**_facts(meta), **survey.facts}, tuple(problems), tuple(survey.pictures))


def _facts(meta: IjbMeta) -> Facts:
    counts = np.bincount(np.searchsorted(meta.templates, meta.template_ids))
    facts: Facts = {
        "benchmark": meta.name,
        "images": len(meta),
        "templates": len(meta.templates),
        "media": len(np.unique(meta.media_ids)),
        "images_per_template": f"{counts.min()} to {counts.max()}, median {np.median(counts):g}",
        "template_pairs": len(meta.pairs),
        "same": int(meta.is_same.sum()),
    }
    for name, gallery in meta.galleries.items():
        facts[f"gallery_{name}"] = len(gallery)
    if meta.probes is not None:
        facts["probes"] = len(meta.probes)
    return facts
