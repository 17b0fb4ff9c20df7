"""How much training is to be done, in steps or in core-seconds, and the learning rate that follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Budget(Protocol):
    """A total of training."""

    def fraction(self, step: int, core_seconds: float) -> float:
        """Return the share that is spent, 0 at the start, at least 1 when training is over."""


@dataclass(frozen=True)
class StepBudget:
    """A number of steps: the schedule, and so the result, is the same on every machine."""

    steps: int

    def fraction(self, step: int, core_seconds: float) -> float:
        """Return the share of the steps that is done."""
        del core_seconds
        return step / self.steps


@dataclass(frozen=True)
class CoreBudget:
    """An amount of computing: core-seconds spent in steps, kept in the checkpoint, so that pauses do not count."""

    core_seconds: float

    def fraction(self, step: int, core_seconds: float) -> float:
        """Return the share of the core-seconds that is spent."""
        del step
        return core_seconds / self.core_seconds


def trapezoid(fraction: float, step: int, warm_up_steps: int = 200, decay_share: float = 0.4) -> float:
    """Return the factor of the learning rate: a short rise, constant, then linear to one hundredth at the end."""
    falling = min(1.0, (1.0 - fraction) / decay_share)
    return min(1.0, (step + 1) / warm_up_steps) * (0.01 + 0.99 * max(0.0, falling))


class Stopwatch:
    """Call something back at most every `seconds` of the wall clock."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self.seconds = seconds
        self.action = action
        self._last = time.monotonic()

    def tick(self) -> None:
        """Call the action if its time has come."""
        if time.monotonic() - self._last >= self.seconds:
            self.action()
            self._last = time.monotonic()
