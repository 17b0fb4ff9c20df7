"""One run: the folder through which the five notebooks hand each other their results."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperface_lib.assets import data_folder, runs_folder
from hyperface_lib.atomic import atomic_path, write_json
from hyperface_lib.runs.identity_vectors import IdentityVectors
from hyperface_lib.runs.image_archive import read_image_archive, write_image_archive
from hyperface_lib.runs.manifest import Manifest

REFERENCE_RUN = "reference"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def notice(text: str) -> None:
    """Print one line where the person is looking: the notebook's cell or the terminal."""
    print(text, flush=True)


@dataclass(frozen=True)
class Gallery:
    """Gallery vectors, one an image, and the images themselves (read when first asked for; None if not kept)."""

    vectors: IdentityVectors
    archive: Path | None
    source: str

    @cached_property
    def images(self) -> NDArray[np.uint8] | list[NDArray[np.uint8]] | None:
        """Return uint8 RGB images (n, H, W, 3), a list where sizes differ, or None."""
        return None if self.archive is None else read_image_archive(self.archive)


@dataclass(frozen=True)
class Dataset:
    """A generated image set: its folder, and which run it came from."""

    folder: Path
    source: str


@dataclass(frozen=True)
class Table:
    """Rows of a table, plain values by column name, and which run they came from."""

    rows: list[dict[str, Any]]
    source: str


class Run:
    """A run folder, by name below the runs folder or by path; reading falls back to the shipped reference run.

    Every artefact has a manifest, written last: without it an artefact counts as not written. What is read is compared
    with its manifest. `fallback` names the run to read from where an earlier step has not been run here (None: raise
    FileNotFoundError instead); `announce` is told of it in one line.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str],
        fallback: str | None = REFERENCE_RUN,
        announce: Callable[[str], None] = notice,
    ) -> None:
        text = os.fspath(name_or_path)
        if isinstance(name_or_path, os.PathLike) or os.sep in text:
            self.folder = Path(text).expanduser().resolve()
        else:
            self.folder = runs_folder() / _checked(text, "run")
        self.name = self.folder.name
        self.fallback_folder = data_folder() / "runs" / _checked(fallback, "run") if fallback else None
        self._announce = announce
        self._announced: set[str] = set()

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    # Gallery: notebook 01 to 02.

    def write_gallery(
        self, vectors: IdentityVectors, images: Iterable[Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Path:
        """Write gallery vectors (n, d) and, if given, their n uint8 RGB images; return the vectors' file."""
        folder = self.folder / "gallery"
        manifest = folder / "manifest.json"
        # Two files change together: without its manifest the gallery is unfinished, whatever happens in between.
        manifest.unlink(missing_ok=True)
        archive = folder / "images.zip"
        if images is None:
            archive.unlink(missing_ok=True)
        else:
            count = write_image_archive(archive, images)
            if count != len(vectors):
                raise ValueError(
                    f"gallery: expected one image for each of {len(vectors)} vectors, found {count} images"
                )
        files = [vectors.save(folder / "vectors.safetensors")] + ([] if images is None else [archive])
        Manifest.of("gallery", files, {**vectors.provenance, **(parameters or {})}, folder).save(manifest)
        return files[0]

    def read_gallery(self) -> Gallery:
        """Read the gallery vectors; `.images` reads the pictures when first asked for."""
        manifest, source = self._find("gallery/manifest.json", "gallery", "01_gallery")
        Manifest.load(manifest).verify(manifest.parent)
        vectors = IdentityVectors.load(manifest.parent / "vectors.safetensors").with_source(source)
        archive = manifest.parent / "images.zip"
        return Gallery(vectors, archive if archive.is_file() else None, source)

    # References: notebook 02 to 03.

    def write_references(
        self, variant: str, vectors: IdentityVectors, parameters: Mapping[str, Any] | None = None
    ) -> Path:
        """Write the reference vectors (n, d) of a variant, one a new identity; return the file."""
        file = self._artefact("references", variant, ".safetensors")
        provenance = {**vectors.provenance, **(parameters or {})}
        return self._write(file, "references", lambda path: vectors.save(path), provenance)

    def read_references(self, variant: str) -> IdentityVectors:
        """Read the reference vectors of a variant; `.source` says which run they came from."""
        file, source = self._read("references", variant, ".safetensors", "02_packing")
        return IdentityVectors.load(file).with_source(source)

    # Data sets: notebook 03 to 04. `synthesis.generate_dataset` fills the folder and writes its manifest.

    def dataset_folder(self, variant: str) -> Path:
        """Return the folder of this run into which a variant's images are generated, made if absent."""
        folder = self.folder / "datasets" / _checked(variant, "variant")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def read_dataset(self, variant: str) -> Dataset:
        """Find the finished images of a variant: the folder, to be opened by `training`, and its source."""
        name = f"datasets/{_checked(variant, 'variant')}/manifest.json"
        manifest, source = self._find(name, f"data set of variant {variant!r}", "03_synthesis")
        return Dataset(manifest.parent, source)

    # Recognisers: notebook 04 to 05.

    def write_recogniser(
        self, variant: str, save: Callable[[Path], Any], parameters: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a recogniser: `save` is called with the path of the safetensors file to write; return the file."""
        return self._write(self._artefact("recognisers", variant, ".safetensors"), "recogniser", save, parameters)

    def recogniser_path(self, variant: str) -> Path:
        """Return the file of a trained recogniser, for `load_embedder("net:PATH")`, checked against its manifest."""
        return self._read("recognisers", variant, ".safetensors", "04_training")[0]

    # Tables: figures of any notebook, by name.

    def write_table(
        self, name: str, rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any] | None = None
    ) -> Path:
        """Write rows of plain values as JSON; raises ValueError for NaN and infinity. Return the file."""
        values = {"rows": [dict(row) for row in rows]}
        return self._write(
            self._artefact("tables", name, ".json"), "table", lambda path: write_json(path, values), parameters
        )

    def read_table(self, name: str) -> Table:
        """Read the rows of a table."""
        file, source = self._read("tables", name, ".json", f"the notebook that writes {name!r}")
        try:
            rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
            return Table([dict(row) for row in rows], source)
        except (ValueError, KeyError, TypeError) as problem:
            raise ValueError(
                f'{file}: expected JSON {{"rows": [...]}}, found {type(problem).__name__}: {problem}'
            ) from problem

    # How an artefact is written and found.

    def _artefact(self, room: str, name: str, suffix: str) -> Path:
        return self.folder / room / (_checked(name, "variant" if suffix == ".safetensors" else "table") + suffix)

    def _write(self, file: Path, kind: str, save: Callable[[Path], Any], parameters: Mapping[str, Any] | None) -> Path:
        manifest = file.with_suffix(".manifest.json")
        manifest.unlink(missing_ok=True)
        with atomic_path(file) as temporary:
            save(temporary)
        Manifest.of(kind, [file], parameters or {}, file.parent).save(manifest)
        return file

    def _read(self, room: str, name: str, suffix: str, maker: str) -> tuple[Path, str]:
        file = self._artefact(room, name, suffix)
        manifest, source = self._find(f"{room}/{file.stem}.manifest.json", f"{room} {name!r}", maker)
        Manifest.load(manifest).verify(manifest.parent)
        return manifest.parent / file.name, source

    def _find(self, relative: str, what: str, maker: str) -> tuple[Path, str]:
        """Return an artefact's manifest and the run it was found in: here, else in the fallback, announced."""
        own = self.folder / relative
        if own.is_file():
            return own, f"run {self.name!r}"
        shipped = self.fallback_folder / relative if self.fallback_folder else None
        if shipped is not None and shipped.is_file() and self.fallback_folder != self.folder:
            if maker not in self._announced:  # a step makes one artefact for each variant: told once is enough
                self._announced.add(maker)
                self._announce(
                    f"note: run {self.name!r} lacks artefacts of step {maker} (the {what}, for one); "
                    "reading them from the shipped reference run"
                )
            return shipped, "the shipped reference run"
        also = f", nor has the reference run {self.fallback_folder}" if self.fallback_folder else ""
        raise FileNotFoundError(f"run {self.name!r} ({self.folder}) has no finished {what}{also}: run {maker} first")


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} name: expected letters, digits, '.', '_' and '-', found {name!r}")
    return name
