"""What a run remembers of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class StepReport:
    """What one step did. `accuracy` is that of the batch by nearest centre, without margin (nan if unknown)."""

    step: int
    loss: float
    learning_rate: float
    margin_fraction: float
    accuracy: float
    target_degrees: float


@dataclass
class History:
    """The curves of a run, one entry a step; `verification` holds (steps done, value) pairs where a run is verified."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    target_degrees: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: float = 0.0
    verification: list[tuple[int, float]] = field(default_factory=list)

    def append(self, report: StepReport) -> None:
        """Add one step."""
        self.loss.append(report.loss)
        self.accuracy.append(report.accuracy)
        self.target_degrees.append(report.target_degrees)
        self.learning_rate.append(report.learning_rate)


def summarise_angles(records: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Return accuracy by nearest centre and mean angle in degrees to the own centre; nan where a head has no centres.

    records: (to the own centre, to the nearest other) in degrees, (n,) each, of the parts of a batch.
    """
    if not records or sum(len(target) for target, _ in records) == 0:
        return float("nan"), float("nan")
    target = torch.cat([own for own, _ in records])
    other = torch.cat([nearest for _, nearest in records])
    accuracy = float((target < other).float().mean()) if len(other) == len(target) else 1.0
    return accuracy, float(target.mean())
