"""What a factor does to a picture at a value: one field of it, or several that make a set of the factor benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hyperface_lib.faces import Nuisance

Change = Callable[["Nuisance", float, np.random.Generator], "Nuisance"]
"""Takes a picture, the factor's value and the person's own random numbers, the same at every value."""


def _occlusion(nuisance: Nuisance, share: float, own: np.random.Generator) -> Nuisance:
    """Cover this share of the crop with a square patch, somewhere within it; its size grows around one place."""
    side = float(np.sqrt(np.clip(share, 0.0, 1.0)))
    if side == 0:
        return nuisance.with_changes(occluder="none")
    left, top = ((1 - side) * own.uniform(0, 1, 2)).tolist()
    return nuisance.with_changes(occluder="patch", occluder_box=(left, top, left + side, top + side))


def _low_quality(nuisance: Nuisance, severity: float, own: np.random.Generator) -> Nuisance:
    """Lower the resolution, and add noise and blur; 1 is the worst of "rendered-low-quality"."""
    return nuisance.with_changes(
        resolution=float(np.exp(np.log(0.16) * severity)),
        noise=0.004 + 0.046 * severity,
        blur_pixels=0.8 * severity,
    )


def _light(nuisance: Nuisance, severity: float, own: np.random.Generator) -> Nuisance:
    """Turn the light to one side, stronger, and dim what comes from around; 1 is the hardest of "rendered-light"."""
    side = 1 if own.random() < 0.5 else -1
    return nuisance.with_changes(
        light_azimuth_degrees=110.0 * side * severity,
        light_elevation_degrees=30.0,
        light_strength=0.65 + 0.35 * severity,
        ambient_strength=0.6 - 0.48 * severity,
    )


def _expression(nuisance: Nuisance, weight: float, own: np.random.Generator) -> Nuisance:
    """Show one of the expressions, the person's own choice, at this weight; 1.1 is the most of the benchmark."""
    from hyperface_lib.faces import PRESETS, expression

    names = [name for name in PRESETS if name != "neutral"]
    return nuisance.with_changes(expression=expression(names[own.integers(len(names))], weight))


FACTOR_CHANGES: dict[str, Change] = {
    "occlusion": _occlusion,
    "low quality": _low_quality,
    "light": _light,
    "expression": _expression,
}
"""The four factor sets by name: share of the crop covered, severities from 0 to 1, weight of an expression."""

_USUAL_VALUES: dict[str, tuple[float, ...]] = {
    "occlusion": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "low quality": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "light": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "expression": (0.0, 0.22, 0.44, 0.66, 0.88, 1.1),
    "yaw_degrees": (0.0, 15.0, 30.0, 45.0, 60.0, 75.0),
    "pitch_degrees": (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0),
    "age_years": (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0),
    "blur_pixels": (0.0, 0.5, 1.0, 1.5, 2.0),
    "resolution": (1.0, 0.6, 0.4, 0.3, 0.2, 0.15),
    "noise": (0.0, 0.02, 0.05, 0.1),
}


def change_of(factor: str) -> Change:
    """Return what a factor does: one of `FACTOR_CHANGES`, or the numeric field of `faces.Nuisance` of that name.

    Raises ValueError for any other name.
    """
    from hyperface_lib import faces

    if factor in FACTOR_CHANGES:
        return FACTOR_CHANGES[factor]
    field = getattr(faces.Nuisance(), factor, None)
    if factor != "age_years" and (isinstance(field, bool) or not isinstance(field, int | float)):
        raise ValueError(
            f"There is no numeric factor {factor!r} of a picture: see the fields of faces.Nuisance, or take one of "
            f"{', '.join(FACTOR_CHANGES)}."
        )
    return lambda nuisance, value, own: nuisance.with_changes(**{factor: value})


def usual_values(factor: str) -> tuple[float, ...]:
    """Return the values that show a factor best. Raises ValueError where none are known, so that some must be given."""
    if factor not in _USUAL_VALUES:
        raise ValueError(f"Factor {factor!r} needs values; there are usual ones for {', '.join(_USUAL_VALUES)}.")
    return _USUAL_VALUES[factor]
