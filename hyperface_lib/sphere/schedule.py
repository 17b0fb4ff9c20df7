"""How temperature, step length and alpha change over a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hyperface_lib.sphere.bounds import cosine_lower_bound


@dataclass(frozen=True)
class Annealing:
    """Temperature falling geometrically from `start` to `end`, step length falling as a cosine to `last_step`.

    Both are functions of the fraction of the run that has passed; `step_radians` and `last_step_radians` are angles.
    An objective without temperature is annealed by its step length alone.
    """

    start: float
    end: float
    step_radians: float = 0.05
    last_step_radians: float = 0.0005

    def temperature(self, fraction: float) -> float:
        """Return the temperature after `fraction` of the run."""
        return self.start * (self.end / self.start) ** min(1.0, max(0.0, fraction))

    def with_first_step(self, step_radians: float) -> Annealing:
        """Return the same schedule with all steps in proportion to another first one."""
        last = self.last_step_radians * step_radians / self.step_radians
        return replace(self, step_radians=step_radians, last_step_radians=last)

    def step_length(self, fraction: float) -> float:
        """Return the step in radians after `fraction` of the run."""
        share = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, fraction))))
        return self.last_step_radians + (self.step_radians - self.last_step_radians) * share


@dataclass(frozen=True)
class AlphaSchedule:
    """What alpha is multiplied by over a run: `start` at its beginning, linearly to `end` at the fraction `until`.

    The default is constant. (3, 1) begins three times as close to the gallery and ends at the alpha asked for, (1, 0)
    lets go of the gallery, (0, 1) spreads first and comes near afterwards. Raises ValueError for a factor that is
    negative or not finite, and for `until` outside (0, 1].
    """

    start: float = 1.0
    end: float = 1.0
    until: float = 1.0

    def __post_init__(self) -> None:
        for name, factor in (("start", self.start), ("end", self.end)):
            if not (factor >= 0 and math.isfinite(factor)):
                raise ValueError(f"{name} of the alpha schedule must be at least 0 and finite, found {factor}.")
        if not 0 < self.until <= 1:
            raise ValueError(f"until of the alpha schedule must be in (0, 1], found {self.until}.")

    def factor(self, fraction: float) -> float:
        """Return the factor on alpha after `fraction` of the run."""
        share = min(1.0, max(0.0, fraction) / self.until)
        return (1 - share) * self.start + share * self.end


ALPHA_SCHEDULES: dict[str, AlphaSchedule] = {
    "constant": AlphaSchedule(),
    "falling": AlphaSchedule(4.0, 1.0),
    "rising": AlphaSchedule(0.0, 1.0),
}


# Temperatures at the beginning and end. Those with a length are in units of the best possible distance 1 - cos.
_WINDOWS = {"hinge": (0.3, 0.002), "log-sum-exp": (1 / 60, 1 / 6000)}
_EXPONENTS = (8.0, 10_000.0)
# Wang and Isola's t = 2 to begin with; the end is that of log-sum-exp, whose temperature is half as large.
_UNIFORMITY_TEMPERATURE = 0.5
_GAUSSIAN_END = 2 * _WINDOWS["log-sum-exp"][1]
_WITHOUT_TEMPERATURE = frozenset({"mean-nearest", "koleo", "mmd", "sliced", "lloyd"})


def default_annealing(objective: str, n: int, dimension: int) -> Annealing | None:
    """Return the schedule for an objective by name; None for the paper's own, which has none."""
    spacing = min(1.0, 1 - cosine_lower_bound(n, dimension))
    if objective in _WINDOWS:
        start, end = _WINDOWS[objective]
        return Annealing(start * spacing, end * spacing, *_step_lengths(spacing))
    if objective == "riesz":
        return Annealing(1 / _EXPONENTS[0], 1 / _EXPONENTS[1], *_step_lengths(spacing))
    if objective == "gaussian":
        return Annealing(_UNIFORMITY_TEMPERATURE, _GAUSSIAN_END * spacing, *_step_lengths(spacing))
    if objective in _WITHOUT_TEMPERATURE:
        return Annealing(1.0, 1.0, *_step_lengths(spacing))
    return None


def _step_lengths(spacing: float) -> tuple[float, float]:
    """Return the first and last step in radians: small beside the angle between neighbours."""
    angle = math.acos(1 - spacing)
    return 0.04 * angle, 0.0004 * angle
