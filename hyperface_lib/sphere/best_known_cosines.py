"""The smallest known largest cosine for a number of points and a dimension, and whether it is proven to be the least.

Only values with an exact form are listed; each is the cosine of a code that can be built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index

from hyperface_lib.sphere.bounds import bound_name, cosine_lower_bound
from hyperface_lib.sphere.codes.polytopes import SEVEN_POINTS_COSINE, SNUB_CUBE_COSINE, TEN_POINTS_COSINE
from hyperface_lib.sphere.geometry import degrees_from_cosine
from hyperface_lib.sphere.known_codes import best_known

_ROOT_5 = math.sqrt(5)
_THREE_POINT = "Cohn, de Laat and Leijenhorst 2024"

# (dimension, n): cosine, who proved that no arrangement has a smaller one. Codes that meet the bound of Rankin, Fejes
# Toth or Levenshtein need no entry.
PROVEN_COSINES: dict[tuple[int, int], tuple[float, str]] = {
    (3, 7): (SEVEN_POINTS_COSINE, "Schuette and van der Waerden 1951"),
    (3, 8): ((2 * math.sqrt(2) - 1) / 7, "Schuette and van der Waerden 1951"),
    (3, 9): (1 / 3, "Schuette and van der Waerden 1951"),
    (3, 10): (TEN_POINTS_COSINE, "Danzer 1963"),
    (3, 11): (1 / _ROOT_5, "Danzer 1963"),
    (3, 24): (SNUB_CUBE_COSINE, "Robinson 1961"),
    (4, 10): (1 / 6, "Bachoc and Vallentin 2009"),
    (4, 24): (1 / 2, "de Laat, Leijenhorst and de Muinck Keizer 2024"),
    (4, 120): ((1 + _ROOT_5) / 4, "Boroczky 1978"),
    (16, 288): (1 / 4, _THREE_POINT),
    (20, 56): (1 / 15, _THREE_POINT),
    (21, 50): (1 / 21, _THREE_POINT),
    (21, 77): (1 / 12, _THREE_POINT),
    (64, 4224): (1 / 8, _THREE_POINT),
    (256, 66_048): (1 / 16, _THREE_POINT),
    (1024, 1_050_624): (1 / 32, _THREE_POINT),
}


@dataclass(frozen=True)
class BestKnownCosine:
    """The smallest largest cosine that is known for `n` points in `dimension`.

    `proven`: no arrangement has a smaller one. `constructible`: `best_known(n, dimension).points()` attains it.
    """

    n: int
    dimension: int
    cosine: float
    source: str
    proven: bool
    constructible: bool

    @property
    def angle_degrees(self) -> float:
        """The angle in degrees with this cosine."""
        return degrees_from_cosine(self.cosine)


def best_known_cosine(n: int, dimension: int) -> BestKnownCosine | None:
    """Return the smallest known largest cosine of `n` points in `dimension`, or None where no closed form is known.

    Builds nothing. Raises TypeError for numbers that are not integers, ValueError for n < 2 or dimension < 2.
    """
    code = best_known(n, dimension)
    n, dimension = index(n), index(dimension)
    cosine, source = PROVEN_COSINES.get((dimension, n), (math.inf, ""))
    if source:
        constructible = code is not None and code.max_cosine <= cosine + 1e-12
        return BestKnownCosine(n, dimension, cosine, source, True, constructible)
    if code is None:
        return None
    proven = code.max_cosine <= cosine_lower_bound(n, dimension) + 1e-12
    source = f"{code.source}; meets the bound: {bound_name(n, dimension)}" if proven else code.source
    return BestKnownCosine(n, dimension, code.max_cosine, source, proven, True)
