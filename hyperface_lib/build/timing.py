"""How long things take beside each other, on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def shortest_seconds(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the shortest time of each; they take turns, so that a busy moment of the machine meets all of them."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - begun)
    return best
