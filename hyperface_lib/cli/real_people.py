"""The real people that a data set is held against: crops, photographs, or vectors of the same embedder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hyperface_lib.cli.output import console

if TYPE_CHECKING:
    from hyperface_lib.embedding.protocol import Embedder
    from hyperface_lib.formats import ImageSet

PHOTOGRAPHS = "folder:"
"""What stands before a folder of photographs, as in notebook 01."""


@dataclass(frozen=True, eq=False)
class RealPeople:
    """Vectors (m, d) of real images, who each shows (m,), its own name (m,), and the pictures where there are any."""

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    persons: Sequence[str]
    names: Sequence[str]
    pictures: Any = None

    def compared_names(self, compared: str) -> Sequence[str]:
        """Return the names by the row numbers of a comparison: of images, or of people where centres are compared."""
        return self.names if compared == "samples-samples" else [self.persons[row] for row in self._first_rows()]

    def compared_pictures(self, compared: str) -> Any:
        """Return the pictures likewise, None where there are none; of a person the first."""
        if self.pictures is None or compared == "samples-samples":
            return self.pictures
        return [self.pictures[row] for row in self._first_rows()]

    def _first_rows(self) -> list[int]:
        """Return the first row of every person in the order in which centres are compared."""
        rows: list[int] = np.unique(self.labels, return_index=True)[1].tolist()
        return rows


def read_real_people(gallery: Path, embedder: Embedder) -> RealPeople:
    """Read or embed real people: an image set of crops, "folder:PATH" of photographs, or a .safetensors file.

    Raises ValueError for vectors of another embedder, and for files that cannot be read.
    """
    from hyperface_lib.evaluation import DecodedImages, embed_image_set
    from hyperface_lib.formats import open_image_set
    from hyperface_lib.runs import IdentityVectors

    if str(gallery).startswith(PHOTOGRAPHS):
        return _photographed(str(gallery).removeprefix(PHOTOGRAPHS), embedder)
    if gallery.suffix != ".safetensors":
        images = open_image_set(gallery, progress=True)
        persons = [images.identities[label] for label in images.labels.tolist()]
        names = [image_name(images, row) for row in range(len(images))]
        vectors = embed_image_set(embedder, images, progress=True)
        return RealPeople(vectors, images.labels, persons, names, DecodedImages(images))
    read = IdentityVectors.load(gallery).require(embedder)
    lengths = np.linalg.norm(read.vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"{gallery}: vectors with a length were expected, found zeros in row {int(lengths.argmin())}.")
    return RealPeople(
        read.vectors / lengths, np.asarray(read.ids), read.ids, read.ids, _pictures_beside(gallery, len(read))
    )


def image_name(images: ImageSet, row: int) -> str:
    """Return the name of an image where it has one, else its identity's name and its number."""
    if images.paths is not None:
        return images.paths[row]
    return f"{images.identities[int(images.labels[row])]}, image {int(images.samples[row])}"


def _photographed(folder: str, embedder: Embedder) -> RealPeople:
    """Find the faces of a folder of photographs and embed them; one without a face is left out."""
    from hyperface_lib.embedding.photographs import crop_photographs, face_cropper, folder_gallery

    album = folder_gallery(folder)
    crops = crop_photographs(face_cropper(embedder), album.paths, progress=True)
    left_out = [problem for problem in crops.problems if problem.skipped]
    if left_out:
        console().print(f"{len(left_out)} photographs left out, the first: {left_out[0]}", markup=False)
    names = [album.paths[row].relative_to(folder).as_posix() for row in crops.kept]
    persons = [album.identities[row] for row in crops.kept]
    vectors = embedder.embed(crops.images, progress=True)
    return RealPeople(vectors, np.asarray(persons), persons, names, crops.images)


def _pictures_beside(gallery: Path, count: int) -> Any:
    """Return the pictures that a run keeps beside the vectors of its gallery, None without as many."""
    from hyperface_lib.runs.image_archive import read_image_archive

    archive = gallery.with_name("images.zip")
    pictures = read_image_archive(archive) if archive.is_file() else []
    return pictures if len(pictures) == count else None
