"""Features of the images of an IJB folder: hours of work, so kept on disk in parts and gone on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm.auto import tqdm

from hyperface_lib.atomic import atomic_path
from hyperface_lib.formats import IjbMeta, ImageReadError, read_image

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder

PART = 1024
"""Images embedded and written at a time: what an interruption loses."""

Align = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float64], int], npt.NDArray[np.uint8]]
"""(image (H, W, 3), five points (5, 2), size) -> crop (size, size, 3)."""


@dataclass(frozen=True)
class ImageProblem:
    """An image that could not be used: its name, its template, and why."""

    image: str
    template: int
    reason: str

    def __str__(self) -> str:
        return f"{self.image} (template {self.template}): {self.reason}"


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


@dataclass(frozen=True, eq=False)
class _Part:
    features: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    problems: tuple[ImageProblem, ...]


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
    not one could be used, for an embedder that takes no template crops, and for features that are not finite.
    """
    size = embedder.image_size
    if size != 64 and size % 112 and size % 128:
        raise ValueError(f"{embedder.name} takes its own {size}-pixel chip, not the template crops of {meta.name}.")
    folder = None if cache is None else _folder(Path(cache).expanduser(), embedder, meta)
    ranges = [range(start, min(start + PART, len(meta))) for start in range(0, len(meta), PART)]
    keys = ["" if folder is None else _key(embedder, meta, align, rows) for rows in ranges]
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
                _write(file, keys[number], part)
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
    except (ImageReadError, ValueError) as problem:
        return str(problem)
    if crop.shape != (size, size, 3):
        raise TypeError(f"The alignment must give crops ({size}, {size}, 3), found {crop.shape}.")
    return crop


def _embedded(embedder: Embedder, meta: IjbMeta, rows: range, crops: Sequence[npt.NDArray[np.uint8] | str]) -> _Part:
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
    return _Part(features, present, problems)


def _with_mirror(embedder: Embedder, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    embed = getattr(embedder, "embed_raw", embedder.embed)
    plain = np.asarray(embed(images), dtype=np.float32)
    return plain + np.asarray(embed(np.ascontiguousarray(images[:, :, ::-1])), dtype=np.float32)


def _folder(cache: Path, embedder: Embedder, meta: IjbMeta) -> Path:
    place = hashlib.sha256(str(meta.images.resolve()).encode()).hexdigest()[:8]
    return cache / f"{meta.name}-{place}-{embedder.fingerprint}-{embedder.image_size}px"


def _key(embedder: Embedder, meta: IjbMeta, align: Align, rows: range) -> str:
    """Hash all that the features of some images depend on."""
    total = hashlib.sha256()
    cut = f"{getattr(align, '__module__', '')}.{getattr(align, '__qualname__', type(align).__qualname__)}"
    # an embedder that adds mirror images itself gives features twice as long
    made_by = (embedder.fingerprint, embedder.image_size, embedder.dimension, getattr(embedder, "flip", False))
    total.update(f"1 {made_by} {cut}".encode())
    total.update(np.ascontiguousarray(meta.five_points[rows.start : rows.stop]).tobytes())
    for row in rows:
        try:
            status = meta.path(row).stat()
            total.update(f"{meta.image_names[row]} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{meta.image_names[row]} absent\n".encode())
    return total.hexdigest()


def _write(path: Path, key: str, part: _Part) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {"features": part.features, "present": part.present.astype(np.uint8)}
    problems = json.dumps([asdict(problem) for problem in part.problems])
    with atomic_path(path) as temporary:
        save_file(
            arrays,
            temporary,
            metadata={"key": key, "problems": problems, "sha256": _digest(arrays, problems)},
        )


def _read(path: Path, key: str) -> _Part | None:
    """Read a part, None where there is none of this key or it is not what was written."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            arrays = {name: file.get_tensor(name) for name in ("features", "present")}
        if metadata["sha256"] != _digest(arrays, metadata["problems"]):
            return None
        problems = tuple(ImageProblem(**one) for one in json.loads(metadata["problems"]))
        return _Part(arrays["features"], arrays["present"].astype(bool), problems)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None


def _status(path: Path, key: str) -> _Part | None:
    part = _read(path, key)
    return None if part is None else _without_features(part)


def _without_features(part: _Part) -> _Part:
    """Leave the features where they are kept: they are read again when they are pooled."""
    return replace(part, features=part.features[:0].copy())


def _features(path: Path, key: str) -> npt.NDArray[np.float32]:
    part = _read(path, key)
    if part is None:
        raise OSError(f"{path} was written and can no longer be read as it was: run again to make it anew.")
    return part.features


def _same(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features


def _digest(arrays: dict[str, npt.NDArray[Any]], problems: str) -> str:
    total = hashlib.sha256(problems.encode())
    for name in ("features", "present"):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()
