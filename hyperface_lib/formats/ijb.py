"""IJB-B and IJB-C in the layout of the field: images, five points, templates, template pairs, galleries, probes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.ijb_tables import (
    MEDIA,
    PAIRS,
    POINTS,
    SUBJECTS,
    Table,
    line_of_row,
    read_table,
    table_blocks,
)

_MEDIA_FILE = "_face_tid_mid.txt"
_GALLERY_NAMES = (("S1", "S2"), ("G1", "G2"))
_MOST_IDS_IN_A_TABLE = 10_000_000


@dataclass(frozen=True, eq=False)
class TemplateSubjects:
    """Templates and who is on each: rows (k,) of `IjbMeta.templates`, subjects (k,); each template once."""

    rows: npt.NDArray[np.int32]
    subjects: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class IjbMeta:
    """What the files in `meta/` say; the images themselves stay on disk.

    image_names: (n,) relative to `images`. five_points: (n, 5, 2) in pixels of the image (x, y; left eye, right eye,
    nose, mouth corners). faceness: (n,) the detector's score. template_ids, media_ids: (n,) of each image.
    templates: (t,) the template ids, rising. pairs: (p, 2) rows of `templates`; is_same: (p,).
    galleries, probes: the 1:N sets, by name; none and None where their files are absent, which `notes` say.
    """

    name: str
    images: Path
    image_names: tuple[str, ...]
    five_points: npt.NDArray[np.float64]
    faceness: npt.NDArray[np.float64]
    template_ids: npt.NDArray[np.int64]
    media_ids: npt.NDArray[np.int64]
    templates: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int32]
    is_same: npt.NDArray[np.bool_]
    galleries: Mapping[str, TemplateSubjects] = field(default_factory=dict)
    probes: TemplateSubjects | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.image_names)

    def __repr__(self) -> str:
        return (
            f"IjbMeta({self.name}: {len(self)} images, {len(self.templates)} templates, {len(self.pairs)} pairs, "
            f"{int(self.is_same.sum())} same, galleries {', '.join(self.galleries) or 'none'})"
        )

    def path(self, image: int) -> Path:
        """Give the file of an image."""
        return self.images / self.image_names[image]

    def missing_images(self) -> tuple[str, ...]:
        """Name the images that are not in the folder."""
        if not self.images.is_dir():
            return self.image_names
        with os.scandir(self.images) as entries:
            present = {entry.name for entry in entries}
        return tuple(
            name
            for name in self.image_names
            if name not in present and ("/" not in name or not (self.images / name).is_file())
        )


def find_ijb(path: str | Path) -> list[Path]:
    """List the IJB folders that `path` is or holds: those with a `meta/*_face_tid_mid.txt`."""
    path = Path(path)
    return [folder for folder in (path, path / "IJBB", path / "IJBC") if _media_files(folder)]


def read_ijb(path: str | Path, points: str | Path | None = None) -> IjbMeta:
    """Read the lists of an IJB folder: `<root>/IJBB`, `<root>/IJBC`, or a root that holds one of them.

    The layout is the one InsightFace distributes (`eval_ijbc.py`): `loose_crop/` with the images and in `meta/`, for
    x = b or c, `ijbx_face_tid_mid.txt` (image template media), `ijbx_name_5pts_score.txt` (image, five points,
    faceness), `ijbx_template_pair_label.txt` (template template 0|1), and for 1:N `ijbb_1N_gallery_S1.csv` and `_S2`
    (IJB-C: `_G1`, `_G2`) and `ijbx_1N_probe_mixed.csv`, whose first columns are template and subject. The points are
    matched to the images by name; `points` names another file of them, such as `ijbb_name_5pts_score_retina.txt`.
    Without all 1:N files only 1:1 is read, and `notes` say so.

    Raises FileNotFoundError for a folder or list that is not there, and ValueError naming file and line for a malformed
    row, a point or score that is not a finite number, a label other than 0 and 1, a template without an image, and a
    template with two subjects.
    """
    folder = _only_folder(Path(path))
    meta = folder / "meta"
    media_file, *others = _media_files(folder)
    if others:
        raise ValueError(f"{meta} was expected to hold one benchmark, found {media_file.name} and {others[0].name}.")
    prefix = media_file.name.removesuffix(_MEDIA_FILE)
    media = read_table(media_file, MEDIA)
    names = tuple(media["name"].tolist())
    _require_inside(media_file, names)
    places, faceness = _points_of(names, media_file, Path(points) if points else meta / f"{prefix}_name_5pts_score.txt")
    template_ids, media_ids = (np.ascontiguousarray(column) for column in media["ids"].T)
    templates = _Templates(template_ids, media_file)
    pairs, is_same = _read_pairs(meta / f"{prefix}_template_pair_label.txt", templates)
    galleries, probes, notes = _read_identification(meta, prefix, templates)
    return IjbMeta(
        name={"ijbb": "IJB-B", "ijbc": "IJB-C"}.get(prefix, prefix),
        images=folder / "loose_crop",
        image_names=names,
        five_points=places,
        faceness=faceness,
        template_ids=template_ids,
        media_ids=media_ids,
        templates=templates.ids,
        pairs=pairs,
        is_same=is_same,
        galleries=galleries,
        probes=probes,
        notes=notes,
    )


class _Templates:
    """Template ids in order, and the row of each."""

    def __init__(self, template_ids: npt.NDArray[np.int64], source: Path) -> None:
        self.ids = np.unique(template_ids)
        self.source = source
        self._first = int(self.ids[0])
        span = int(self.ids[-1]) - self._first + 1
        self._rows: npt.NDArray[np.int32] | None = None
        if span <= _MOST_IDS_IN_A_TABLE:
            self._rows = np.full(span, -1, np.int32)
            self._rows[self.ids - self._first] = np.arange(len(self.ids), dtype=np.int32)

    def rows_of(self, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Give the row of each id, -1 for one that has no image."""
        if self._rows is None:
            places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
            return np.where(self.ids[places] == wanted, places, -1).astype(np.int32)
        inside = (wanted >= self._first) & (wanted < self._first + len(self._rows))
        return np.where(inside, self._rows[np.where(inside, wanted - self._first, 0)], np.int32(-1))


def _media_files(folder: Path) -> list[Path]:
    # [!.] leaves out what macOS puts beside the files it copies
    return sorted((folder / "meta").glob(f"[!.]*{_MEDIA_FILE}"))


def _only_folder(path: Path) -> Path:
    if not path.is_dir():
        raise FileNotFoundError(f"There is no IJB folder {path}.")
    found = find_ijb(path)
    if not found:
        raise FileNotFoundError(
            f"{path} was expected to be an IJB folder, with meta/ijbb{_MEDIA_FILE} or meta/ijbc{_MEDIA_FILE} in it or "
            "in its IJBB or IJBC, and has none."
        )
    if len(found) > 1:
        raise ValueError(f"{path} holds {' and '.join(folder.name for folder in found)}: name one of them.")
    return found[0]


def _require_inside(path: Path, names: tuple[str, ...]) -> None:
    """Refuse names that lead out of the image folder: the lists come with files of others."""
    for row, name in enumerate(names):
        if name[0] == "/" or "\\" in name or ":" in name or "\0" in name or ".." in PurePosixPath(name).parts:
            line = line_of_row(path, row, MEDIA)
            raise ValueError(f"{path} line {line}: an image name inside the image folder was expected, found {name!r}.")


def _points_of(
    names: tuple[str, ...], media_file: Path, path: Path
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give points and faceness in the order of the images."""
    table = read_table(path, POINTS)
    values = table["values"]
    wrong = np.flatnonzero(~(np.isfinite(values).all(axis=1) & (values[:, 10] >= 0)))
    if len(wrong):
        line = line_of_row(path, int(wrong[0]), POINTS)
        found = " ".join(f"{value:g}" for value in values[wrong[0]])
        raise ValueError(
            f"{path} line {line}: finite points and a faceness of at least 0 were expected, found {found}."
        )
    listed = table["name"].tolist()
    if tuple(listed) != names:
        row_of = {name: row for row, name in enumerate(listed)}
        if len(row_of) < len(listed):
            twice = next(row for row, name in enumerate(listed) if row_of[name] != row)
            twice = row_of[listed[twice]]
            line = line_of_row(path, twice, POINTS)
            raise ValueError(
                f"{path} line {line}: {listed[twice]!r} stands there a second time, and the file is not in the order "
                f"of {media_file.name}."
            )
        absent = next((row for row, name in enumerate(names) if name not in row_of), None)
        if absent is not None:
            line = line_of_row(media_file, absent, MEDIA)
            raise ValueError(f"{media_file} line {line}: the image {names[absent]!r} has no five points in {path}.")
        values = values[[row_of[name] for name in names]]
    return np.ascontiguousarray(values[:, :10]).reshape(-1, 5, 2), np.ascontiguousarray(values[:, 10])


def _read_pairs(path: Path, templates: _Templates) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    pairs: list[npt.NDArray[np.int32]] = []
    labels: list[npt.NDArray[np.bool_]] = []
    before = 0
    for block in table_blocks(path, PAIRS):
        ids = block["ids"]
        rows = templates.rows_of(ids[:, :2])
        _require_known(path, PAIRS, rows.min(axis=1) < 0, before, ids, templates)
        wrong = np.flatnonzero((ids[:, 2] != 0) & (ids[:, 2] != 1))
        if len(wrong):
            line = line_of_row(path, before + int(wrong[0]), PAIRS)
            raise ValueError(f"{path} line {line}: a label 0 or 1 was expected, found {ids[wrong[0], 2]}.")
        pairs.append(rows)
        labels.append(ids[:, 2] == 1)
        before += len(ids)
    return np.concatenate(pairs), np.concatenate(labels)


def _require_known(
    path: Path,
    table: Table,
    unknown: npt.NDArray[np.bool_],
    before: int,
    ids: npt.NDArray[np.int64],
    templates: _Templates,
) -> None:
    wrong = np.flatnonzero(unknown)
    if not len(wrong):
        return
    named = ids[wrong[0], : 2 if table is PAIRS else 1]
    absent = named[templates.rows_of(named) < 0][0]
    line = line_of_row(path, before + int(wrong[0]), table)
    raise ValueError(f"{path} line {line}: the template {absent} has no image in {templates.source.name}.")


def _read_identification(
    meta: Path, prefix: str, templates: _Templates
) -> tuple[dict[str, TemplateSubjects], TemplateSubjects | None, tuple[str, ...]]:
    expected = _GALLERY_NAMES[prefix == "ijbc"]
    for names in _GALLERY_NAMES:
        if all((meta / f"{prefix}_1N_gallery_{name}.csv").is_file() for name in names):
            expected = names
    files: dict[str, Path] = {name: meta / f"{prefix}_1N_gallery_{name}.csv" for name in expected}
    probe_file = meta / f"{prefix}_1N_probe_mixed.csv"
    missing = [file.name for file in (*files.values(), probe_file) if not file.is_file()]
    if missing:
        return {}, None, (f"No identification (1:N): {meta} has no {', '.join(missing)}.",)
    galleries = {name: _read_subjects(file, templates) for name, file in files.items()}
    return galleries, _read_subjects(probe_file, templates), ()


def _read_subjects(path: Path, templates: _Templates) -> TemplateSubjects:
    # a row an image or a row a template: both are in use
    ids: npt.NDArray[Any] = read_table(path, SUBJECTS)
    rows = templates.rows_of(ids[:, 0])
    _require_known(path, SUBJECTS, rows < 0, 0, ids, templates)
    unique, first, place = np.unique(rows, return_index=True, return_inverse=True)
    differs = np.flatnonzero(ids[first[place], 1] != ids[:, 1])
    if len(differs):
        row = int(differs[0])
        line = line_of_row(path, row, SUBJECTS)
        raise ValueError(
            f"{path} line {line}: the template {ids[row, 0]} is of subject {ids[row, 1]} there and of "
            f"{ids[first[place[row]], 1]} above."
        )
    return TemplateSubjects(unique.astype(np.int32), ids[first, 1])
