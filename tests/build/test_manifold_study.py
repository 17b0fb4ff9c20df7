"""The study of the manifold: its galleries, its starts, what its rows say, and that an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperface_lib.assets import data_folder
from hyperface_lib.build.manifold_settings import (
    STARTS,
    Setting,
    embedding_like_gallery,
    geometry_settings,
    identity_settings,
    turned_towards,
)
from hyperface_lib.build.manifold_study import StudyFile, closest_on_one_vector, describe, measure_geometry
from hyperface_lib.sphere import best_known, min_angle_degrees, nearest_neighbours, principal_subspace, random_points


@pytest.fixture(scope="module")
def gallery() -> np.ndarray:
    return embedding_like_gallery(size=150, dimension=32, decay=8, clusters=5, seed=3)


def closeness(points: np.ndarray, gallery: np.ndarray) -> float:
    return float(nearest_neighbours(points, 1, gallery).cosines.mean())


def test_the_large_gallery_scores_as_it_says() -> None:
    found = describe(embedding_like_gallery(size=4000))
    assert found["cosine_of_one_pair_in_a_thousand"] == pytest.approx(0.28, abs=0.015)
    # Cosines of different people scatter by the inverse root of the participation ratio when their mean is short.
    assert found["cosine_deviation"] == pytest.approx(found["participation_ratio"] ** -0.5, rel=0.05)


def test_more_between_clusters_makes_closer_neighbours() -> None:
    loose, tight = (embedding_like_gallery(500, 64, 12, 5, share) for share in (0.1, 0.6))
    np.testing.assert_allclose(np.linalg.norm(loose, axis=1), 1, atol=1e-6)
    assert closest_median(tight) < closest_median(loose) - 10


def closest_median(vectors: np.ndarray) -> float:
    return describe(vectors)["nearest_angle_quantiles_degrees"][1]


def test_turning_brings_points_nearer_and_keeps_their_angles(gallery: np.ndarray) -> None:
    points = np.asarray(random_points(60, 32, seed=1))
    reached = [closeness(turned_towards(points, gallery, rounds), gallery) for rounds in range(6)]
    assert np.all(np.diff(reached) > -1e-6) and reached[-1] > reached[0] + 0.1
    turned = turned_towards(points, gallery, 5)
    np.testing.assert_allclose(turned @ turned.T, points @ points.T, atol=1e-5)


def test_turning_finds_a_gallery_that_is_the_points_turned_a_little() -> None:
    points = np.asarray(random_points(40, 8, seed=2))
    rotation = np.linalg.qr(np.eye(8) + 0.02 * np.random.default_rng(0).normal(size=(8, 8))).Q
    rotation *= np.sign(np.diag(rotation))
    assert closeness(turned_towards(points, (points @ rotation).astype(np.float32)), points @ rotation) > 1 - 1e-6


def test_points_on_one_vector_are_told_from_close_points_on_two() -> None:
    def plane(*degrees: float) -> np.ndarray:
        return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)

    gallery = plane(0, 90)
    assert closest_on_one_vector(plane(-20, 10, 44, 46), gallery) == pytest.approx(30, abs=1e-5)
    assert closest_on_one_vector(plane(44, 46), gallery) is None


@pytest.mark.parametrize("space", ["whole", "subspace", "whitened"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_points_lie_where_the_setting_says(gallery: np.ndarray, space: str, alpha: float) -> None:
    k = None if space == "whole" else 6
    points = Setting("any", 20, 15, alpha, space=space, k=k).points(gallery)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    inside = points if k is None else points @ principal_subspace(gallery, k)
    np.testing.assert_allclose(np.linalg.norm(inside, axis=1), 1, atol=1e-4)


def test_whitened_points_fill_the_first_direction_more_than_the_last(gallery: np.ndarray) -> None:
    def ratio(space: str) -> float:
        points = Setting("any", 60, 40, 0.0, space=space, k=12).points(gallery)
        first, *_, last = np.square(points @ principal_subspace(gallery, 12)).mean(axis=0)
        return first / last

    assert ratio("whitened") > 2 * ratio("subspace")


@pytest.mark.parametrize("start", ["closed form", "turned closed form"])
def test_a_closed_form_keeps_its_angle(gallery: np.ndarray, start: str) -> None:
    points = Setting("any", 60, 0, 0.0, start=start).points(gallery)
    known = best_known(60, 32)
    assert known is not None and min_angle_degrees(points) == pytest.approx(known.angle_degrees, abs=1e-3)


def test_a_size_without_closed_form_is_named(gallery: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.build.manifold_settings.best_known", lambda n, dimension: None)
    with pytest.raises(ValueError, match="no closed form of 13 points in 32 dimensions"):
        Setting("any", 13, 0, 0.0, start="closed form").points(gallery)


def test_points_that_must_share_gallery_vectors_are_reported(gallery: np.ndarray) -> None:
    few = Setting("any", 30, 60, 0.5)
    alone = measure_geometry(few, gallery)
    assert not alone["warned"] and alone["copies"] == 0
    crowded = measure_geometry(replace(few, alpha=1000.0), gallery[:10])
    assert crowded["warned"] and crowded["copies"] > 0.9 and crowded["closest_on_one_vector_degrees"] < 16


def test_a_row_tells_its_setting_and_eq_2(gallery: np.ndarray) -> None:
    setting = Setting("any", 20, 15, 0.5)
    row = measure_geometry(setting, gallery)
    points = setting.points(gallery)
    distances = 1 - points.astype(np.float64) @ points.T
    np.fill_diagonal(distances, np.inf)
    expected = -distances.min() + 0.5 * (1 - (points.astype(np.float64) @ gallery.T).max(axis=1).mean())
    assert row["eq2"] == pytest.approx(expected, abs=1e-5)
    assert {name: row[name] for name in ("n", "alpha", "start", "space", "steps")} == {
        "n": 20, "alpha": 0.5, "start": "gallery", "space": "whole", "steps": 15,
    }  # fmt: skip


def counted(values: list[str], name: str) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        values.append(name)
        if name == "broken":
            raise RuntimeError("out of memory")
        return {"name": name}

    return make


def test_an_interrupted_study_goes_on(tmp_path: Path) -> None:
    made: list[str] = []
    wanted = {name: counted(made, name) for name in ("first", "broken", "last")}
    with pytest.raises(RuntimeError):
        StudyFile(tmp_path / "rows.json").measure("geometry", {"size": 3}, wanted)
    wanted["broken"] = counted(made, "mended")
    StudyFile(tmp_path / "rows.json").measure("geometry", {"size": 3}, wanted)
    assert made == ["first", "broken", "mended", "last"]
    stored = json.loads((tmp_path / "rows.json").read_text())
    assert list(stored["geometry"]["rows"]) == ["first", "broken", "last"]


def test_rows_of_another_gallery_are_dropped_and_other_parts_stay(tmp_path: Path) -> None:
    made: list[str] = []
    for size in (3, 4):
        file = StudyFile(tmp_path / "rows.json")
        file.measure("geometry", {"size": size}, {"one": counted(made, "one")})
        file.measure("identity", {"judge": "a"}, {"two": counted(made, "two")})
    assert made == ["one", "two", "one"]


def test_the_plan_has_no_row_twice_and_none_that_is_measured_elsewhere() -> None:
    large = embedding_like_gallery(size=1500, dimension=128, decay=25)
    plan = list(geometry_settings({"shipped": large, "embedding-like": large}))
    assert len({setting.key for setting in plan}) == len(plan)
    assert {setting.start for setting in plan} == set(STARTS)
    before = json.loads((data_folder() / "results" / "packed_identities.json").read_text(encoding="utf-8"))["rows"]
    keys = [setting.key for setting in identity_settings(large, 200)]
    assert len(set(keys)) == len(keys) and not set(keys) & set(before)


def test_identity_rows_are_of_the_points_they_name(gallery: np.ndarray) -> None:
    rows = {setting.name: setting for setting in identity_settings(embedding_like_gallery(400, 80, 20), 10)}
    name = next(name for name in rows if name.startswith("alpha 0, start turned"))
    assert min_angle_degrees(np.asarray(rows[name].points())) == pytest.approx(
        best_known(10, 80).angle_degrees, abs=1e-3
    )
