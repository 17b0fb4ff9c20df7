"""The parts an estimate is made of, each an amount with what it takes on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from hyperface_lib.embedding.iresnet import IRESNET_DEPTHS, IRESNET_SIZE
from hyperface_lib.pipeline.cost_book import Accelerator, CostBook
from hyperface_lib.sphere.cost import PackingRates

Basis = Literal["measured", "scaled", "counted", "assumed", "not measured"]
SMALL_SIZE = 64
_SMALL_DIMENSION, _LARGE_DIMENSION = 128, 512
_SHIPPED = {"reference": "small", "judge": "small-judge"}
# What an embedder whose network is only known from its file is taken for: of graphs, the largest that is common.
_GUESSED = {"onnx": "iresnet100", "pack": "iresnet100", "net": "small"}
# The backward pass computes the gradients of inputs and weights, each as much work as the forward pass.
_TRAINING_PASSES = 3
# Starting the work of a step on an accelerator, however small the step.
_ACCELERATOR_STEP_SECONDS = 1e-3


@dataclass(frozen=True)
class Part:
    """An amount of something, the seconds it takes (None where nobody can say), and how they came about."""

    what: str
    amount: float
    unit: str
    seconds: float | None
    basis: Basis
    note: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "what": self.what,
            "amount": self.amount,
            "unit": self.unit,
            "seconds": self.seconds,
            "basis": self.basis,
            "note": self.note,
        }


class Usage(NamedTuple):
    """The parts of a notebook, and the memory and disk they take, in bytes."""

    parts: tuple[Part, ...]
    memory_bytes: float
    disk_bytes: float

    @property
    def seconds(self) -> float:
        """The seconds of the parts whose time is known."""
        return sum(part.seconds for part in self.parts if part.seconds is not None)


@dataclass(frozen=True)
class Surroundings:
    """What turns amounts into seconds: measured constants, the speed of the machine, and an accelerator if any.

    `scale` is how many times faster the machine is than the measured one.
    """

    book: CostBook
    scale: float = 1.0
    accelerator: Accelerator | None = field(default=None)

    @property
    def png_bytes_per_pixel(self) -> float:
        """The bytes of a rendered face as PNG, for each of its pixels."""
        return float(self.book.parts["write png"]["bytes_per_pixel"])

    def size_of(self, embedder: str) -> int:
        """Return the side of the pictures an embedder takes."""
        return SMALL_SIZE if embedder in _SHIPPED or embedder.startswith("net:") else IRESNET_SIZE

    def dimension_of(self, embedder: str) -> int:
        """Return the number of coordinates of its vectors."""
        small = embedder in (*_SHIPPED, "dlib") or embedder.startswith("net:")
        return _SMALL_DIMENSION if small else _LARGE_DIMENSION

    def rendered(self, pictures: float, size: int) -> Part:
        """Rendering faces, always on the processor."""
        known = self.book.rate(f"render {size}")
        if known is not None:
            return Part("render", pictures, "pictures", pictures / known / self.scale, "measured")
        rate = self.book.parts[f"render {IRESNET_SIZE}"]["per_second"] * (IRESNET_SIZE / size) ** 2
        return Part("render", pictures, "pictures", pictures / rate / self.scale, "scaled", f"to {size} pixels")

    def written(self, pictures: float, size: int) -> Part:
        """Packing pictures into PNG files, in proportion to their pixels."""
        rate = self.book.parts["write png"]["per_second"] * (SMALL_SIZE / size) ** 2
        basis: Basis = "measured" if size == SMALL_SIZE else "scaled"
        return Part("write", pictures, "pictures", pictures / rate / self.scale, basis)

    def cropped(self, pictures: float) -> Part:
        """Finding and cutting out faces of photographs."""
        return Part("find faces", pictures, "photographs", None, "not measured", "needs photographs to time it on")

    def embedded(self, embedder: str, pictures: float, passes: int, size: int | None = None) -> Part:
        """Embedding pictures, `passes` times each, with an embedder's specification or a backbone of a given size."""
        kind = embedder.partition(":")[0]
        network = _SHIPPED.get(embedder) or _GUESSED.get(kind, kind)
        part = self._run("embed", network, kind if embedder in _SHIPPED else network, pictures, passes, size)
        note = f"{kind}, taken for {network}" if kind in _GUESSED else embedder
        return part if part.seconds is None else replace(part, note=note)

    def trained(self, network: str, size: int, pictures: float) -> Part:
        """Training a backbone on so many pictures, every epoch counted."""
        native = self._native_size(network)
        larger = (size / native) ** 2
        rate = self.book.rate(f"train {network} {native}")
        if self.accelerator is None and rate is not None:
            basis: Basis = "measured" if size == native else "scaled"
            return Part("train", pictures, "pictures", pictures * larger / rate / self.scale, basis)
        return self._counted("train", network, pictures, _TRAINING_PASSES * larger)

    def drawn(self, generator: str, pictures: float, values: Mapping[str, Any]) -> Part:
        """Drawing pictures: so many steps of denoising, twice the work with guidance, and decoding."""
        kind, steps = generator.partition(":")[0], int(values["steps"])
        calls = steps * (1 if float(values["guidance"]) == 1 else 2)
        if kind == "reference":
            return self._drawn_by_reference(pictures, steps, calls)
        if kind != "arc2face":
            return Part("draw", pictures, "pictures", 0.0, "counted", f"{kind}: made elsewhere, read only")
        row = self.book.networks["arc2face"]
        each = calls * row["operations"] + row["decoding_operations"]
        return self._operations("draw", pictures, each, f"{each / 1e12:.0f}e12 operations each")

    def packing_rates(self, precision: str) -> tuple[PackingRates, Basis]:
        """Return the rates of packing at a precision of the products."""
        rates = self.book.packing_rates(precision)
        if self.accelerator is None:
            return rates.times(self.scale), "scaled"
        wide = self.accelerator.float32_operations_per_second
        speed = self.accelerator.operations_per_second if precision == "bfloat16" else wide
        on_it = replace(
            rates,
            operations_per_second=speed,
            search_operations_per_second=wide,
            # Weighing a cosine is bound by memory, and takes the time of the products at the least.
            seconds_per_cosine=0.0,
            seconds_per_number=0.0,
            seconds_per_step=_ACCELERATOR_STEP_SECONDS,
        )
        return on_it, "assumed"

    def _drawn_by_reference(self, pictures: float, steps: int, calls: int) -> Part:
        few, many = (self.book.parts[f"draw reference, {number} steps"] for number in (2, 10))
        # Both were timed with guidance, two calls a step.
        a_call = (1 / many["per_second"] - 1 / few["per_second"]) / (2 * (many["steps"] - few["steps"]))
        decoding = max(0.0, 1 / many["per_second"] - 2 * many["steps"] * a_call)
        seconds = pictures * (calls * a_call + decoding) / self.scale
        note = "" if self.accelerator is None else "on the processor: not counted for accelerators"
        return Part("draw", pictures, "pictures", seconds, "measured" if steps == many["steps"] else "scaled", note)

    def _run(self, what: str, network: str, timed: str, pictures: float, passes: int, size: int | None) -> Part:
        native = self._native_size(network)
        larger = 1.0 if size is None else (size / native) ** 2
        rate = self.book.rate(f"embed {timed}")
        if self.accelerator is None and rate is not None:
            seconds = pictures * passes * larger / rate / self.scale
            return Part(what, pictures, "pictures", seconds, "measured" if larger == 1 else "scaled")
        return self._counted(what, network, pictures, passes * larger)

    def _native_size(self, network: str) -> int:
        return IRESNET_SIZE if network in IRESNET_DEPTHS else SMALL_SIZE

    def _counted(self, what: str, network: str, pictures: float, passes: float) -> Part:
        each = self.book.operations(network)
        if each is None:
            return Part(what, pictures, "pictures", None, "not measured", f"needs {network!r} to time it on")
        return self._operations(what, pictures, passes * each, network)

    def _operations(self, what: str, pictures: float, each: float, note: str) -> Part:
        if self.accelerator is not None:
            seconds = pictures * each / self.accelerator.operations_per_second
            return Part(what, pictures, "pictures", seconds, "assumed", note)
        seconds = pictures * each / self.book.operations_per_second / self.scale
        return Part(what, pictures, "pictures", seconds, "counted", note)
