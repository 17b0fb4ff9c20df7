"""Labelled images from one layout to another, bytes untouched: `.rec`, LMDB, image folder, tar shards; resumable."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from hyperface_lib.atomic import TEMPORARY_MARK, atomic_path
from hyperface_lib.formats.conversion_state import SUFFIX_OF, Conversion, Kind, claim, place_of_state, save_state
from hyperface_lib.formats.image_list import write_image_list
from hyperface_lib.formats.image_sets import LIST_NAME, ImageSet, check_names, image_suffix, open_image_set
from hyperface_lib.formats.image_shards import write_shard
from hyperface_lib.formats.images import IMAGE_SUFFIXES, ImageReadError, decode_image
from hyperface_lib.formats.lmdb_set import lmdb_list_path
from hyperface_lib.formats.lmdb_writer import LmdbWriter
from hyperface_lib.formats.record_writer import RecordLayout, RecordWriter

IDENTITIES_PER_SHARD = 64


def convert(
    source: str | Path,
    destination: str | Path,
    to: Kind | None = None,
    record_layout: RecordLayout = "insightface",
    verify: bool = True,
    skip_unreadable: bool = False,
    progress: bool = False,
) -> Conversion:
    """Copy labelled images into another layout; interrupted, the same call goes on.

    source: as `open_image_set` takes it. to: "records" (a name that ends in .rec), "lmdb" (.lmdb), "folder" or
    "shards"; None takes the one that the destination's name or the source suggests. Encoded bytes are kept as they are,
    except that a `.rec` gets a PNG of what is neither JPEG nor PNG. Images are ordered by label. Labels are kept
    everywhere, names of identities and files wherever the source has them, in a list beside the images (`<stem>.tsv`,
    `images.tsv`). In an image folder without names identities are numbers of six digits.

    verify decodes every image on the way. An unreadable one raises ValueError with its place, or is left out and noted
    in `skipped`. Raises ValueError for a destination that holds something else, or another source's images.
    """
    target = Path(destination)
    images = open_image_set(source, progress)
    kind = _kind(images, target, to)
    note = place_of_state(target, kind)
    wanted = Conversion(
        str(images.source), images.fingerprint, kind, record_layout, len(images), len(images.identities)
    )
    state = claim(target, note, wanted)
    if state.complete:
        return state
    check_names(images)
    reader = _Reader(images, state, note, verify, skip_unreadable)
    writers: dict[str, Callable[[], None]] = {
        "records": lambda: _to_records(reader, target, record_layout, progress),
        "lmdb": lambda: _to_lmdb(reader, target, progress),
        "folder": lambda: _to_folder(reader, target, progress),
        "shards": lambda: _to_shards(reader, target, progress),
    }
    writers[kind]()
    state.complete = True
    save_state(note, state)
    return state


class _Reader:
    """Reads images of the source one by one, checks them, and notes those that are left out."""

    def __init__(self, images: ImageSet, state: Conversion, note: Path, verify: bool, skip_unreadable: bool) -> None:
        self.images = images
        self.skipped = state.skipped
        self._state, self._note = state, note
        self._verify, self._skip = verify, skip_unreadable

    def read(self, number: int) -> tuple[bytes, str] | None:
        """Return the bytes of an image and the suffix they deserve, or None if it is left out."""
        where = self.images.where(number)
        try:
            encoded = self.images.encoded(number)
            suffix = image_suffix(encoded)
            if suffix is None:
                raise ImageReadError(f"{where}: an image was expected, found bytes {encoded[:8]!r}.")
            if self._verify:
                decode_image(encoded, where)
        except (ValueError, OSError) as problem:
            if not self._skip:
                raise
            self.skipped[number] = str(problem)
            # Before the next image is written: the files alone do not tell which ones are missing.
            save_state(self._note, self._state)
            return None
        return encoded, suffix

    def rows(self, first: int) -> Iterator[tuple[int, str, int]]:
        """Give the list of what was not left out, numbered from `first`; only for images with names."""
        kept = [number for number in range(len(self.images)) if number not in self.skipped]
        assert self.images.paths is not None
        for place, number in enumerate(kept, first):
            yield place, self.images.paths[number], int(self.images.labels[number])


def _to_records(reader: _Reader, target: Path, layout: RecordLayout, progress: bool) -> None:
    images = reader.images
    if target.is_file():  # finished, but the interrupt came before that was noted
        _write_property(reader, target)
        return
    with RecordWriter(target, layout, resumable=True) as writer:
        start = _place_of(len(writer), reader.skipped)
        with _bar(len(images), start, progress) as bar:
            for number in range(start, len(images)):
                read = reader.read(number)
                if read is not None:
                    encoded, suffix = read
                    plain = suffix in (".jpg", ".png")
                    writer.append(
                        encoded if plain else _as_png(encoded, images.where(number)), int(images.labels[number])
                    )
                bar.update()
        first = 1 if layout == "insightface" else 0
        if images.paths is not None:
            write_image_list(target.with_suffix(".tsv"), reader.rows(first))
    _write_property(reader, target)


def _to_lmdb(reader: _Reader, target: Path, progress: bool) -> None:
    images = reader.images
    if target.is_file():  # finished, but the interrupt came before that was noted
        return
    with LmdbWriter(target, resumable=True) as writer:
        start = _place_of(len(writer), reader.skipped)
        with _bar(len(images), start, progress) as bar:
            for number in range(start, len(images)):
                read = reader.read(number)
                if read is not None:
                    writer.append(read[0], int(images.labels[number]))
                bar.update()
        if images.paths is not None:
            write_image_list(lmdb_list_path(target), reader.rows(0))


def _to_folder(reader: _Reader, target: Path, progress: bool) -> None:
    images = reader.images
    rows: list[tuple[int, str, int]] = []
    _remove_leftovers(target)
    with _bar(len(images), 0, progress) as bar:
        for number in range(len(images)):
            bar.update()
            there = _stored(target, images, number)
            if there is None:
                read = reader.read(number)
                if read is None:
                    continue
                encoded, suffix = read
                there = _file_name(images, number, suffix)
                if not (target / there).is_file():
                    with atomic_path(target / there) as temporary:
                        temporary.write_bytes(encoded)
            rows.append((len(rows), there, int(images.labels[number])))
    write_image_list(target / LIST_NAME, rows)


def _to_shards(reader: _Reader, target: Path, progress: bool) -> None:
    images = reader.images
    _remove_leftovers(target)
    starts = np.flatnonzero(images.samples == 0)[::IDENTITIES_PER_SHARD].tolist()
    width = max(3, len(str(int(images.samples.max()))))
    with _bar(len(images), 0, progress) as bar:
        for shard, (start, stop) in enumerate(zip(starts, [*starts[1:], len(images)], strict=True)):
            place = target / f"shard-{shard:06d}.tar"
            if not place.is_file():
                write_shard(place, _members(reader, range(start, stop), width, bar))
            bar.update(stop - bar.n)
    if images.paths is not None:
        write_image_list(target / LIST_NAME, reader.rows(0))


def _members(reader: _Reader, numbers: range, width: int, bar: Any) -> Iterator[tuple[str, bytes, int]]:
    images = reader.images
    for number in numbers:
        bar.update()
        read = reader.read(number)
        if read is not None:
            encoded, suffix = read
            label = int(images.labels[number])
            yield f"{label:06d}_{images.samples[number]:0{width}d}{suffix}", encoded, label


def _kind(images: ImageSet, target: Path, to: Kind | None) -> Kind:
    if to is None:
        if target.suffix in SUFFIX_OF.values():
            return "records" if target.suffix == ".rec" else "lmdb"
        if images.kind == "folder":
            raise ValueError(
                f"{target}: a name that ends in .rec or .lmdb was expected, or else the layout, found "
                f"neither: say shards."
            )
        return "folder"
    if to not in ("records", "lmdb", "folder", "shards"):
        raise ValueError(f"to: expected one of records, lmdb, folder, shards, found {to!r}")
    if SUFFIX_OF.get(to) != (target.suffix if target.suffix in SUFFIX_OF.values() else None):
        raise ValueError(
            f"{target}: a name that ends in .rec was expected for records, .lmdb for lmdb, and neither for others, "
            f"found {to}."
        )
    if images.kind == "folder" and to not in SUFFIX_OF and target.resolve().is_relative_to(images.source.resolve()):
        raise ValueError(f"{target}: a place outside the image folder {images.source} was expected, found one inside.")
    return to


def _file_name(images: ImageSet, number: int, suffix: str) -> str:
    if images.paths is None:
        return f"{images.identities[int(images.labels[number])]}/{images.samples[number]:03d}{suffix}"
    name = images.paths[number]
    return name if Path(name).suffix.lower() in IMAGE_SUFFIXES else name + suffix


def _remove_leftovers(target: Path) -> None:
    """Remove what a killed process left under a temporary name."""
    for leftover in target.rglob(f".*{TEMPORARY_MARK}*"):
        leftover.unlink()


def _stored(target: Path, images: ImageSet, number: int) -> str | None:
    """Return the name of an image that an earlier call has written, where its name is known unread."""
    if images.paths is None or Path(images.paths[number]).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    return images.paths[number] if (target / images.paths[number]).is_file() else None


def _place_of(written: int, skipped: dict[int, str]) -> int:
    """Return the number of the first image that is neither written nor known to be left out."""
    place = kept = 0
    while kept < written or place in skipped:
        kept += place not in skipped
        place += 1
    return place


def _as_png(encoded: bytes, where: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(decode_image(encoded, where)).save(stream, format="PNG")
    return stream.getvalue()


def _write_property(reader: _Reader, target: Path) -> None:
    """Write `property` beside the records, "classes,height,width", which the older trainers of InsightFace read."""
    for number in range(len(reader.images)):
        with suppress(ValueError, OSError):
            height, width, _ = decode_image(reader.images.encoded(number)).shape
            with atomic_path(target.parent / "property") as temporary:
                temporary.write_text(f"{len(reader.images.identities)},{height},{width}\n", encoding="ascii")
            return


def _bar(total: int, done: int, progress: bool) -> Any:
    return tqdm(total=total, initial=done, disable=not progress, desc="converting", unit="image")
