"""What a file of the field is: counts, sizes, first images, problems. Nothing in it is executed, nothing is changed."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hyperface_lib.formats.images import decode_image

IMAGES_LOOKED_AT = 200
"""Images decoded of a set, evenly spread over it: enough to see what it is, in a second."""
PICTURES_KEPT = 8

Facts = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found: kind in words, facts by name (plain values), problems (a sentence each), the first pictures.

    pictures: some decoded images, uint8 RGB (h, w, 3), for a contact sheet; empty where there are none.
    """

    path: Path
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    pictures: tuple[npt.NDArray[np.uint8], ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "facts": dict(self.facts),
            "problems": list(self.problems),
        }


Describer = Callable[[Path], Inspection | None]
"""Looks at a file or folder; None says that it is not of its kind. What is wrong inside goes among the problems."""


def inspect(path: str | Path, describers: Sequence[Describer] = ()) -> Inspection:
    """Say what any file or folder of the field is.

    Knows verification sets, record files, LMDB, pair lists, image folders, tar shards, `.npy` arrays and single images;
    `describers` of other rooms (vectors, recognisers, ONNX networks) are asked first. Raises FileNotFoundError, or
    ValueError for a file that nobody knows.
    """
    from hyperface_lib.formats.describers import DESCRIBERS

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: a file or a folder was expected, found nothing there.")
    for describe in (*describers, *DESCRIBERS):
        found = describe(path)
        if found is not None:
            return found
    start = b"" if path.is_dir() else path.open("rb").read(16)
    raise ValueError(
        f"{path} was expected to be a file of face recognition (.bin, .rec, pair list, image folder, shards, vectors, "
        f"network), found {'a folder without any' if path.is_dir() else f'a file that begins with {start!r}'}."
    )


@dataclass
class Survey:
    """Sizes, formats and troubles of some images of a set."""

    facts: Facts
    problems: list[str]
    pictures: list[npt.NDArray[np.uint8]]


def survey_images(count: int, encoded: Callable[[int], bytes], where: Callable[[int], str]) -> Survey:
    """Decode up to 200 of `count` images, evenly spread, and say what they are."""
    numbers = np.unique(np.linspace(0, count - 1, min(count, IMAGES_LOOKED_AT)).round().astype(int)).tolist()
    sizes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    grey: list[str] = []
    broken: list[str] = []
    first: list[str] = []
    pictures: list[npt.NDArray[np.uint8]] = []
    total = 0
    for number in numbers:
        try:
            content = encoded(number)
            total += len(content)
            image = decode_image(content, where(number))
            kind, mode = _kind_and_mode(content)
        except (ValueError, OSError) as problem:
            broken.append(str(problem))
            continue
        size = f"{image.shape[1]} x {image.shape[0]}"
        sizes[size] += 1
        kinds[kind] += 1
        if mode in ("1", "L", "LA", "I;16", "I"):
            grey.append(where(number))
        if len(pictures) < PICTURES_KEPT:
            pictures.append(image)
            first.append(f"{where(number)}: {size}, {kind}, {len(content)} bytes")
    facts: Facts = {
        "images_looked_at": len(numbers),
        "sizes": _counted(sizes),
        "encodings": _counted(kinds),
        "bytes_per_image": round(total / max(1, len(numbers))),
        "first_images": first[:3],
    }
    looked = f"of {len(numbers)} images looked at"
    problems = []
    if broken:
        problems.append(f"{len(broken)} {looked} cannot be read, the first: {broken[0]}")
    if grey:
        problems.append(f"{len(grey)} {looked} are greyscale, the first: {grey[0]}.")
    if len(sizes) > 1:
        problems.append(f"{len(sizes)} sizes {looked}: {facts['sizes']}.")
    return Survey(facts, problems, pictures)


def identity_facts(labels: npt.NDArray[np.int64]) -> Facts:
    """Count identities and their images."""
    _, counts = np.unique(labels, return_counts=True)
    return {
        "images": len(labels),
        "identities": len(counts),
        "images_per_identity": f"{counts.min()} to {counts.max()}, median {np.median(counts):g}",
    }


def identity_problems(labels: npt.NDArray[np.int64]) -> list[str]:
    """Name what trips trainers: labels that are not 0 .. n - 1, identities with one image."""
    numbers, counts = np.unique(labels, return_counts=True)
    problems = []
    if numbers[0] != 0 or numbers[-1] != len(numbers) - 1:
        problems.append(
            f"Labels run from {numbers[0]} to {numbers[-1]} for {len(numbers)} identities, 0 to {len(numbers) - 1} is "
            f"what trainers expect."
        )
    single = int((counts == 1).sum())
    if single and len(counts) > 1:
        problems.append(f"{single} of {len(counts)} identities have one image only.")
    return problems


def _kind_and_mode(content: bytes) -> tuple[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content)) as image:
            return image.format or "image", image.mode


def _counted(counter: Counter[str]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in counter.most_common(4))
    return shown + (f", and {len(counter) - 4} more" if len(counter) > 4 else "")
