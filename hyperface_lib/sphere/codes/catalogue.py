"""Single codes with a name: their size, dimension, largest cosine and source. Built only when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from hyperface_lib.sphere.codes import elementary, graphs, lattices, polytopes
from hyperface_lib.sphere.geometry import degrees_from_cosine


@dataclass(frozen=True)
class KnownCode:
    """A code in closed form.

    `points()` builds it: exactly `size` unit rows of `dimension` columns, float64, or float32 where the code is made of
    signs or exponential sums or has over 100,000 points. No cosine exceeds `max_cosine`; a part may do better.
    """

    name: str
    size: int
    dimension: int
    max_cosine: float
    source: str
    build: Callable[[], np.ndarray]

    @property
    def angle_degrees(self) -> float:
        """The smallest angle of the code in degrees."""
        return degrees_from_cosine(self.max_cosine)

    def points(self) -> np.ndarray:
        """Return the points of the code."""
        return self.build()


_ROOT_5 = math.sqrt(5)
_SCHUETTE = "Schuette and van der Waerden 1951"
_SHARP = "Delsarte, Goethals and Seidel 1977"
_CONWAY = "Conway and Sloane 1988"
_LAMINATED = {
    13: 906,
    14: 1422,
    15: 2340,
    16: 4320,
    17: 5346,
    18: 7398,
    19: 10668,
    20: 17400,
    21: 27720,
    22: 49896,
    23: 93150,
}

NAMED_CODES: tuple[KnownCode, ...] = (
    KnownCode("7 points", 7, 3, polytopes.SEVEN_POINTS_COSINE, _SCHUETTE, polytopes.seven_points),
    KnownCode("square antiprism", 8, 3, (2 * math.sqrt(2) - 1) / 7, _SCHUETTE, polytopes.square_antiprism),
    KnownCode("cube", 8, 3, 1 / 3, "Euclid", polytopes.cube),
    KnownCode("9 points", 9, 3, 1 / 3, _SCHUETTE, polytopes.nine_points),
    KnownCode("10 points", 10, 3, polytopes.TEN_POINTS_COSINE, "Danzer 1963", polytopes.ten_points),
    KnownCode("icosahedron", 12, 3, 1 / _ROOT_5, "Fejes Toth 1943", polytopes.icosahedron),
    KnownCode("dodecahedron", 20, 3, _ROOT_5 / 3, "Euclid", polytopes.dodecahedron),
    KnownCode("snub cube", 24, 3, polytopes.SNUB_CUBE_COSINE, "Robinson 1961", polytopes.snub_cube),
    KnownCode("Petersen graph", 10, 4, 1 / 6, "Bachoc and Vallentin 2009", graphs.petersen),
    KnownCode("12 on a torus", 12, 4, 1 / 4, "group code, Slepian 1968", polytopes.twelve_on_a_torus),
    KnownCode("tesseract", 16, 4, 1 / 2, "Schlafli 1852", polytopes.tesseract),
    KnownCode("24-cell", 24, 4, 1 / 2, "Schlafli 1852; Musin 2008", partial(elementary.root_system_d, 4)),
    KnownCode("600-cell", 120, 4, (1 + _ROOT_5) / 4, "Schlafli 1852; Boroczky 1978", polytopes.six_hundred_cell),
    KnownCode("120-cell", 600, 4, (1 + 3 * _ROOT_5) / 8, "Schlafli 1852", polytopes.one_hundred_twenty_cell),
    KnownCode("Clebsch graph", 16, 5, 1 / 5, _SHARP, graphs.clebsch),
    KnownCode("D5 roots", 40, 5, 1 / 2, _CONWAY, partial(elementary.root_system_d, 5)),
    KnownCode("Schlafli graph", 27, 6, 1 / 4, _SHARP, lattices.schlaefli),
    KnownCode("E6 roots", 72, 6, 1 / 2, _CONWAY, lattices.e6_roots),
    KnownCode("derived from E8", 56, 7, 1 / 3, _SHARP, lattices.e7_minuscule),
    KnownCode("E7 roots", 126, 7, 1 / 2, _CONWAY, lattices.e7_roots),
    KnownCode("E8 roots", 240, 8, 1 / 2, "Levenshtein 1979; Odlyzko and Sloane 1979", lattices.e8_roots),
    KnownCode("quadruples of 9", 306, 9, 1 / 2, _CONWAY, partial(lattices.quadruple_kissing, 9)),
    KnownCode("quadruples of 10", 500, 10, 1 / 2, _CONWAY, partial(lattices.quadruple_kissing, 10)),
    KnownCode("Coxeter-Todd lattice", 756, 12, 1 / 2, "Coxeter and Todd 1953", lattices.coxeter_todd),
    *(
        KnownCode(
            "Barnes-Wall lattice" if dimension == 16 else f"laminated lattice, d = {dimension}",
            size,
            dimension,
            1 / 2,
            _CONWAY,
            partial(lattices.leech_section, dimension),
        )
        for dimension, size in _LAMINATED.items()
    ),
    KnownCode("Gewirtz graph", 56, 20, 1 / 15, "Cohn, de Laat and Leijenhorst 2024", graphs.gewirtz),
    KnownCode(
        "Hoffman-Singleton graph", 50, 21, 1 / 21, "Cohn, de Laat and Leijenhorst 2024", graphs.hoffman_singleton
    ),
    KnownCode("77 hexads", 77, 21, 1 / 12, "Cohn, de Laat and Leijenhorst 2024", graphs.hexads),
    KnownCode("112 from McLaughlin", 112, 21, 1 / 9, _SHARP, lattices.points_112),
    KnownCode("162 from McLaughlin", 162, 21, 1 / 7, _SHARP, lattices.points_162),
    KnownCode("Higman-Sims graph", 100, 22, 1 / 11, _SHARP, graphs.higman_sims),
    KnownCode("McLaughlin graph", 275, 22, 1 / 6, _SHARP, lattices.mclaughlin),
    KnownCode("891 from Leech", 891, 22, 1 / 4, "Levenshtein 1992", lattices.leech_891),
    KnownCode("276 equiangular lines", 552, 23, 1 / 5, _SHARP, lattices.equiangular_552),
    KnownCode("4600 from Leech", 4600, 23, 1 / 3, _SHARP, lattices.leech_4600),
    KnownCode("Leech lattice", 196_560, 24, 1 / 2, "Levenshtein 1979; Odlyzko and Sloane 1979", lattices.leech),
)


def named_code(name: str) -> KnownCode:
    """Return the code called `name`, best or not: "dodecahedron", "Leech lattice".

    Raises ValueError for a name that `NAMED_CODES` does not have.
    """
    for code in NAMED_CODES:
        if code.name == name:
            return code
    raise ValueError(f"a named code is one of {', '.join(code.name for code in NAMED_CODES)}, found {name!r}.")
