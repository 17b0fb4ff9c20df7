"""The manifest of a data set that this kit generated: read to know its shape, written again for what is left of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperface_lib.atomic import write_json
from hyperface_lib.formats import ImageSet

MANIFEST = "manifest.json"
FORMAT = "hyperface dataset 1"
CLEANED = "cleaned"
"""The entry of a manifest that says what was left out; such a data set cannot be drawn again from its seed."""


def kit_manifest(images: ImageSet) -> dict[str, Any] | None:
    """Return the manifest beside an image set, None where there is none of the kit's.

    Raises ValueError where it does not describe these images.
    """
    place = images.source / MANIFEST
    if not place.is_file():
        return None
    try:
        manifest: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if manifest.get("format") != FORMAT:
            return None
        identities = int(manifest["parameters"]["identities"])
        each = int(manifest["parameters"]["images_per_identity"])
        if len(manifest["ids"]) != identities:
            raise ValueError(f"{len(manifest['ids'])} ids of {identities} identities")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{place}: expected the manifest of a data set, found: {problem}") from problem
    if identities * each != len(images) or not np.array_equal(images.labels, np.repeat(np.arange(identities), each)):
        raise ValueError(f"{place}: expected {identities} identities of {each} images, found {len(images)} images")
    return manifest


def write_kit_manifest(
    folder: Path, source: Mapping[str, Any], layout: str, kept: Sequence[int], exclusion: Mapping[str, Any]
) -> None:
    """Write the manifest of a data set of which only the `kept` identities remain, numbered anew and whole."""
    files = sorted(folder.glob("shard-*.tar")) if layout == "shards" else sorted(folder.glob("[0-9]*"))
    manifest = {
        **source,
        "images": len(kept) * int(source["parameters"]["images_per_identity"]),
        "parameters": {**source["parameters"], "identities": len(kept), "layout": layout},
        "ids": [source["ids"][number] for number in kept],
        "files": {file.name: _digest(file) for file in files},
        CLEANED: {**exclusion, "before": source.get(CLEANED)},
    }
    write_json(folder / MANIFEST, manifest)


def _digest(part: Path) -> str:
    """Return the SHA-256 of a shard's bytes, or of the names and bytes of an identity's images, in order."""
    whole = hashlib.sha256()
    if part.is_file():
        with part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    for image in sorted(part.iterdir()):
        whole.update(image.name.encode())
        whole.update(image.read_bytes())
    return whole.hexdigest()
