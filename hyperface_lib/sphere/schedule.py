"""How temperature and step length change over a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hyperface_lib.sphere.bounds import cosine_lower_bound


@dataclass(frozen=True)
class Annealing:
    """Temperature falling geometrically from `start` to `end`, step length falling as a cosine to `last_step`.

    Both are functions of the fraction of the run that has passed; `step_radians` and `last_step_radians` are angles.
    """

    start: float
    end: float
    step_radians: float = 0.05
    last_step_radians: float = 0.0005

    def temperature(self, fraction: float) -> float:
        """Return the temperature after `fraction` of the run."""
        return self.start * (self.end / self.start) ** min(1.0, max(0.0, fraction))

    def step_length(self, fraction: float) -> float:
        """Return the step in radians after `fraction` of the run."""
        share = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, fraction))))
        return self.last_step_radians + (self.step_radians - self.last_step_radians) * share


# Temperatures at the beginning and end. Those with a length are in units of the best possible distance 1 - cos.
_WINDOWS = {"hinge": (0.3, 0.002), "log-sum-exp": (1 / 60, 1 / 6000)}
_EXPONENTS = (8.0, 10_000.0)


def default_annealing(objective: str, n: int, dimension: int) -> Annealing | None:
    """Return the schedule for an objective by name; None for one without temperature."""
    spacing = min(1.0, 1 - cosine_lower_bound(n, dimension))
    if objective in _WINDOWS:
        start, end = _WINDOWS[objective]
        return Annealing(start * spacing, end * spacing, *_step_lengths(spacing))
    if objective == "riesz":
        return Annealing(1 / _EXPONENTS[0], 1 / _EXPONENTS[1], *_step_lengths(spacing))
    return None


def _step_lengths(spacing: float) -> tuple[float, float]:
    """Return the first and last step in radians: small beside the angle between neighbours."""
    angle = math.acos(1 - spacing)
    return 0.04 * angle, 0.0004 * angle
