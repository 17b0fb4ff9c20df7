"""Sphere pictures: contacts, projections and curves against known configurations."""

import numpy as np
import pytest

from hyperface_lib.plots import contact_edges, packing_progress, principal_coordinates, sphere_figure
from hyperface_lib.plots.packing import ball_trace, edge_coordinates, net_trace, thinned

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


def lengths(trace: object) -> np.ndarray:
    return np.linalg.norm(np.stack([np.asarray(trace[axis], dtype=float) for axis in "xyz"], axis=1), axis=1)


def test_sphere_figure_draws_ball_net_contacts_and_points_one_inside_the_other() -> None:
    ball, net, contacts, points = sphere_figure(OCTAHEDRON).data
    assert np.nanmax(lengths(ball)) < np.nanmin(lengths(net)) < np.nanmax(lengths(net)) < 1
    assert np.allclose(lengths(points), 1, atol=1e-3)
    assert len(points.x) == 6 and len(contacts.x) == 12 * 6
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        sphere_figure(np.eye(4))


def test_ball_is_closed_and_round() -> None:
    ball = ball_trace(radius=0.9, around=32)
    corners = np.stack([ball.x, ball.y, ball.z], axis=1).astype(float)
    triangles = corners[np.stack([ball.i, ball.j, ball.k], axis=1)]
    volume = np.abs(np.linalg.det(triangles)).sum() / 6
    assert 0.97 * 4 / 3 * np.pi * 0.9**3 < volume < 4 / 3 * np.pi * 0.9**3
    # Every edge has a triangle on both sides, but for those of no area at the poles.
    places = np.unique(corners.round(6), axis=0, return_inverse=True)[1].ravel()
    sides = places[np.stack([ball.i, ball.j, ball.k], axis=1)]
    edges = np.sort(np.concatenate([sides[:, [0, 1]], sides[:, [1, 2]], sides[:, [2, 0]]]), axis=1)
    _, shared = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0, return_counts=True)
    assert (shared % 2 == 0).all()


def test_net_is_five_parallels_and_six_meridians() -> None:
    net = net_trace(radius=1.0, spacing_degrees=30, chord_degrees=10)
    line = np.stack([net.x, net.y, net.z], axis=1).reshape(11, 38, 3)
    assert np.isnan(line[:, 37]).all() and not np.isnan(line[:, :37]).any()
    assert np.allclose(line[:, 0], line[:, 36], atol=1e-3), "circles are closed"
    assert np.allclose(line[:5, :37, 2], np.sin(np.radians([-60, -30, 0, 30, 60]))[:, None], atol=1e-3)
    for circle, degrees in zip(line[5:, :37], range(0, 180, 30), strict=True):
        across = np.array([-np.sin(np.radians(degrees)), np.cos(np.radians(degrees)), 0.0])
        assert np.allclose(circle @ across, 0, atol=2e-3) and circle[:, 2].max() == 1


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
