"""`pack`: known optima, Eq. 2's trade-off, subspaces, limits, and bad input."""

from __future__ import annotations

import math
import re
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.sphere import (
    ALPHA_SCHEDULES,
    OBJECTIVES,
    OPTIMISERS,
    PackingRun,
    best_known,
    define_problem,
    effective_dimension,
    min_angle_degrees,
    nearest_neighbours,
    pack,
    principal_subspace,
    random_points,
    start_run,
)
from hyperface_lib.sphere.problem import warn_of_collapse


def clustered_gallery(count: int = 300, dimension: int = 32, rank: int = 8, seed: int = 0) -> np.ndarray:
    """Vectors in clusters, most of their variance in `rank` directions, as embeddings have it."""
    generator = np.random.default_rng(seed)
    spread = np.where(np.arange(dimension) < rank, 1.0, 0.08)
    centres = generator.normal(size=(20, dimension)) * spread
    rows = centres[generator.integers(0, 20, count)] + 0.6 * generator.normal(size=(count, dimension)) * spread
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


# (n, d, cosine): simplex, orthoplex, and two that need a search.
OPTIMA = [
    (4, 3, -1 / 3),
    (6, 9, -1 / 5),
    (10, 5, 0.0),
    (12, 3, 1 / math.sqrt(5)),
    (24, 4, 0.5),
    (5, 2, math.cos(0.4 * math.pi)),
]


@pytest.mark.parametrize(("n", "dimension", "cosine"), OPTIMA)
def test_the_solver_alone_finds_the_optimum(n: int, dimension: int, cosine: float) -> None:
    packing = pack(n, dimension, use_known_codes=False)
    assert "closed form" not in packing.method
    assert packing.min_angle_degrees == pytest.approx(math.degrees(math.acos(cosine)), abs=1e-4)
    assert packing.min_angle_degrees <= packing.bound_degrees + 1e-4


def test_closed_form_is_taken_where_it_is_better() -> None:
    packing = pack(200, 8, max_steps=3)
    assert packing.method == "closed form: E8 roots"
    assert packing.min_angle_degrees == pytest.approx(60, abs=1e-4)
    assert pack(200, 8, max_steps=3, use_known_codes=False).method == "riesz, lbfgs"


def test_solver_is_taken_where_it_is_better() -> None:
    # Fifteen of the snub cube's 24 vertices are further from optimal than fifteen free points.
    packing = pack(15, 3)
    known = best_known(15, 3)
    assert known is not None and packing.min_angle_degrees > known.angle_degrees + 5
    assert packing.min_angle_degrees == pytest.approx(53.657850, abs=1e-3)


def test_pack_says_what_it_took() -> None:
    assert pack(30, 4, use_known_codes=False, max_steps=40).method == "riesz, lbfgs"
    assert pack(700, 30, use_known_codes=False, max_steps=2).method == "riesz, riemannian-adam"
    assert pack(4000, 64, use_known_codes=False, max_steps=1).method == "hinge, riemannian-adam"
    assert pack(30, 4, use_known_codes=False, objective="closest-pair", max_steps=2).method == "closest-pair, adamw"


def test_many_points_come_near_the_bound() -> None:
    packing = pack(400, 32, use_known_codes=False, max_steps=150)
    assert packing.min_angle_degrees > 0.92 * packing.bound_degrees
    assert packing.points.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(packing.points, axis=1), 1, atol=1e-6)
    assert packing.min_angle_degrees == pytest.approx(min_angle_degrees(packing.points), abs=1e-9)
    assert packing.steps == len(packing.history) == 150


def test_annealed_default_beats_the_papers_algorithm_in_equal_steps() -> None:
    default = pack(150, 32, use_known_codes=False, max_steps=200)
    paper = pack(150, 32, objective="closest-pair", use_known_codes=False, max_steps=200)
    assert paper.method == "closest-pair, adamw"
    assert default.min_angle_degrees > paper.min_angle_degrees + 5


@pytest.mark.parametrize(("n", "dimension"), [(20, 3), (300, 16)])
def test_same_seed_same_result(n: int, dimension: int) -> None:
    first, second = (pack(n, dimension, seed=5, max_steps=40, use_known_codes=False) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    other = pack(n, dimension, seed=6, max_steps=40, use_known_codes=False)
    assert not np.array_equal(first.points, other.points)


def test_more_alpha_comes_closer_to_the_gallery_and_costs_angle() -> None:
    gallery = clustered_gallery()
    results = [pack(60, gallery=gallery, alpha=alpha, max_steps=200) for alpha in (0.0, 0.25, 1.0)]
    closeness = [packing.mean_gallery_cosine for packing in results]
    angles = [packing.min_angle_degrees for packing in results]
    assert closeness[0] + 0.05 < closeness[1] < closeness[2]  # type: ignore[operator]
    assert angles[0] > angles[1] > angles[2]


def test_reported_closeness_is_that_of_the_points() -> None:
    gallery = clustered_gallery()
    packing = pack(40, gallery=gallery, max_steps=20)
    assert packing.config["alpha"] == 0.5
    assert packing.mean_gallery_cosine == pytest.approx(
        nearest_neighbours(packing.points, 1, gallery).cosines.mean(), abs=1e-6
    )


def test_more_points_than_gallery_rows() -> None:
    gallery = clustered_gallery(count=15)
    packing = pack(70, gallery=gallery, initial="gallery", alpha=0.1, max_steps=60)
    assert packing.points.shape == (70, 32)
    assert packing.min_angle_degrees > 10


def test_equal_gallery_rows_are_pulled_apart() -> None:
    gallery = np.repeat(clustered_gallery(count=4), 5, axis=0)
    assert pack(20, gallery=gallery, alpha=0.0, use_known_codes=False, max_steps=100).min_angle_degrees > 60


def test_collapse_onto_the_gallery_is_warned_of() -> None:
    gallery = clustered_gallery(count=5)
    with pytest.warns(UserWarning, match="on the same gallery vector"):
        pack(30, gallery=gallery, alpha=50.0, max_steps=150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pack(5, gallery=gallery, alpha=0.1, max_steps=50)


def test_two_new_people_who_are_one_face_are_warned_of() -> None:
    # Twenty degrees apart where the bound is ninety: not on the gallery vector, but both on either side of one.
    gallery = np.eye(8)[:4]
    twins = np.array([[1, 0.17, 0, 0, 0, 0, 0, 0], [1, -0.17, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]])
    points = torch.from_numpy(twins / np.linalg.norm(twins, axis=1, keepdims=True))
    with pytest.warns(UserWarning, match="2 of 3 points ended beside another one on the same gallery vector"):
        assert warn_of_collapse(points, torch.from_numpy(gallery), 90.0) == 2
    # As near, but each nearest to a face of its own: a crowded place, not a collapse.
    two_faces = torch.from_numpy(np.stack([twins[0], twins[1]]))
    assert warn_of_collapse(points, torch.nn.functional.normalize(two_faces), 90.0) == 0


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("initial", ["gallery", "random"])
def test_points_stay_in_the_subspace(alpha: float, initial: str) -> None:
    gallery = clustered_gallery()
    basis = principal_subspace(gallery, 6)
    packing = pack(50, gallery=gallery, subspace=6, alpha=alpha, initial=initial, max_steps=60)
    outside = packing.points - packing.points @ basis @ basis.T
    assert np.abs(outside).max() < 1e-6
    assert packing.config["subspace_dimension"] == 6
    assert packing.bound_degrees == pack(50, 6, max_steps=1).bound_degrees


def test_packing_in_a_subspace_is_packing_on_the_small_sphere() -> None:
    gallery = clustered_gallery()
    inside = pack(24, gallery=gallery, subspace=4, use_known_codes=False, initial="random")
    assert inside.min_angle_degrees == pytest.approx(60, abs=1e-3)
    assert pack(24, gallery=gallery, subspace=4).method == "closed form: 24-cell"


def test_alpha_works_inside_the_subspace() -> None:
    gallery = clustered_gallery()
    free = pack(50, gallery=gallery, subspace=6, max_steps=150)
    held = pack(50, gallery=gallery, subspace=6, alpha=1.0, max_steps=150)
    assert free.config["alpha"] == 0.0
    assert held.mean_gallery_cosine > free.mean_gallery_cosine + 0.03  # type: ignore[operator]


def test_share_of_variance_and_explicit_basis_name_the_same_subspace() -> None:
    gallery = clustered_gallery(rank=6)
    basis = principal_subspace(gallery, 0.9)
    assert basis.shape[1] == effective_dimension(gallery).dimensions_for_90_percent
    # Many starts would choose among equals by the last digit: one start tells whether the subspace is the same.
    limits = {"max_steps": 20, "method": "riemannian-adam"}
    by_share = pack(20, gallery=gallery, subspace=0.9, **limits)
    by_basis = pack(20, gallery=gallery, subspace=basis, **limits)
    np.testing.assert_allclose(by_share.points, by_basis.points, atol=1e-5)
    # Columns that span the same space serve too, whatever their lengths and angles.
    skewed = basis @ (np.eye(basis.shape[1]) + 0.3 * np.tri(basis.shape[1]))
    points = pack(20, gallery=gallery, subspace=skewed.astype(np.float32), max_steps=20).points
    assert np.abs(points - points @ basis @ basis.T).max() < 1e-5


def test_an_array_as_start_and_torch_in_torch_out() -> None:
    start = random_points(30, 10, seed=9)
    packing = pack(30, 10, initial=start, max_steps=1, method="riemannian-adam", use_known_codes=False)
    assert isinstance(packing.points, torch.Tensor)
    torch.testing.assert_close(packing.points, start, atol=1e-6, rtol=0)


def test_callback_sees_the_run_and_can_end_it() -> None:
    seen: list[int] = []

    def stop_after_seven(run: PackingRun) -> bool:
        seen.append(run.steps)
        return len(seen) == 7

    packing = pack(100, 64, use_known_codes=False, callback=stop_after_seven)
    assert packing.steps == 7
    assert seen == list(range(1, 8))


def test_seconds_limit_ends_the_run() -> None:
    packing = pack(100, 64, use_known_codes=False, max_seconds=0.2)
    assert packing.history[-1].seconds <= packing.seconds
    assert packing.steps >= 1


def test_progress_bar_shows_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    pack(30, 16, objective="hinge", use_known_codes=False, max_steps=5, progress=True)
    assert "of at most 90.00 degrees" in capsys.readouterr().err


def nan_gallery() -> np.ndarray:
    gallery = clustered_gallery()
    gallery[3, 4] = np.nan
    return gallery


BAD: list[tuple[dict[str, object], str]] = [
    ({"n": 1, "dimension": 3}, "n must be at least 2, found 1"),
    ({"n": 5}, "dimension must be given"),
    ({"n": 5, "dimension": 1}, "dimension must be at least 2, found 1"),
    ({"n": 5, "gallery": nan_gallery()}, "gallery must be finite, found NaN or infinity in 1 of 300 rows"),
    ({"n": 5, "gallery": 2 * clustered_gallery()}, "gallery must be unit vectors, found a row of norm 2"),
    ({"n": 5, "dimension": 16, "gallery": clustered_gallery()}, "gallery must have 16 columns, found 32"),
    ({"n": 5, "gallery": clustered_gallery(), "alpha": -0.1}, "alpha must be at least 0 and finite, found -0.1"),
    ({"n": 5, "gallery": clustered_gallery(), "alpha": math.nan}, "alpha must be at least 0 and finite"),
    ({"n": 5, "dimension": 3, "alpha": 0.5}, "alpha needs a gallery"),
    (
        {"n": 5, "gallery": clustered_gallery(count=9), "subspace": 20},
        "at most 8 directions, the rank of the gallery, found 20",
    ),
    ({"n": 5, "gallery": clustered_gallery(), "subspace": 1}, "at least 2 directions, found 1"),
    ({"n": 5, "gallery": clustered_gallery(), "subspace": 1.5}, "share of the variance must be in (0, 1], found 1.5"),
    ({"n": 5, "dimension": 3, "subspace": 2}, "needs a gallery"),
    ({"n": 5, "dimension": 3, "subspace": np.ones((3, 2))}, "independent columns"),
    (
        {"n": 5, "dimension": 3, "initial": "middle"},
        "initial must be auto, gallery, random or an array, found 'middle'",
    ),
    ({"n": 5, "dimension": 3, "initial": "gallery"}, "needs a gallery"),
    ({"n": 5, "dimension": 3, "initial": np.eye(3)}, "initial must have n = 5 rows, found 3"),
    (
        {"n": 5, "dimension": 3, "objective": "energy"},
        f"one of auto, {', '.join(OBJECTIVES)}, found 'energy'",
    ),
    ({"n": 5, "dimension": 3, "method": "newton"}, f"one of auto, {', '.join(OPTIMISERS)}, found 'newton'"),
    (
        {"n": 3, "dimension": 3, "initial": np.eye(3)[[0, 1, 0]]},
        "initial must hold different points, found rows 0 and 2 equal",
    ),
    (
        {"n": 9, "gallery": clustered_gallery(), "alpha_schedule": "sudden"},
        f"one of {', '.join(ALPHA_SCHEDULES)} or an AlphaSchedule, found 'sudden'",
    ),
    ({"n": 700, "dimension": 30, "step_radians": 4.0}, "step_radians must be in (0, pi], found 4.0"),
    ({"n": 700, "dimension": 30, "batch_size": 64}, "batch_size goes with a mini-batch method"),
    (
        {"n": 700, "dimension": 30, "batch_size": 701, "method": "minibatch-adam"},
        "batch_size must be between 2 and n = 700, found 701",
    ),
    ({"n": 5, "dimension": 3, "max_steps": 0}, "max_steps must be at least 1, found 0"),
    ({"n": 5, "dimension": 3, "max_seconds": -1.0}, "max_seconds must be positive, found -1.0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_input_is_named_in_one_sentence(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        pack(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_wrong_types_are_named() -> None:
    with pytest.raises(TypeError, match="n must be a whole number"):
        pack(5.5, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="gallery must be a numpy array"):
        define_problem(5, 3, gallery=[[1.0, 0.0, 0.0]])  # type: ignore[arg-type]


class FullObjective:
    """An objective on a machine whose memory is full."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, _points: torch.Tensor) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_full_memory_is_one_sentence_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    kept = tmp_path / "packing.safetensors"
    asked = {"n": 700, "dimension": 30, "use_known_codes": False, "max_steps": 20, "checkpoint": kept}
    monkeypatch.setattr("hyperface_lib.sphere.watch._SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def full(run: PackingRun) -> None:
        if run.steps == 10:
            monkeypatch.setattr(run.objective, "value_and_gradient", FullObjective(error))

    with pytest.raises(MemoryError, match="packing n = 700 points in 30 dimensions needs about") as caught:
        pack(**asked, callback=full)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    reached: list[int] = []
    pack(**asked, callback=lambda run: reached.append(run.steps))  # type: ignore[arg-type]
    assert reached[0] == 11


def test_other_runtime_errors_are_not_taken_for_full_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: PackingRun) -> None:
        monkeypatch.setattr(run.objective, "value_and_gradient", FullObjective(RuntimeError("shapes differ")))

    with pytest.raises(RuntimeError, match="shapes differ"):
        pack(700, 30, use_known_codes=False, callback=broken, max_steps=5)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(20, 60), dimension=st.integers(3, 12))
def test_turning_the_start_turns_the_result(seed: int, n: int, dimension: int) -> None:
    # SGD knows no axes, as the objective does not: Adam's per-coordinate scale does.
    start = random_points(n, dimension, seed, torch.float64)
    rotation, _ = torch.linalg.qr(random_points(dimension, dimension, seed + 1, torch.float64))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))

    def packed(points: torch.Tensor) -> torch.Tensor:
        problem = define_problem(n, dimension, initial=points, device="cpu")
        run = start_run(problem, "riesz", "sgd", total_steps=20, dtype=torch.float64)
        run.step(20)
        return run.points

    torch.testing.assert_close(packed(start @ rotation), packed(start) @ rotation, atol=1e-8, rtol=0)
    torch.testing.assert_close(packed(start[order]), packed(start)[order], atol=1e-8, rtol=0)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    objective=st.sampled_from(sorted(OBJECTIVES)),
    method=st.sampled_from(sorted(set(OPTIMISERS) - {"lbfgs"})),
)
def test_the_best_never_gets_worse(seed: int, objective: str, method: str) -> None:
    run = start_run(define_problem(30, 5, seed=seed, device="cpu"), objective, method, total_steps=25)
    angles = []
    for _ in range(25):
        run.step()
        angles.append(min_angle_degrees(run.best_points))
    assert all(later >= earlier - 1e-3 for earlier, later in pairwise(angles))
    assert angles[-1] >= min_angle_degrees(problem_start(seed)) - 1e-3


def problem_start(seed: int) -> torch.Tensor:
    return define_problem(30, 5, seed=seed, device="cpu").start()


def test_more_time_is_never_worse_than_the_closed_form() -> None:
    known = best_known(1000, 128)
    assert known is not None
    assert pack(1000, 128, max_steps=2).min_angle_degrees >= known.angle_degrees - 1e-4
