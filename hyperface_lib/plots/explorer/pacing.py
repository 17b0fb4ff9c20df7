"""How much work a live picture may do: seldom enough, so many steps at a time, on the kernel's own loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Paced(Generic[Value]):
    """A computation that is repeated so seldom that it takes at most `share` of the time."""

    def __init__(self, work: Callable[..., Value], share: float = 0.2) -> None:
        self._work = work
        self._share = share
        self._due = 0.0
        self._last: Value | None = None

    def now(self, *arguments: object) -> Value:
        """Return the value at present."""
        started = time.perf_counter()
        self._last = self._work(*arguments)
        ended = time.perf_counter()
        self._due = ended + (ended - started) * (1 / self._share - 1)
        return self._last

    def lately(self, *arguments: object) -> Value:
        """Return the last value, computed again when it is due."""
        if self._last is None or time.perf_counter() >= self._due:
            return self.now(*arguments)
        return self._last


class Stretch:
    """The steps a run may still take, and how far along its schedule it is: `length` steps at a time."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.renew(0)

    def renew(self, steps: int) -> None:
        """Begin the schedule anew after `steps` steps."""
        self._start = steps
        self._end = steps + self.length

    def extend(self, steps: int) -> None:
        """Allow another length after `steps` steps; the schedule stays where it is."""
        self._end = steps + self.length

    def fraction(self, steps: int) -> float:
        """Return how much of the schedule has passed after `steps` steps."""
        return min(1.0, (steps - self._start) / self.length)

    def is_over(self, steps: int) -> bool:
        """Whether no further step may be taken after `steps` steps."""
        return steps >= self._end


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the kernel's loop, or None outside a notebook, where callbacks act at once and "run" has no effect."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
