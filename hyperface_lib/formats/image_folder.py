"""Image folders: root/<identity>/<image>, the layout that hands and most training code use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hyperface_lib.formats.images import IMAGE_SUFFIXES, ImageFiles


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Images of named identities, read when asked for.

    images: the lazy sequence; `images.paths` are its files. labels: (n,) int64 into `identities`.
    identities: folder names in sorted order, only those that hold at least one image.
    """

    root: Path
    images: ImageFiles
    labels: npt.NDArray[np.int64]
    identities: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The image files, ordered by identity and then by file name."""
        return self.images.paths

    @property
    def names(self) -> tuple[str, ...]:
        """The identity of every image."""
        return tuple(self.identities[label] for label in self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.uint8], int]:
        return self.images[index], int(self.labels[index])

    def of(self, identity: str) -> Sequence[npt.NDArray[np.uint8]]:
        """Give the images of one identity, lazily. Raises ValueError when there is no such identity."""
        if identity not in self.identities:
            raise ValueError(f"{self.root} has no identity {identity!r} among its {len(self.identities)}.")
        label = self.identities.index(identity)
        return ImageFiles(self.paths[int(index)] for index in np.flatnonzero(self.labels == label))


def read_image_folder(root: str | Path) -> ImageFolder:
    """List root/<identity>/<image> without reading the images.

    The order is the same on every machine: identities sorted by name, then images sorted by name, both by code point.
    Hidden files and files without an image suffix are left out, images may lie in deeper folders of an identity.
    Raises FileNotFoundError when root is no folder and ValueError when it holds no identity with an image.
    """
    root = Path(root)
    if not root.is_dir():
        there = "a file" if root.exists() else "nothing there"
        raise FileNotFoundError(f"{root}: an image folder was expected, found {there}.")
    paths: list[Path] = []
    labels: list[int] = []
    identities: list[str] = []
    for folder in sorted(
        (f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")), key=lambda f: f.name
    ):
        found = [
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]
        if found:
            found.sort(key=lambda path: path.relative_to(folder).as_posix())
            labels += [len(identities)] * len(found)
            identities.append(folder.name)
            paths += found
    if not paths:
        raise ValueError(f"{root}: images were expected as <identity>/<image>, found none.")
    return ImageFolder(root, ImageFiles(paths), np.asarray(labels, dtype=np.int64), tuple(identities))
