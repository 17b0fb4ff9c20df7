"""The measured constants behind an estimate, and the machines it can be made for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperface_lib.assets import data_folder
from hyperface_lib.sphere.cost import PackingMeasurement, PackingRates, fit_rates

_TABLES = {"machine", "packing", "parts", "networks", "notebooks"}
# Which measured part tells how fast the measuring machine works through a network it was not timed on.
_YARDSTICK = "iresnet50"


@dataclass(frozen=True)
class Accelerator:
    """A device nobody measured here: operations a second by its data sheet, and the share assumed to be reached.

    In bfloat16, which networks and the products of a packing without a gallery take, and in float32.
    """

    name: str
    peak_bfloat16: float
    peak_float32: float
    share_reached: float = 0.35

    @property
    def operations_per_second(self) -> float:
        """What is assumed to be reached in bfloat16."""
        return self.share_reached * self.peak_bfloat16

    @property
    def float32_operations_per_second(self) -> float:
        """What is assumed to be reached in float32."""
        return self.share_reached * self.peak_float32


# The manufacturer's data sheets: dense bfloat16 with float32 sums, and plain float32 (A100 and H100: the SXM boards).
ACCELERATORS = {
    one.name: one
    for one in (
        Accelerator("l4", 121e12, 30.3e12),
        Accelerator("rtx4090", 165e12, 82.6e12),
        Accelerator("a100", 312e12, 19.5e12),
        Accelerator("h100", 989e12, 67e12),
    )
}


@dataclass(frozen=True)
class CostBook:
    """What `python -m hyperface_lib.build.costs` measured: the machine, packing rates by precision, and tables."""

    machine: Mapping[str, Any]
    packing: Mapping[str, PackingRates]
    parts: Mapping[str, Mapping[str, float]]
    networks: Mapping[str, Mapping[str, float]]
    notebooks: Mapping[str, Mapping[str, float]]

    @classmethod
    def load(cls, path: Path | None = None) -> CostBook:
        """Read data/results/costs.json, or another file of that kind.

        Raises FileNotFoundError where there is none, ValueError in one sentence for one that lacks a table.
        """
        file = path or data_folder() / "results" / "costs.json"
        if not file.is_file():
            raise FileNotFoundError(f"{file}: not found; `python -m hyperface_lib.build.costs` measures it")
        values = json.loads(file.read_text(encoding="utf-8"))
        missing = _TABLES - set(values)
        if missing:
            raise ValueError(
                f"{file}: expected the tables {', '.join(sorted(_TABLES))}, found no {', '.join(sorted(missing))}; "
                "`python -m hyperface_lib.build.costs` measures what is missing"
            )
        return cls(
            values["machine"],
            fit_rates([_measurement(row) for row in values["packing"].values()]),
            values["parts"],
            values["networks"],
            values["notebooks"],
        )

    def packing_rates(self, precision: str) -> PackingRates:
        """Return the packing rates at a precision, those of float32 where it was not measured."""
        return self.packing.get(precision, self.packing["float32"])

    def rate(self, part: str) -> float | None:
        """Return how many a second of a part were measured, None if it was not."""
        row = self.parts.get(part)
        return None if row is None else float(row["per_second"])

    def operations(self, network: str) -> float | None:
        """Return the operations of one call of a network, None for one that was not counted."""
        row = self.networks.get(network)
        return None if row is None else float(row["operations"])

    @property
    def operations_per_second(self) -> float:
        """How fast the measuring machine works through a large network."""
        return float(self.parts[f"embed {_YARDSTICK}"]["per_second"]) * float(self.networks[_YARDSTICK]["operations"])

    @property
    def smallest_profile(self) -> str:
        """The profile whose notebooks were timed."""
        return str(next(iter(self.notebooks.values()))["profile"])

    @property
    def machine_text(self) -> str:
        """The measuring machine in a few words."""
        return f"CPU, {self.machine['cores']} cores ({self.machine['instructions']})"


def _measurement(row: Mapping[str, Any]) -> PackingMeasurement:
    names = ("n", "dimension", "seconds_per_step", "gallery_size", "batch_size", "precision", "memory_bytes")
    return PackingMeasurement(**{name: row[name] for name in names})
