"""The packings of notebook 02, counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hyperface_lib.pipeline.estimate_parts import Part, Surroundings
from hyperface_lib.sphere.cost import packing_cost

# The comparisons before the identities: of so many points and steps at most, under so many weights of the attraction.
_FEW, _SOME_STEPS, _WEIGHTS = 500, 500, 6
# Products run in bfloat16 from these sizes on, where nothing pulls towards a gallery.
_LEAST_POINTS, _LEAST_DIMENSION = 256, 64


class _Packing(NamedTuple):
    what: str
    n: int
    dimension: int
    steps: int
    gallery_size: int
    attracted: bool

    @property
    def precision(self) -> str:
        large = self.n >= _LEAST_POINTS and self.dimension >= _LEAST_DIMENSION
        return "bfloat16" if large and not self.attracted else "float32"


def packing_parts(
    values: Mapping[str, Any], dimension: int, variants: Sequence[str], around: Surroundings
) -> tuple[tuple[Part, ...], float]:
    """Return the packings of notebook 02 with these parameters, and the bytes of the largest."""
    parts, largest = [], 0.0
    for one in _packings(values, dimension, variants):
        rates, basis = around.packing_rates(one.precision)
        cost = packing_cost(one.n, one.dimension, rates, steps=one.steps, gallery_size=one.gallery_size)
        part = Part(f"pack {one.what}", one.steps, "steps", cost.seconds, basis, f"{one.n:,} points")
        if basis == "scaled":
            part = replace(part, note=f"{part.note}, by the fitted model")
        parts.append(part)
        largest = max(largest, cost.memory_bytes)
    return tuple(parts), largest


def _packings(values: Mapping[str, Any], dimension: int, variants: Sequence[str]) -> Iterator[_Packing]:
    n, gallery, steps = int(values["n"]), int(values["n_gallery"]), int(values["max_steps"])
    inside = int(values["subspace"])
    few, some = min(n, _FEW), min(steps, _SOME_STEPS)
    yield _Packing("comparisons", few, dimension, 2 * some, gallery, False)
    yield _Packing("under several alpha", few, dimension, _WEIGHTS * (some // 2), gallery, True)
    # Inside a subspace points are moved in its coordinates, in float32.
    yield _Packing("comparison in a subspace", few, inside, some, gallery, True)
    if "packed-attraction" in variants:
        yield _Packing("packed-attraction", n, dimension, steps, gallery, float(values["alpha"]) > 0)
    if "packed-subspace" in variants:
        yield _Packing("packed-subspace", n, inside, steps, gallery, True)
