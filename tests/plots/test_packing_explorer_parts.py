"""The explorer's parts by themselves: views, the fuzzy graph, pacing."""

import itertools

import numpy as np
import pytest
import torch

from hyperface_lib.plots.explorer.depth import in_front, split_line, split_points
from hyperface_lib.plots.explorer.layout import LiveLayout, fuzzy_graph
from hyperface_lib.plots.explorer.pacing import Paced, Stretch
from hyperface_lib.plots.explorer.picture import nearest_bars, progress_curve
from hyperface_lib.plots.explorer.views import PrincipalView, SphereView
from hyperface_lib.sphere import PackingRecord, nearest_neighbours
from hyperface_lib.sphere.threads import worthwhile_threads


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clusters(groups: int = 6, each: int = 20, dimension: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.standard_normal((groups, dimension)), each, axis=0)
    return unit(centres + 0.3 * rng.standard_normal(centres.shape))


def test_fuzzy_graph_is_umaps_own() -> None:
    umap = pytest.importorskip("umap.umap_")
    vectors, count = clusters(), 15
    found = nearest_neighbours(vectors, count - 1)
    indices = np.concatenate([np.arange(len(vectors))[:, None], found.indices], axis=1).astype(np.int32)
    distances = np.concatenate([np.zeros((len(vectors), 1)), 1 - found.cosines], axis=1).astype(np.float32)
    theirs, _, _ = umap.fuzzy_simplicial_set(
        vectors, count, np.random.RandomState(0), "cosine", knn_indices=indices, knn_dists=distances
    )
    ours = fuzzy_graph(vectors, count)
    assert np.abs(ours.toarray() - theirs.toarray()).max() < 1e-4


def test_fuzzy_graph_of_few_and_of_equal_points() -> None:
    few = fuzzy_graph(np.eye(3, dtype=np.float32))
    assert few.shape == (3, 3) and np.isfinite(few.data).all()
    same = fuzzy_graph(np.tile(np.eye(4, dtype=np.float32)[:1], (20, 1)))
    assert np.isfinite(same.data).all() and same.data.max() <= 1


def test_layout_gathers_what_belongs_together_and_stays_in_the_middle() -> None:
    vectors = clusters()
    layout = LiveLayout(np.random.default_rng(1).standard_normal((len(vectors), 3)))
    assert not layout.is_warm
    for _ in range(60):
        layout.refine(vectors)
    assert layout.is_warm
    groups = layout.places.reshape(6, 20, 3)
    centres = groups.mean(axis=1)
    within = np.linalg.norm(groups - centres[:, None], axis=2).mean()
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)[np.triu_indices(6, 1)].min()
    assert apart > 2 * within
    assert np.abs(layout.places.mean(axis=0)).max() < 1e-3


def test_refinement_is_the_same_for_the_same_seed() -> None:
    vectors = clusters()
    start = np.random.default_rng(1).standard_normal((len(vectors), 3))
    first, second = LiveLayout(start, seed=3), LiveLayout(start, seed=3)
    assert np.array_equal(first.refine(vectors), second.refine(vectors))


def test_sphere_view_adds_a_third_coordinate_to_the_circle() -> None:
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    placement = SphereView(1.0).place(square, np.zeros((0, 2)))
    assert placement.points.shape == (4, 3) and len(placement.edges) == 4 and placement.has_surface


def test_what_the_camera_sees_is_what_no_point_of_the_ball_stands_before() -> None:
    points = unit(np.random.default_rng(0).standard_normal((500, 3)))
    eye, reach = np.array([0.9, -1.1, 0.4]), 1.05
    camera = eye * 2 * reach  # the box is one unit wide, from -reach to reach
    # Along the ray from the camera to a point of the sphere, is there a point of the ball before it?
    along = np.linspace(0.0, 0.999, 1000)[:, None, None]
    nearest = np.linalg.norm(camera + along * (points - camera), axis=2).min(axis=0)
    hidden, seen = nearest < 1 - 1e-5, in_front(points, tuple(eye), reach)
    assert 0.6 < hidden.mean() < 0.75 and (seen == hidden).sum() <= 1
    assert not in_front(np.full((2, 3), np.nan), eye, reach).any()
    assert in_front(np.zeros((0, 3)), eye, reach).shape == (0,)


def test_points_are_split_without_losing_any() -> None:
    points = np.arange(12.0).reshape(4, 3)
    front, behind = split_points(points, np.array([True, False, True, False]))
    assert np.isnan(front[[1, 3]]).all() and np.isnan(behind[[0, 2]]).all()
    assert np.array_equal(np.fmax(front, behind), points)


def test_every_chord_of_a_line_is_in_one_part_of_the_split() -> None:
    gap = [np.nan] * 3
    line = np.array([[1.0] * 3, [2.0] * 3, [3.0] * 3, [4.0] * 3, gap, [5.0] * 3, [6.0] * 3, gap])
    parts = split_line(line, np.array([True, True, False, False, False, False, False, False]))

    def chords(part: np.ndarray) -> set[tuple[float, float]]:
        heights = part[:, 0]
        return {(a, b) for a, b in itertools.pairwise(heights) if a == a and b == b}

    assert chords(parts[0]) == {(1, 2), (2, 3)} and chords(parts[1]) == {(3, 4), (5, 6)}


def test_principal_view_keeps_its_axes_while_directions_swap() -> None:
    rng = np.random.default_rng(0)
    view, nothing = PrincipalView(), np.zeros((0, 8))
    points = rng.standard_normal((100, 8)) * [3, 2, 1, 0.1, 0.1, 0.1, 0.1, 0.1]
    first = view.place(points, nothing).points
    # The two longest axes change places in the ranking, and so do their directions.
    swapped = view.place(points * [2, 3, 1, 1, 1, 1, 1, 1], nothing).points
    correlation = np.corrcoef(first.T, swapped.T)[:3, 3:]
    assert np.diag(correlation).min() > 0.99


def test_principal_view_stands_on_the_gallerys_axes_where_there_is_a_gallery() -> None:
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((2000, 8)) * [0.1, 5, 0.1, 3, 0.1, 2, 0.1, 0.1]
    points = rng.standard_normal((10, 8))
    placement = PrincipalView().place(points, gallery)
    assert placement.gallery.var(axis=0).sum() > 0.99 * gallery.var(axis=0).sum()
    assert np.abs(np.corrcoef(placement.points[:, 0], points[:, 1])[0, 1]) > 0.98
    assert np.abs(placement.gallery).max() <= placement.reach


def test_paced_work_is_done_again_only_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("hyperface_lib.plots.explorer.pacing.time.perf_counter", lambda: clock[0])
    done: list[int] = []

    def work() -> int:
        clock[0] += 1.0
        done.append(len(done))
        return len(done)

    paced = Paced(work, share=0.2)
    assert paced.lately() == 1
    clock[0] = 4.9  # it ended at 1 and took 1: due again 4 later
    assert paced.lately() == 1
    clock[0] = 5.1
    assert paced.lately() == 2
    assert paced.now() == 3


def test_a_stretch_counts_its_schedule_and_its_end() -> None:
    stretch = Stretch(10)
    assert stretch.fraction(5) == 0.5 and not stretch.is_over(9) and stretch.is_over(10)
    stretch.extend(10)
    assert stretch.fraction(15) == 1.0 and not stretch.is_over(19) and stretch.is_over(20)
    stretch.renew(20)
    assert stretch.fraction(20) == 0.0 and stretch.is_over(30)


def test_little_work_is_done_on_one_thread() -> None:
    before = torch.get_num_threads()
    with worthwhile_threads(1000):
        assert torch.get_num_threads() == 1
    with worthwhile_threads(10**12):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    history = [PackingRecord(step, 0.0, step / 100, 0.0, None) for step in range(5000)]
    curve = progress_curve(history)
    assert len(curve.steps) <= 400 and curve.steps[0] == 0 and curve.steps[-1] == 4999
    assert np.allclose(curve.angles_degrees, curve.steps / 100)


def test_bars_hold_every_point_even_beyond_the_bound() -> None:
    bars = nearest_bars(np.array([10.0, 50.0, 170.0]), lowest_degrees=20.0, bound_degrees=60.0)
    assert bars.counts.sum() == 3
    assert bars.centres_degrees[0] - bars.width_degrees / 2 == pytest.approx(10.0, abs=1e-3)
