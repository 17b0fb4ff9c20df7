"""What sets of labelled images say of themselves when they are inspected: record files, LMDB, shards, folders."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.image_folder import read_image_folder
from hyperface_lib.formats.image_shards import read_image_shards, shard_files
from hyperface_lib.formats.images import IMAGE_SUFFIXES
from hyperface_lib.formats.inspection import Facts, Inspection, identity_facts, identity_problems, survey_images
from hyperface_lib.formats.lmdb_set import LmdbSet, is_lmdb
from hyperface_lib.formats.record_io import record_starts
from hyperface_lib.formats.records import EXACT_LABELS, RecordReader


def describe_records(path: Path) -> Inspection | None:
    """Describe a `.rec` file, its `.idx`, or the folder they lie in."""
    file = path.with_suffix(".rec") if path.suffix == ".idx" else path
    if path.is_dir():
        found = sorted(one for one in path.glob("*.rec") if not one.name.startswith("."))
        if not found:
            return None
        file = found[0]
    if file.suffix != ".rec":
        return None
    kind = "record file (MXNet .rec)"
    try:
        records = RecordReader(file, progress=True)
        labels = records.labels
    except (ValueError, FileNotFoundError) as problem:
        facts = {"file": str(file), **({"whole_records": _whole_records(file)} if file.is_file() else {})}
        return Inspection(path, kind, facts, (str(problem),))
    survey = survey_images(
        len(records),
        lambda row: records[row][0],
        lambda row: f"key {records.keys[row]} at offset {records.offsets[row]}",
    )
    facts = {
        "file": str(file),
        "layout": records.layout,
        **identity_facts(labels),
        "index": "yes" if file.with_suffix(".idx").is_file() else "none, the file was scanned",
        **_side_files(file),
        **survey.facts,
    }
    problems = identity_problems(labels) + _label_problems(labels) + survey.problems
    if records.bytes_not_indexed:
        problems.append(f"{records.bytes_not_indexed} bytes lie behind the last record of the index: is it cut?")
    try:
        facts["names"] = "none" if records.listed is None else list(records.identities.values())[:3]
    except ValueError as problem:
        problems.append(str(problem))
    classes = str(facts.get("property", "")).partition(",")[0]
    if classes.isdecimal() and int(classes) != facts["identities"]:
        problems.append(f"The file `property` speaks of {classes} identities, there are {facts['identities']}.")
    return Inspection(path, kind, facts, tuple(problems), tuple(survey.pictures))


def describe_lmdb(path: Path) -> Inspection | None:
    """Describe an LMDB file of labelled images."""
    if not is_lmdb(path):
        return None
    kind = "LMDB of images (Vec2Face, HSFace)"
    try:
        images = LmdbSet(path, progress=True)
        labels, classes = images.labels, images.classes
    except (ValueError, FileNotFoundError) as problem:
        return Inspection(path, kind, {"file": str(path)}, (str(problem),))
    survey = survey_images(len(images), lambda row: images[row][0], images.where)
    facts = {"file": str(path), **identity_facts(labels), "masked": images.masked, "classes": classes, **survey.facts}
    problems = identity_problems(labels) + survey.problems
    # The common writers store the number of identities, some of them the largest label.
    if classes is not None and not images.masked and classes not in (facts["identities"], int(labels.max())):
        problems.append(f"__classnum__ speaks of {classes} identities, there are {facts['identities']}.")
    try:
        names = images.listed
        facts["names"] = "none" if names is None else list(names.identities.values())[:3]
    except ValueError as problem:
        problems.append(str(problem))
    return Inspection(path, kind, facts, tuple(problems), tuple(survey.pictures))


def describe_shards(path: Path) -> Inspection | None:
    """Describe tar shards: a folder of them, or one."""
    files = shard_files(path)
    if not files:
        return None
    kind = "tar shards (webdataset)"
    try:
        shards = read_image_shards(path, progress=True)
    except ValueError as problem:
        return Inspection(path, kind, {"shards": len(files)}, (str(problem),))
    survey = survey_images(len(shards), shards.encoded, shards.where)
    facts = {"shards": len(files), **identity_facts(shards.labels), **survey.facts}
    problems = identity_problems(shards.labels) + survey.problems
    return Inspection(path, kind, facts, tuple(problems), tuple(survey.pictures))


def describe_image_folder(path: Path) -> Inspection | None:
    """Describe a folder <identity>/<image>."""
    if not path.is_dir():
        return None
    try:
        folder = read_image_folder(path)
    except ValueError:
        return None
    paths = folder.paths
    survey = survey_images(
        len(paths), lambda row: paths[row].read_bytes(), lambda row: str(paths[row].relative_to(path))
    )
    facts = {**identity_facts(folder.labels), "names": list(folder.identities[:3]), **survey.facts}
    problems = identity_problems(folder.labels) + survey.problems
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    empty = sorted(entry.name for entry in entries if entry.is_dir() and entry.name not in set(folder.identities))
    loose = sorted(entry.name for entry in entries if entry.is_file() and entry.suffix.lower() in IMAGE_SUFFIXES)
    if empty:
        problems.append(f"{len(empty)} folders hold no image, the first: {empty[0]}.")
    if loose:
        problems.append(f"{len(loose)} images lie in no identity's folder, the first: {loose[0]}.")
    return Inspection(path, "image folder (<identity>/<image>)", facts, tuple(problems), tuple(survey.pictures))


def _label_problems(labels: npt.NDArray[np.int64]) -> list[str]:
    """Name labels that float32 may have rounded or that are no identity's."""
    problems = []
    negative = int((labels < 0).sum())
    if negative:
        problems.append(f"{negative} of {len(labels)} images have a negative label, the least {labels.min()}.")
    if labels.max() > EXACT_LABELS:
        problems.append(
            f"Labels reach {labels.max()}, and float32 is exact to {EXACT_LABELS}: identities may have become one."
        )
    return problems


def _whole_records(file: Path) -> int:
    """Count the records before the first damage."""
    count = 0
    with file.open("rb") as stream:
        if not file.stat().st_size:
            return 0
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                for _ in record_starts(content, str(file)):
                    count += 1
            except ValueError:
                pass
    return count


def _side_files(file: Path) -> Facts:
    """Say what lies beside a record file in InsightFace's folders."""
    facts: Facts = {}
    place = file.parent / "property"
    if place.is_file() and place.stat().st_size < 1000:
        facts["property"] = place.read_text(encoding="utf-8", errors="replace").strip().split("\n")[0]
    sets = sorted(one.stem for one in file.parent.glob("*.bin"))
    if sets:
        facts["verification_sets"] = sets
    return facts
