"""What is known of the pictures of a generated data set: the factors that its seeds drew, from the manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hyperface_lib.faces import Nuisance
    from hyperface_lib.formats import ImageSet

_FIELDS = (
    "yaw_degrees",
    "pitch_degrees",
    "roll_degrees",
    "age_shift_years",
    "light_azimuth_degrees",
    "light_elevation_degrees",
    "light_strength",
    "exposure_stops",
    "blur_pixels",
    "resolution",
    "noise",
)
_RENDERER = re.compile(r"renderer, nuisance '(\w+)'")


def picture_factors(images: ImageSet) -> dict[str, npt.NDArray[np.float64]]:
    """Return name -> (n,) values of the factors that every image was drawn with; empty where they are not known.

    They are known for a data set whose manifest says that the shipped generator or the renderer drew them from the
    images' seeds, and whose images are all there: a cleaned one is numbered anew. Raises ValueError for a manifest of
    other images.
    """
    from hyperface_lib.evaluation.kit_datasets import CLEANED, kit_manifest

    manifest = kit_manifest(images)
    if manifest is None or CLEANED in manifest or manifest["parameters"].get("nuisance") != "bank":
        return {}
    drawn = _drawn(manifest["parameters"])
    if drawn is None:
        return {}
    factors = {name: np.array([getattr(how, name) for how in drawn], np.float64) for name in _FIELDS}
    factors["expression_weight"] = np.array([sum(map(abs, how.expression.values())) for how in drawn], np.float64)
    # what the source never varies says nothing of an identity
    return {name: values for name, values in factors.items() if np.ptp(values) > 0}


def _drawn(parameters: dict[str, Any]) -> list[Nuisance] | None:
    from hyperface_lib.faces import PROFILES, RENDERER_VERSION, Nuisance
    from hyperface_lib.synthesis import load_generator
    from hyperface_lib.synthesis.seeds import image_seed

    seeds = [
        image_seed(parameters["seed"], identity, sample)
        for identity in range(parameters["identities"])
        for sample in range(parameters["images_per_identity"])
    ]
    renderer = _RENDERER.fullmatch(str(parameters["generator"]))
    if renderer is not None and renderer[1] in PROFILES:
        if parameters["generator_fingerprint"] != f"renderer-{RENDERER_VERSION}":
            return None
        return [Nuisance.random(seed, renderer[1]) for seed in seeds]
    if parameters["generator"] != "reference":
        return None
    generator: Any = load_generator("reference", device="cpu")
    if generator.fingerprint != parameters["generator_fingerprint"]:
        return None
    found: list[Nuisance] = generator.draw_nuisance(seeds)
    return found
