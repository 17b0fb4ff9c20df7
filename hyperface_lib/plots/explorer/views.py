"""Ways of looking at points in d dimensions: the sphere itself, their shadow on three directions, a UMAP layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hyperface_lib.plots.explorer.layout import LiveLayout
from hyperface_lib.plots.packing import contact_edges, principal_basis, principal_coordinates

_CONTACTS_UP_TO = 500
_NO_EDGES = np.zeros((0, 2), np.int64)
_SPHERE_REACH = 1.05


@dataclass(frozen=True)
class Placement:
    """Where everything stands in the picture: points (n, 3), gallery (m, 3), pairs in contact (k, 2).

    `reach` is half the side of the box drawn, `has_surface` whether the ball is drawn behind the points.
    """

    points: np.ndarray
    gallery: np.ndarray
    edges: np.ndarray
    reach: float
    has_surface: bool


class View(Protocol):
    """Places points and gallery, unit rows of one dimension."""

    @property
    def note(self) -> str:
        """What the reader is told about the view."""
        ...

    def place(self, points: np.ndarray, gallery: np.ndarray) -> Placement:
        """Return where `points` (n, d) and `gallery` (m, d) stand in the picture."""
        ...


class SphereView:
    """The sphere itself, up to three dimensions, with the contact graph.

    Pairs are in contact when their angle is within `tolerance_degrees` of the smallest one.
    """

    note = ""

    def __init__(self, tolerance_degrees: float) -> None:
        self.tolerance_degrees = tolerance_degrees

    def place(self, points: np.ndarray, gallery: np.ndarray) -> Placement:
        """Return the points as they are; those of the circle get a third coordinate 0."""
        places = _in_space(points)
        edges = contact_edges(places, self.tolerance_degrees) if len(places) <= _CONTACTS_UP_TO else _NO_EDGES
        return Placement(places, _in_space(gallery), edges, _SPHERE_REACH, has_surface=True)


class PrincipalView:
    """The shadow on the three leading principal directions: the gallery's where there is one, else the points' own.

    Packed points have no direction much longer than another: their principal directions swap places and signs from
    frame to frame. The three are therefore turned, within the space they span, to stand nearest to the frame before.
    """

    note = "the shadow on three principal directions"

    def __init__(self) -> None:
        self._basis: np.ndarray | None = None

    def place(self, points: np.ndarray, gallery: np.ndarray) -> Placement:
        """Return the projections of the points and the gallery."""
        if len(gallery):
            basis = principal_basis(gallery) if self._basis is None else self._basis
        else:
            basis = _turned_towards(principal_basis(points), self._basis)
        self._basis = basis
        places, beside = principal_coordinates(points, basis=basis), principal_coordinates(gallery, basis=basis)
        return Placement(places, beside, _NO_EDGES, _box(places, beside), has_surface=False)


class UmapView:
    """A UMAP layout of points and gallery together that follows the points as they move.

    Until the first refinement, which imports and compiles, it shows the shadow it starts from.
    """

    def __init__(self, points: np.ndarray, gallery: np.ndarray, seed: int = 0) -> None:
        start = _shadow(points, gallery)
        self._layout = LiveLayout(np.concatenate([start.points, start.gallery]), seed)

    @property
    def note(self) -> str:
        """What to tell the reader: that the first layout takes a while."""
        return "UMAP layout" if self._layout.is_warm else "UMAP is warming up: 10 to 30 seconds, once"

    def refine(self, points: np.ndarray, gallery: np.ndarray) -> None:
        """Let the layout follow the points (n, d), beside the gallery (m, d)."""
        self._layout.refine(np.concatenate([points, gallery]))

    def place(self, points: np.ndarray, gallery: np.ndarray) -> Placement:
        """Return the layout as it was last refined."""
        places, beside = np.split(self._layout.places, [len(points)])
        return Placement(places, beside, _NO_EDGES, _box(places, beside), has_surface=False)


def _shadow(points: np.ndarray, gallery: np.ndarray) -> Placement:
    if points.shape[1] <= 3:
        return SphereView(0.0).place(points, gallery)
    return PrincipalView().place(points, gallery)


def _in_space(points: np.ndarray) -> np.ndarray:
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def _turned_towards(basis: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
    """Return the orthonormal basis (d, 3) of the same space that is nearest to `previous` (Schonemann 1966)."""
    if previous is None:
        return basis
    left, _, right = np.linalg.svd(basis.T @ previous)
    return basis @ (left @ right)


def _box(places: np.ndarray, beside: np.ndarray) -> float:
    """Half the side of a box around everything, in steps of a tenth so that it does not breathe with every frame."""
    reach = max(float(np.abs(places).max()), float(np.abs(beside).max(initial=0.0)))
    return float(1.1 ** np.ceil(np.log(1.05 * max(reach, 1e-6)) / np.log(1.1)))
