"""Whole photographs to vectors: read, find the face, cut it out, embed it, and report what could not be used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from hyperface_lib.embedding.detection import (
    ArcFaceCropper,
    DlibChipCropper,
    FaceCropper,
    central_box,
    choose_face,
    detect_faces,
    require_photo_models,
)
from hyperface_lib.embedding.protocol import Embedder
from hyperface_lib.embedding.workers import map_ordered, worker_count
from hyperface_lib.formats.images import read_image

Photograph = str | Path | NDArray[np.uint8]
WhenMissing = Literal["skip", "center"]

PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

_CHUNK = 256
# Below this many photographs the start of worker processes costs more than they save.
_WORTH_WORKERS = 128


@dataclass(frozen=True)
class PhotographProblem:
    """One thing to know about one photograph: its place in the input, what was found, and whether it was left out."""

    index: int
    name: str
    reason: str
    skipped: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.reason} ({'left out' if self.skipped else 'used'})"


@dataclass(frozen=True)
class PhotographCrops:
    """Aligned crops (m, size, size, 3) uint8, the input indices (m,) they belong to, and the problems met."""

    images: NDArray[np.uint8]
    kept: NDArray[np.int64]
    problems: list[PhotographProblem]


@dataclass(frozen=True)
class PhotographVectors:
    """Unit rows (m, d) float32, the input indices (m,) they belong to, and the problems met."""

    vectors: NDArray[np.float32]
    kept: NDArray[np.int64]
    problems: list[PhotographProblem]


@dataclass(frozen=True)
class FolderGallery:
    """The photographs of a folder and who is on each."""

    paths: list[Path]
    identities: list[str]

    def __len__(self) -> int:
        return len(self.paths)


def embed_photographs(
    embedder: Embedder,
    photographs: Sequence[Photograph],
    when_missing: WhenMissing = "skip",
    progress: bool = False,
    workers: int | None = None,
    cropper: FaceCropper | None = None,
) -> PhotographVectors:
    """Embed the subject of each photograph: paths, RGB or greyscale uint8 arrays, or both mixed.

    For dlib's descriptor the face is cut as dlib's chip, for every other embedder as the ArcFace crop of its size;
    `cropper` cuts it another way.
    A photograph that cannot be read, or shows no face, is left out and named in `problems`; with
    when_missing="center" one without a face is embedded as if centred on it, as LFW's are. Greyscale, CMYK and EXIF
    rotation are converted and named too. `workers`: processes (None: one for each core where there are many).
    Raises ValueError if nothing at all could be used, ModuleNotFoundError without the extra `photos`.
    """
    vectors = []
    kept: list[NDArray[np.int64]] = []
    problems: list[PhotographProblem] = []
    cropper = cropper or face_cropper(embedder)
    for crops in _crop_chunks(cropper, photographs, when_missing, workers, progress, "embedding photographs"):
        problems += crops.problems
        if len(crops.images):
            vectors.append(np.asarray(embedder.embed(crops.images), np.float32))
            kept.append(crops.kept)
    if not vectors:
        raise ValueError(_nothing_left(len(photographs), problems))
    return PhotographVectors(np.concatenate(vectors), np.concatenate(kept), problems)


def crop_photographs(
    cropper: FaceCropper,
    photographs: Sequence[Photograph],
    when_missing: WhenMissing = "skip",
    progress: bool = False,
    workers: int | None = None,
) -> PhotographCrops:
    """Cut out the faces that `embed_photographs` would embed, to look at or to keep; same arguments, same errors."""
    chunks = list(_crop_chunks(cropper, photographs, when_missing, workers, progress, "cropping photographs"))
    problems = [problem for crops in chunks for problem in crops.problems]
    if not any(len(crops.images) for crops in chunks):
        raise ValueError(_nothing_left(len(photographs), problems))
    return PhotographCrops(
        np.concatenate([crops.images for crops in chunks]), np.concatenate([crops.kept for crops in chunks]), problems
    )


def face_cropper(embedder: Embedder) -> FaceCropper:
    """Return what cuts the crop an embedder was trained on out of a photograph."""
    if embedder.name == "dlib":
        return DlibChipCropper(embedder.image_size)
    return ArcFaceCropper(embedder.image_size)


def folder_gallery(path: str | Path) -> FolderGallery:
    """List the photographs (jpg, png, webp, bmp) under a folder, sorted by path, hidden ones left out.

    The identity is the folder a photograph lies in, relative to `path`; one that lies in `path` itself is its own
    identity, under its file name. Raises NotADirectoryError, FileNotFoundError, or ValueError for no photographs.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"There is no folder {root}.")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} was expected to be a folder of photographs and is a file.")
    relative: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        inside = Path(folder).relative_to(root)
        relative += [
            inside / name
            for name in files
            if Path(name).suffix.lower() in PHOTOGRAPH_SUFFIXES and not name.startswith(".")
        ]
    if not relative:
        raise ValueError(f"{root} was expected to hold photographs (jpg, png, webp or bmp) and holds none.")
    relative.sort(key=lambda photograph: photograph.parts)
    identities = [
        photograph.parent.as_posix() if len(photograph.parts) > 1 else photograph.name for photograph in relative
    ]
    return FolderGallery([root / photograph for photograph in relative], identities)


@dataclass(frozen=True)
class _Outcome:
    crop: NDArray[np.uint8] | None
    problems: list[PhotographProblem]


def _crop_chunks(
    cropper: FaceCropper,
    photographs: Sequence[Photograph],
    when_missing: WhenMissing,
    workers: int | None,
    progress: bool,
    description: str,
) -> Iterator[PhotographCrops]:
    """Yield the crops of some hundred photographs at a time: a large gallery never lies in memory whole."""
    if when_missing not in get_args(WhenMissing):
        raise ValueError(f"Expected when_missing to be 'skip' or 'center'; got {when_missing!r}.")
    require_photo_models()
    # A lazy sequence of files names its paths: then files, not decoded arrays, go to the workers.
    sources: Sequence[Photograph] = getattr(photographs, "paths", photographs)
    processes = worker_count(workers, max(1, 2 * len(sources) // _WORTH_WORKERS))
    crop = partial(_crop, cropper=cropper, when_missing=when_missing)
    with tqdm(total=len(sources), disable=not progress, desc=description, unit="photo") as bar:
        for start in range(0, len(sources), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(sources)))
            outcomes = list(map_ordered(crop, ((index, sources[index]) for index in indices), processes))
            found = [(index, out.crop) for index, out in zip(indices, outcomes, strict=True) if out.crop is not None]
            shape = (0, cropper.size, cropper.size, 3)
            yield PhotographCrops(
                np.stack([image for _, image in found]) if found else np.zeros(shape, np.uint8),
                np.array([index for index, _ in found], np.int64),
                [problem for outcome in outcomes for problem in outcome.problems],
            )
            bar.update(len(indices))


def _crop(numbered: tuple[int, Photograph], cropper: FaceCropper, when_missing: WhenMissing) -> _Outcome:
    index, photograph = numbered
    name = str(photograph) if isinstance(photograph, str | Path) else f"photograph {index}"
    # One bad file among thousands must not end the run, whatever it makes a decoder or dlib raise.
    try:
        image, remarks = _read(photograph)
        box = choose_face(detect_faces(image), *image.shape[:2])
        if box is None:
            if when_missing == "skip":
                return _Outcome(None, [PhotographProblem(index, name, "no face was found", skipped=True)])
            box = central_box(*image.shape[:2])
            remarks.append("no face was found, the middle was taken")
        return _Outcome(cropper.crop(image, box), [PhotographProblem(index, name, text, False) for text in remarks])
    except Exception as error:
        reason = " ".join(str(error).split()).removeprefix(f"{name} ").rstrip(".") or type(error).__name__
        return _Outcome(None, [PhotographProblem(index, name, reason, skipped=True)])


def _read(photograph: Photograph) -> tuple[NDArray[np.uint8], list[str]]:
    """Return uint8 RGB (H, W, 3) and what had to be done to get it."""
    if isinstance(photograph, str | Path):
        return read_image(photograph), _conversions(photograph)
    if not isinstance(photograph, np.ndarray):
        raise TypeError(f"a path or a uint8 array was expected, found {type(photograph).__name__}")
    if photograph.dtype != np.uint8 or photograph.size == 0:
        raise TypeError(f"uint8 pixels were expected, found {photograph.dtype} {photograph.shape}")
    if photograph.ndim == 2 or (photograph.ndim == 3 and photograph.shape[2] == 1):
        plane = photograph.reshape(photograph.shape[:2])
        return np.repeat(plane[:, :, None], 3, axis=2), ["greyscale, used as three equal channels"]
    if photograph.ndim != 3 or photograph.shape[2] != 3:
        raise TypeError(f"an RGB image (H, W, 3) was expected, found {photograph.shape}")
    return np.ascontiguousarray(photograph), []


def _conversions(path: str | Path) -> list[str]:
    remarks = []
    with Image.open(path) as header:
        if header.mode in ("1", "L", "LA", "La") or header.mode.startswith("I"):
            remarks.append("greyscale, used as three equal channels")
        elif header.mode == "CMYK":
            remarks.append("CMYK, converted to RGB")
        orientation = header.getexif().get(0x0112, 1)
    if orientation in range(2, 9):
        remarks.append(f"turned upright by its EXIF orientation {orientation}")
    return remarks


def _nothing_left(count: int, problems: list[PhotographProblem]) -> str:
    if not count:
        return "Expected at least one photograph; got none."
    first = next(problem for problem in problems if problem.skipped)
    return f"None of the {count} photographs could be used; the first, {first.name}: {first.reason}."
