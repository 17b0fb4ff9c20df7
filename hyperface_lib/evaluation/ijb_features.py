"""Features of the images of an IJB folder: hours of work, so kept on disk in parts and gone on with."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.evaluation.ijb_parts import (
    Align,
    FeaturePart,
    ImageProblem,
    part_folder,
    part_key,
    read_part,
    write_part,
)
from hyperface_lib.formats import IjbMeta, ImageReadError, read_image

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

PART = 1024
"""Images embedded and written at a time: what an interruption loses."""


@dataclass(frozen=True, eq=False)
class IjbFeatures:
    """Features (n, d) of all images in parts, read when a range of rows is asked for; zero where not `present` (n,)."""

    parts: Sequence[Callable[[], npt.NDArray[np.float32]]]
    present: npt.NDArray[np.bool_]
    problems: tuple[ImageProblem, ...]

    def __len__(self) -> int:
        return len(self.present)

    def __getitem__(self, rows: slice) -> npt.NDArray[np.float32]:
        start, stop, _ = rows.indices(len(self))
        if start >= stop:
            return self.parts[0]()[:0]
        first, last = start // PART, (stop - 1) // PART
        held = np.concatenate([self.parts[number]() for number in range(first, last + 1)])
        return held[start - first * PART : stop - first * PART]


def embed_ijb(
    embedder: Embedder,
    meta: IjbMeta,
    align: Align,
    cache: str | Path | None = None,
    progress: bool = False,
    threads: int | None = None,
) -> IjbFeatures:
    """Align every image by its five points, embed it and its mirror image, and sum both features: not normalised.

    align: `hyperface_lib.embedding.align_face`, or another cut of the size the embedder takes. cache: a folder; parts
    of 1024 images are written there as they are done, and taken from there by the next call with the same embedder,
    alignment, points and image files (by size and time of change), so an interrupted run is gone on with; one damaged
    or outdated part is made again alone. Without it features stay in memory, n x d x 4 bytes. threads: how many read
    and align images while the embedder works (None: one for each core).

    An image that is missing, unreadable or without a possible alignment is named in `problems`. Raises ValueError where
    not one could be used, for an embedder that takes no template crops, and for features that are not finite, and
    FileNotFoundError without the folder of images.
    """
    size = embedder.image_size
    if size != 64 and size % 112 and size % 128:
        raise ValueError(f"{embedder.name} takes its own {size}-pixel chip, not the template crops of {meta.name}.")
    if not meta.images.is_dir():
        raise FileNotFoundError(f"There is no folder {meta.images} with the images of {meta.name}.")
    folder = None if cache is None else part_folder(Path(cache).expanduser(), embedder, meta)
    ranges = [range(start, min(start + PART, len(meta))) for start in range(0, len(meta), PART)]
    keys = ["" if folder is None else part_key(embedder, meta, align, rows) for rows in ranges]
    files = [None if folder is None else folder / f"features-{rows.start:07d}.safetensors" for rows in ranges]
    done = [None if file is None else _status(file, key) for file, key in zip(files, keys, strict=True)]
    todo = [number for number, part in enumerate(done) if part is None]
    parts: list[Callable[[], npt.NDArray[np.float32]]] = [
        partial(_same, np.zeros((0, 0), np.float32)) if file is None else partial(_features, file, key)
        for file, key in zip(files, keys, strict=True)
    ]
    with (
        closing(_crops(meta, align, size, [ranges[number] for number in todo], threads)) as cropped,
        tqdm(
            total=len(meta),
            initial=len(meta) - sum(len(ranges[number]) for number in todo),
            desc=f"{embedder.name} on {meta.name}",
            unit="image",
            disable=not progress,
        ) as bar,
    ):
        for number, crops in zip(todo, cropped, strict=True):
            part = _embedded(embedder, meta, ranges[number], crops)
            file = files[number]
            if file is None:
                parts[number] = partial(_same, part.features)
            else:
                write_part(file, keys[number], part)
            done[number] = _without_features(part)
            bar.update(len(ranges[number]))
    known = [part for part in done if part is not None]
    found = IjbFeatures(
        parts, np.concatenate([part.present for part in known]), tuple(one for part in known for one in part.problems)
    )
    if not found.present.any():
        raise ValueError(
            f"None of the {len(meta)} images of {meta.name} could be used; the first, {found.problems[0]}."
        )
    return found


def _crops(
    meta: IjbMeta, align: Align, size: int, ranges: Sequence[range], threads: int | None
) -> Generator[list[npt.NDArray[np.uint8] | str], None, None]:
    """Yield the crops of each range, or why there is none, while threads already read the next range."""
    pool = ThreadPoolExecutor(threads or os.cpu_count())

    def submit(rows: range | None) -> list[Future[npt.NDArray[np.uint8] | str]]:
        return [pool.submit(_crop, meta, align, size, row) for row in rows or ()]

    try:
        waiting = submit(ranges[0]) if ranges else []
        for following, _ in zip_longest(ranges[1:], ranges):
            ahead = submit(following)
            yield [future.result() for future in waiting]
            waiting = ahead
    finally:
        pool.shutdown(cancel_futures=True)


def _crop(meta: IjbMeta, align: Align, size: int, row: int) -> npt.NDArray[np.uint8] | str:
    try:
        crop = align(read_image(meta.path(row)), meta.five_points[row], size)
    except FileNotFoundError:
        return "the file is missing"
    except (ImageReadError, ValueError, OSError) as problem:
        return " ".join(str(problem).split())
    if crop.shape != (size, size, 3):
        raise TypeError(f"The alignment must give crops ({size}, {size}, 3), found {crop.shape}.")
    return crop


def _embedded(
    embedder: Embedder, meta: IjbMeta, rows: range, crops: Sequence[npt.NDArray[np.uint8] | str]
) -> FeaturePart:
    problems = tuple(
        ImageProblem(meta.image_names[row], int(meta.template_ids[row]), crop)
        for row, crop in zip(rows, crops, strict=True)
        if isinstance(crop, str)
    )
    present = np.array([not isinstance(crop, str) for crop in crops])
    features = np.zeros((len(rows), embedder.dimension), np.float32)
    if present.any():
        images = np.stack([crop for crop in crops if not isinstance(crop, str)])
        features[present] = _with_mirror(embedder, images)
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        name = meta.path(rows[int(wrong[0])])
        raise ValueError(f"{embedder.name} gives a feature for {name} that is not of finite numbers.")
    return FeaturePart(features, present, problems)


def _with_mirror(embedder: Embedder, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    embed = getattr(embedder, "embed_raw", embedder.embed)
    plain = np.asarray(embed(images), dtype=np.float32)
    return plain + np.asarray(embed(np.ascontiguousarray(images[:, :, ::-1])), dtype=np.float32)


def _status(path: Path, key: str) -> FeaturePart | None:
    part = read_part(path, key)
    return None if part is None else _without_features(part)


def _without_features(part: FeaturePart) -> FeaturePart:
    """Leave the features where they are kept: they are read again when they are pooled."""
    return replace(part, features=part.features[:0].copy())


def _features(path: Path, key: str) -> npt.NDArray[np.float32]:
    part = read_part(path, key)
    if part is None:
        raise OSError(f"{path} was written and can no longer be read as it was: run again to make it anew.")
    return part.features


def _same(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features
