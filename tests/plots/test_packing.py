"""Sphere pictures: contacts, projections and curves against known configurations."""

import numpy as np
import pytest

from hyperface_lib.plots import contact_edges, packing_progress, principal_coordinates, sphere_figure
from hyperface_lib.plots.packing import edge_coordinates, thinned

OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])


def test_contact_graph_of_the_octahedron() -> None:
    edges = contact_edges(OCTAHEDRON, 0.01)
    assert len(edges) == 12
    assert (edges[:, 0] < edges[:, 1]).all()
    assert not any((OCTAHEDRON[a] == -OCTAHEDRON[b]).all() for a, b in edges)


def test_one_point_has_no_contacts() -> None:
    assert contact_edges(np.eye(3)[:1]).shape == (0, 2)
    assert edge_coordinates(np.eye(3)[:1], contact_edges(np.eye(3)[:1])).shape == (0, 3)


def test_edges_are_arcs_on_the_sphere_with_gaps_between() -> None:
    line = edge_coordinates(OCTAHEDRON, contact_edges(OCTAHEDRON, 0.01), segments=4).reshape(12, 6, 3)
    assert np.isnan(line[:, 5]).all()
    assert np.allclose(np.linalg.norm(line[:, :5], axis=2), 1, atol=1e-3)
    assert np.allclose((line[:, 0] * line[:, 4]).sum(axis=1), 0, atol=1e-3)


def test_sphere_figure_draws_ball_contacts_and_points() -> None:
    ball, contacts, points = sphere_figure(OCTAHEDRON).data
    radius = np.sqrt(np.asarray(ball.x) ** 2 + np.asarray(ball.y) ** 2 + np.asarray(ball.z) ** 2)
    assert radius.max() < 1 and radius.min() > 0.95
    assert len(points.x) == 6 and len(contacts.x) == 12 * 6
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        sphere_figure(np.eye(4))


def test_principal_coordinates_keep_their_signs() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((50, 6)) * np.array([5, 3, 2, 0.1, 0.1, 0.1])
    first = principal_coordinates(points)
    moved = principal_coordinates(points + 1e-3 * rng.standard_normal(points.shape))
    assert first.shape == (50, 3)
    assert np.abs(first - moved).max() < 0.02


def test_principal_coordinates_in_a_given_basis() -> None:
    points = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(principal_coordinates(points, 2, basis=np.eye(4)), points[:, :2])


def test_progress_keeps_the_ends_of_a_long_curve_and_draws_the_bound() -> None:
    steps = np.arange(5000)
    figure = packing_progress({"run": (steps, steps / 100)}, bound_degrees=60, references_degrees={"best known": 59})
    curve = figure.data[0]
    assert len(curve.x) <= 400 and curve.x[0] == 0 and curve.x[-1] == 4999
    assert [shape.y0 for shape in figure.layout.shapes] == [60, 59]
    assert len(figure.to_json()) < 12_000


def test_short_curves_are_left_alone() -> None:
    steps, values = thinned([0, 5, 9], [1.0, 2.0, 3.0])
    assert list(steps) == [0, 5, 9] and list(values) == [1, 2, 3]
