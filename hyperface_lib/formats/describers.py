"""What each file of this room says of itself when it is inspected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.describers_sets import (
    describe_image_folder,
    describe_lmdb,
    describe_records,
    describe_shards,
)
from hyperface_lib.formats.ijb_inspection import describe_ijb
from hyperface_lib.formats.images import IMAGE_SUFFIXES, read_image
from hyperface_lib.formats.inspection import (
    Describer,
    Facts,
    Inspection,
    survey_images,
)
from hyperface_lib.formats.numpy_vectors import norm_of, open_numpy_array, row_lengths
from hyperface_lib.formats.pairs import PairList, parse_pairs, read_pairs
from hyperface_lib.formats.verification_bin import EncodedImages, read_verification_bin


def describe_verification_bin(path: Path) -> Inspection | None:
    """Describe InsightFace's `.bin`."""
    if path.suffix != ".bin" or not path.is_file():
        return None
    kind = "verification set (InsightFace .bin)"
    try:
        pairs = read_verification_bin(path, size=None)
    except ValueError as problem:
        return Inspection(path, kind, {"bytes": path.stat().st_size}, (str(problem),))
    assert isinstance(pairs.images, EncodedImages)
    encoded = pairs.images.encoded
    survey = survey_images(len(encoded), lambda row: encoded[row], lambda row: f"image {row}")
    facts: Facts = {"pairs": len(pairs), "same": int(pairs.is_same.sum()), "images": len(encoded), **survey.facts}
    problems = list(survey.problems)
    if len(pairs) and len(set(pairs.is_same.tolist())) < 2:
        problems.append("All pairs have the same label, so no accuracy can be measured.")
    if len(pairs) < 10:
        problems.append(f"The ten-fold protocol needs ten pairs, there are {len(pairs)}.")
    return Inspection(path, kind, facts, tuple(problems), tuple(survey.pictures))


def describe_pairs(path: Path) -> Inspection | None:
    """Describe a pair list, or a folder that holds `pairs.txt`, and the images it names."""
    file = path / "pairs.txt" if path.is_dir() else path
    if not file.is_file() or file.suffix not in (".txt", ".csv", ".list"):
        return None
    kind = "pair list"
    try:
        listed = parse_pairs(file)
    except ValueError as problem:
        return Inspection(path, kind, {"file": str(file)}, (str(problem),))
    names = {name for pair in listed.pairs for name in pair}
    facts: Facts = {
        "file": str(file),
        "dialect": listed.dialect,
        "pairs": len(listed.pairs),
        "same": sum(listed.is_same),
        "images": len(names),
        "first_pairs": [f"{first} - {second}" for first, second in listed.pairs[:2]],
    }
    problems = _pair_problems(listed)
    pictures: list[Any] = []
    try:
        images = read_pairs(file).images
        paths = getattr(images, "paths", ())
        survey = survey_images(len(paths), lambda row: paths[row].read_bytes(), lambda row: str(paths[row]))
        facts |= survey.facts
        problems += survey.problems
        pictures = survey.pictures
    except (ValueError, FileNotFoundError) as problem:
        problems.append(str(problem))
    return Inspection(path, kind, facts, tuple(problems), tuple(pictures))


def describe_array(path: Path) -> Inspection | None:
    """Describe a `.npy` array: vectors (n, d) with their lengths, or anything else by its shape."""
    if path.suffix != ".npy" or not path.is_file():
        return None
    kind = "numpy array"
    try:
        array = open_numpy_array(path)
    except ValueError as problem:
        return Inspection(path, kind, {"bytes": path.stat().st_size}, (str(problem),))
    facts: Facts = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.ndim == 1 and array.dtype.kind in "iu" and array.size:
        return _index_mask(path, array, facts)
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        return Inspection(path, kind, facts)
    lengths = row_lengths(array)
    bad = np.flatnonzero(~np.isfinite(lengths))
    zero = np.flatnonzero(lengths == 0)
    good = lengths[np.isfinite(lengths)]
    problems = []
    if len(bad):
        problems.append(f"{len(bad)} of {len(array)} vectors hold NaN or infinity, the first in row {bad[0]}.")
    if len(zero):
        problems.append(f"{len(zero)} of {len(array)} vectors are zero, the first in row {zero[0]}.")
    if len(good):
        facts |= {
            "vectors": len(array),
            "dimension": int(array.shape[1]),
            "norm": norm_of(good),
            "lengths": f"{good.min():.4g} to {good.max():.4g}, median {np.median(good):.4g}",
        }
    return Inspection(path, "vectors (.npy)", facts, tuple(problems))


def describe_image(path: Path) -> Inspection | None:
    """Describe a single picture."""
    if not path.is_file() or path.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    survey = survey_images(1, lambda _: path.read_bytes(), lambda _: str(path))
    facts = {name: survey.facts[name] for name in ("sizes", "encodings", "first_images")}
    pictures = (read_image(path),) if survey.pictures else ()
    return Inspection(path, "image", facts, tuple(survey.problems), pictures)


DESCRIBERS: tuple[Describer, ...] = (
    describe_verification_bin,
    describe_records,
    describe_lmdb,
    describe_ijb,
    describe_shards,
    describe_pairs,
    describe_image_folder,
    describe_array,
    describe_image,
)


def _index_mask(path: Path, array: npt.NDArray[np.generic], facts: Facts) -> Inspection:
    """Describe whole numbers in a row: which images of a set count (Vec2Face's `*_mask.npy`), or labels."""
    values, counts = np.unique(array, return_counts=True)
    facts |= {"numbers": len(array), "different": len(values), "range": f"{values[0]} to {values[-1]}"}
    problems = []
    if path.stem.endswith("_mask"):
        if values[0] < 0:
            problems.append(f"{int(counts[values < 0].sum())} numbers are negative, the least {values[0]}.")
        if counts.max() > 1:
            problems.append(
                f"{int((counts > 1).sum())} numbers are there more than once, the first: {values[counts > 1][0]}."
            )
    return Inspection(path, "whole numbers (.npy)", facts, tuple(problems))


def _pair_problems(listed: PairList) -> list[str]:
    problems = []
    twice = len(listed.pairs) - len({tuple(sorted(pair)) for pair in listed.pairs})
    if twice:
        problems.append(f"{twice} pairs are listed more than once.")
    alike = sum(first == second for first, second in listed.pairs)
    if alike:
        problems.append(f"{alike} pairs are of an image with itself.")
    if len(set(listed.is_same)) < 2:
        problems.append("All pairs have the same label, so no accuracy can be measured.")
    if listed.folds is not None and listed.dialect == "lfw view 2":
        folds_of: dict[str, set[int]] = {}
        for pair, fold in zip(listed.pairs, listed.folds.tolist(), strict=True):
            for name in pair:
                folds_of.setdefault(name.partition("/")[0], set()).add(fold)
        shared = sorted(name for name, folds in folds_of.items() if len(folds) > 1)
        if shared:
            problems.append(
                f"{len(shared)} of {len(folds_of)} people are in more than one fold, the first: {shared[0]}."
            )
    return problems
