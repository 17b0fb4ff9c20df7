"""What a run will take before it is started: time, memory and disk of each notebook, from measured constants.

Each part of a notebook is an amount times a measured cost. What the smallest run takes beyond the parts counted in it
(imports, figures, warm-up) is added as it is. Every line says how its time came about:

- measured: the rate was measured on the machine named, at this size
- scaled: a rate measured at another size, in proportion to the work
- counted: operations counted, at the rate that machine works through a large network
- assumed: operations counted, at a share of an accelerator's data sheet
- not measured: no time can be given; the note says what would be needed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperface_lib.embedding.iresnet import IRESNET_SIZE
from hyperface_lib.pipeline.cost_book import Accelerator, CostBook
from hyperface_lib.pipeline.estimate_packing import packing_parts
from hyperface_lib.pipeline.estimate_parts import SMALL_SIZE, Part, Surroundings, Usage
from hyperface_lib.pipeline.plan import Plan, known_parameters, plan_run

_GALLERY_TWICE = 300  # people of the rendered gallery whom notebook 01 renders a second time
_SHOWCASE = 32
_SCORED_PEOPLE, _SCORED_IMAGES = 200, 8
_EXAMPLES = 120  # drawings notebook 03 shows before it draws the data sets
_STRANGERS, _TIMES_WATCHED = 200, 6
_SETS = 5
_INSIGHTFACE_PAIRS = 4 * 6000 + 7000
_ARC2FACE_SIZE = 512
_WEBP_SHARE = 0.2


@dataclass(frozen=True)
class StepEstimate:
    """One notebook: its parts, and its time, memory at the peak and disk. `seconds` leaves out what is not measured."""

    notebook: str
    parts: tuple[Part, ...]
    seconds: float
    memory_bytes: float
    disk_bytes: float

    @property
    def unknown(self) -> tuple[Part, ...]:
        """The parts whose time is not known."""
        return tuple(part for part in self.parts if part.seconds is None)


@dataclass(frozen=True)
class RunEstimate:
    """All notebooks of a plan, and the machine they are estimated for."""

    machine: str
    steps: tuple[StepEstimate, ...]

    @property
    def seconds(self) -> float:
        """All notebooks together, without what is not measured."""
        return sum(step.seconds for step in self.steps)

    def to_record(self) -> dict[str, Any]:
        """Return plain values fit for JSON."""
        return {
            "machine": self.machine,
            "seconds": self.seconds,
            "disk_bytes": sum(step.disk_bytes for step in self.steps),
            "memory_bytes": max((step.memory_bytes for step in self.steps), default=0.0),
            "steps": [
                {
                    "notebook": step.notebook,
                    "seconds": step.seconds,
                    "memory_bytes": step.memory_bytes,
                    "disk_bytes": step.disk_bytes,
                    "parts": [part.to_record() for part in step.parts],
                }
                for step in self.steps
            ],
        }


def estimate_plan(
    plan: Plan, book: CostBook, scale: float = 1.0, accelerator: Accelerator | None = None
) -> RunEstimate:
    """Estimate the notebooks of `plan` on a machine `scale` times as fast as the measured one.

    With an `accelerator` networks and packing run there, at an assumed share of its data sheet. Raises ValueError for a
    scale that is not positive.
    """
    if not scale > 0:
        raise ValueError(f"scale: expected a positive number, found {scale}")
    # The notebooks' own defaults are read once: that takes longer than all the sums.
    defaults = {step.name: known_parameters(step.notebook) for step in plan_run(plan.profile.name).steps}
    everything = _all_parameters(plan, defaults)
    smallest = _all_parameters(plan_run(book.smallest_profile), defaults)
    around = Surroundings(book, scale, accelerator)
    steps = tuple(_estimate(step.name, everything[step.name], smallest[step.name], around) for step in plan.steps)
    machine = book.machine_text + (f", times {scale:g}" if scale != 1 else "")
    return RunEstimate(machine if accelerator is None else f"{machine}; {accelerator.name} (assumed)", steps)


def _all_parameters(plan: Plan, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return every parameter of every notebook of a plan; later ones also hold what earlier ones were given."""
    given = {step.name: step.parameters for step in plan_run(plan.profile.name).steps}
    given |= {step.name: step.parameters for step in plan.steps}
    found: dict[str, dict[str, Any]] = {}
    upstream: dict[str, Any] = {}
    for name, own in defaults.items():
        upstream = {**upstream, **own, **given[name]}
        found[name] = dict(upstream)
    return found


def _estimate(name: str, values: Mapping[str, Any], smallest: Mapping[str, Any], around: Surroundings) -> StepEstimate:
    number = name.split("_")[0]
    counted = _NOTEBOOKS[number](values, around)
    measured = around.book.notebooks[number]
    # The same sums for the smallest run, on the measured machine, tell what they leave out.
    known = _NOTEBOOKS[number](smallest, Surroundings(around.book))
    left_out = max(0.0, float(measured["seconds"]) - known.seconds) / around.scale
    rest = Part("starting, figures, tables", 1, "notebook", left_out, "measured")
    return StepEstimate(
        name,
        (*counted.parts, rest),
        counted.seconds + left_out,
        float(measured["memory_bytes"]) + counted.memory_bytes,
        counted.disk_bytes + max(0.0, float(measured["disk_bytes"]) - known.disk_bytes),
    )


def _variants(values: Mapping[str, Any]) -> list[str]:
    return [name.strip() for name in str(values["variants"]).split(",")]


def _image_size(values: Mapping[str, Any]) -> int:
    """Return the side of the pictures that are trained on."""
    if values.get("crop_size"):
        return int(values["crop_size"])
    return _ARC2FACE_SIZE if str(values.get("generator", "")).startswith("arc2face:") else SMALL_SIZE


def _gallery(values: Mapping[str, Any], around: Surroundings) -> Usage:
    n, spec = int(values["n_gallery"]), str(values["embedder"])
    size, dimension = around.size_of(spec), around.dimension_of(spec)
    parts = []
    if values["gallery"] == "renders":
        pictures = n + min(_GALLERY_TWICE, n)
        parts.append(around.rendered(pictures, size))
        parts.append(around.rendered(_SHOWCASE, IRESNET_SIZE))
    else:
        pictures = n
        parts.append(around.cropped(pictures))
    parts.append(around.embedded(spec, pictures, passes=2))
    pixels = pictures * size**2
    disk = n * size**2 * around.png_bytes_per_pixel + 4 * n * dimension
    return Usage(tuple(parts), 2 * 3 * pixels + 4 * pictures * dimension, disk)


def _packing(values: Mapping[str, Any], around: Surroundings) -> Usage:
    dimension = around.dimension_of(str(values["embedder"]))
    parts, memory = packing_parts(values, dimension, _variants(values), around)
    drawn = [name for name in _variants(values) if name != "rendered"]
    return Usage(parts, memory, 4.0 * len(drawn) * int(values["n"]) * dimension)


def _synthesis(values: Mapping[str, Any], around: Surroundings) -> Usage:
    people, each = min(int(values["identities"]), int(values["n"])), int(values["images_per_identity"])
    drawn = [name for name in _variants(values) if name != "rendered"]
    size, pictures = _image_size(values), people * each
    parts = [around.drawn(str(values["generator"]), len(drawn) * pictures + _EXAMPLES, values)]
    if values.get("crop_size"):
        parts.append(around.cropped(len(drawn) * pictures))
    if "rendered" in _variants(values):
        parts.append(around.rendered(pictures, size))
    written = len(_variants(values)) * pictures
    parts.append(around.written(written, size))
    scored = len(_variants(values)) * min(people, _SCORED_PEOPLE) * min(each, _SCORED_IMAGES)
    parts += [around.embedded(str(values[one]), scored, passes=1) for one in ("judge", "embedder")]
    share = _WEBP_SHARE if values["picture_format"] == "webp" else 1.0
    # One data set is held at a time, once as it is read and once in the order of its people.
    memory = 2.0 * 3 * pictures * size**2
    return Usage(tuple(parts), memory, written * size**2 * around.png_bytes_per_pixel * share)


def _training(values: Mapping[str, Any], around: Surroundings) -> Usage:
    people, each = min(int(values["identities"]), int(values["n"])), int(values["images_per_identity"])
    name, size = str(values["architecture"]), _image_size(values)
    pictures, runs = people * each, len(_variants(values))
    parts = [around.trained(name, size, runs * pictures * float(values["epochs"]))]
    # Angles to the centres before and after, and the strangers' error along the way.
    parts.append(around.embedded(name, runs * (2 * pictures + _TIMES_WATCHED * _STRANGERS), passes=1, size=size))
    parts.append(around.rendered(_STRANGERS, size))
    weights = 4.0 * float(around.book.networks[name]["parameters"]) if name in around.book.networks else 0.0
    # Weights, gradients and two moments.
    return Usage(tuple(parts), 3.0 * pictures * size**2 + 4 * weights, runs * weights)


def _evaluation(values: Mapping[str, Any], around: Surroundings) -> Usage:
    rendered = str(values["suite"]).startswith("rendered")
    pairs = _SETS * int(values["pairs"]) if rendered else _INSIGHTFACE_PAIRS
    size = _image_size(values)
    parts = []
    if rendered:
        benchmark = around.rendered(2 * pairs, size)
        parts.append(replace(benchmark, note="once; kept for later runs"))
    students = len(_variants(values))
    parts.append(around.embedded(str(values["architecture"]), students * 2 * pairs, passes=2, size=size))
    parts.append(around.embedded(str(values["teacher"]), 2 * pairs, passes=2))
    pixels = 3.0 * 2 * pairs * size**2
    return Usage(tuple(parts), 2 * pixels, pixels if rendered else 0.0)


_NOTEBOOKS: dict[str, Callable[[Mapping[str, Any], Surroundings], Usage]] = {
    "01": _gallery,
    "02": _packing,
    "03": _synthesis,
    "04": _training,
    "05": _evaluation,
}
