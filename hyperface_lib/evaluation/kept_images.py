"""What is left of an image set when some images go: numbered anew and written image by image or shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from hyperface_lib.atomic import TEMPORARY_MARK, atomic_path
from hyperface_lib.formats import ImageSet
from hyperface_lib.formats.image_list import write_image_list
from hyperface_lib.formats.image_sets import LIST_NAME, image_suffix
from hyperface_lib.formats.image_shards import write_shard
from hyperface_lib.formats.images import IMAGE_SUFFIXES

IDENTITIES_PER_SHARD = 64


@dataclass(frozen=True, eq=False)
class KeptImages:
    """What remains of an image set: numbers (k,) in it, new labels (k,), new samples (k,), old labels by new one.

    numbered: whether identities and files are named by their new numbers; else they keep the names they have.
    """

    images: ImageSet
    numbers: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    old_labels: tuple[int, ...]
    numbered: bool

    @classmethod
    def of(cls, images: ImageSet, numbers: npt.NDArray[np.int64], numbered: bool) -> Self:
        """Number what remains anew; `numbered` names identities and files by their numbers, too."""
        old, first, labels = np.unique(images.labels[numbers], return_index=True, return_inverse=True)
        return cls(images, numbers, labels, np.arange(len(numbers)) - first[labels], tuple(old.tolist()), numbered)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def whole_identities(self) -> bool:
        """Whether every identity that is left has all its images."""
        before = dict(zip(*np.unique(self.images.labels, return_counts=True), strict=True))
        after = np.bincount(self.labels)
        return all(before[old] == count for old, count in zip(self.old_labels, after, strict=True))

    def read(self, place: int) -> tuple[bytes, str]:
        """Return the bytes of a remaining image and the suffix they deserve."""
        number = int(self.numbers[place])
        encoded = self.images.encoded(number)
        suffix = image_suffix(encoded)
        if suffix is None:
            raise ValueError(
                f"{self.images.where(number)} was expected to be an image, found bytes {bytes(encoded[:8])!r}."
            )
        return encoded, suffix

    def known_name(self, place: int) -> str | None:
        """Return the name of a remaining image where it is known unread."""
        if self.numbered or self.images.paths is None:
            return None
        name = self.images.paths[self.numbers[place]]
        return name if Path(name).suffix.lower() in IMAGE_SUFFIXES else None

    def name(self, place: int, suffix: str) -> str:
        """Return the name "identity/file" of a remaining image."""
        known = self.known_name(place)
        if known is not None:
            return known
        if self.numbered or self.images.paths is None:
            return f"{self.labels[place]:06d}/{self.samples[place]:03d}{suffix}"
        return self.images.paths[self.numbers[place]] + suffix


def write_kept_folder(kept: KeptImages, target: Path, progress: bool = False) -> None:
    """Write <identity>/<image> and the list of labels and names; images that are there are left as they are."""
    rows = []
    for leftover in target.rglob(f".*{TEMPORARY_MARK}*"):
        leftover.unlink()
    for place in tqdm(range(len(kept)), desc="writing", unit="image", disable=not progress):
        name = kept.known_name(place)
        if name is None or not (target / name).is_file():
            encoded, suffix = kept.read(place)
            name = kept.name(place, suffix)
            if not (target / name).is_file():
                with atomic_path(target / name) as temporary:
                    temporary.write_bytes(encoded)
        rows.append((place, name, int(kept.labels[place])))
    write_image_list(target / LIST_NAME, rows)


def write_kept_shards(kept: KeptImages, target: Path, progress: bool = False) -> None:
    """Write tar shards of 64 identities, with the list of names where there are any; whole shards are left."""
    starts = np.flatnonzero(kept.samples == 0)[::IDENTITIES_PER_SHARD].tolist()
    width = max(3, len(str(int(kept.samples.max()))))
    for leftover in target.glob(f".*{TEMPORARY_MARK}*"):
        leftover.unlink()

    def members(start: int, stop: int) -> Iterator[tuple[str, bytes, int]]:
        for place in range(start, stop):
            encoded, suffix = kept.read(place)
            yield f"{kept.labels[place]:06d}_{kept.samples[place]:0{width}d}{suffix}", encoded, int(kept.labels[place])

    with tqdm(total=len(kept), desc="writing", unit="image", disable=not progress) as bar:
        for shard, (start, stop) in enumerate(zip(starts, [*starts[1:], len(kept)], strict=True)):
            file = target / f"shard-{shard:06d}.tar"
            if not file.is_file():
                write_shard(file, members(start, stop))
            bar.update(stop - start)
    if not kept.numbered and kept.images.paths is not None:
        paths = kept.images.paths
        rows = ((place, paths[number], int(kept.labels[place])) for place, number in enumerate(kept.numbers))
        write_image_list(target / LIST_NAME, rows)
