"""Generators by name."""

from __future__ import annotations

from typing import Any

from hyperface_lib.assets import asset
from hyperface_lib.synthesis.protocol import Generator
from hyperface_lib.synthesis.reference_generator import ReferenceGenerator


def load_generator(spec: str = "reference", device: str = "auto", **options: Any) -> Generator:
    """Load a generator: "reference" (shipped), "folder:PATH" (one saved by this kit), or "arc2face:FOLDER".

    `options` go to the generator's loader (batch_size, precision). Raises ValueError for an unknown name,
    FileNotFoundError where the files are missing.
    """
    kind, _, place = spec.partition(":")
    if spec == "reference":
        return ReferenceGenerator.load(asset("generator/reference"), "reference", device, **options)
    if kind == "folder" and place:
        return ReferenceGenerator.load(place, None, device, **options)
    if kind == "arc2face" and place:
        from hyperface_lib.synthesis.arc2face import Arc2FaceGenerator

        return Arc2FaceGenerator.load(place, device, **options)
    raise ValueError(f'generator: expected "reference", "folder:PATH" or "arc2face:FOLDER", found {spec!r}')
