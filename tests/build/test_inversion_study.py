"""The study of inversion: whom it looks for among whom, what it scores, and that an interrupted one goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperface_lib.assets import asset, data_folder
from hyperface_lib.build import inversion_study
from hyperface_lib.build.inversion_people import (
    SPLITS,
    People,
    acceptance_threshold,
    kept_people,
    noise_images,
    render_people,
)
from hyperface_lib.build.inversion_study import SHEET, Row, score, study, study_rows, write_sheet
from hyperface_lib.embedding import Embedder, load_embedder, load_recogniser
from hyperface_lib.faces import FaceWorld, Nuisance, identity_seeds, nuisance_seed
from hyperface_lib.plots.inversion import sheet_tiles
from hyperface_lib.training.inversion_scores import identity_percentiles

QUICK = [Row("closed", "default", 0, {"steps": 2}, part=2), Row("open", "default", 0, {"steps": 2}, part=2)]


@pytest.fixture(scope="module")
def networks() -> dict[str, Embedder]:
    return {name: load_embedder(name, "cpu") for name in ("reference", "judge")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, networks: dict[str, Embedder]) -> Path:
    """A work folder that holds three people among twelve on either side."""
    folder = tmp_path_factory.mktemp("inversion")
    for side in SPLITS:
        kept_people(folder, side, 3, 12, networks)
    return folder


@pytest.fixture
def people(work: Path, networks: dict[str, Embedder]) -> People:
    return kept_people(work, "closed", 3, 12, networks)


def test_rows_differ_and_both_sides_have_three_seeds() -> None:
    rows = study_rows()
    assert len({row.key for row in rows}) == len(rows)
    for side in SPLITS:
        assert sorted(row.seed for row in rows if (row.side, row.name) == (side, "default")) == [0, 1, 2]
        assert {0.0, 0.005, 0.25} <= {row.settings(0).batch_norm_weight for row in rows if row.side == side}
    for side, name in SHEET:
        if name != "a picture of the person":
            assert f"{side}, {name}" in {row.key for row in rows}


def test_parts_and_seeds_start_from_different_noise() -> None:
    seeds = [Row("open", "default", seed).settings(part).seed for seed in range(3) for part in range(5)]
    assert len(set(seeds)) == 15


def test_classes_are_the_people_of_the_closed_set(people: People) -> None:
    centers = load_recogniser(asset("recognisers/reference.safetensors")).class_centers
    assert centers is not None
    nearest = (people.own_templates @ centers.numpy().T).argmax(axis=1)
    assert (nearest == np.arange(12)).sum() >= 11


def test_pictures_are_not_used_twice(networks: dict[str, Embedder], people: People) -> None:
    person, world = identity_seeds(SPLITS["closed"], 1)[0], FaceWorld(64)

    def pictures(first: int, last: int) -> np.ndarray:
        drawn = [Nuisance.random(nuisance_seed(person, sample), "clean") for sample in range(first, last)]
        return world.render_batch([person] * len(drawn), drawn, workers=1)

    template = networks["judge"].embed(pictures(20, 25)).mean(axis=0)
    np.testing.assert_allclose(people.templates[0], template / np.linalg.norm(template), atol=1e-5)
    np.testing.assert_allclose(people.enrolled[0], networks["reference"].embed(pictures(25, 33)), atol=1e-5)
    np.testing.assert_array_equal(people.pictures[0], pictures(33, 34)[0])
    mean = people.enrolled[0, :2].mean(axis=0)
    np.testing.assert_allclose(people.vectors(2)[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_people_are_rendered_once(work: Path, networks: dict[str, Embedder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.build.inversion_people.render_people", lambda *_: pytest.fail("again"))
    assert kept_people(work, "open", 3, 12, networks).templates.shape == (12, 128)


class Fixed:
    """A judge that gives the vectors it was told to."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def embed(self, images: np.ndarray) -> np.ndarray:
        return self.vectors[: len(images)]


def test_the_threshold_is_passed_by_one_stranger_in_a_thousand() -> None:
    generator = np.random.default_rng(0)
    templates = generator.normal(size=(400, 8))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    blank = np.zeros((20, 64, 64, 3), np.uint8)
    people = People(templates, templates, templates[:20, None], blank)
    threshold = acceptance_threshold(people, Fixed(templates))  # type: ignore[arg-type]
    cosines = [templates[who] @ templates[other] for who in range(20) for other in range(400) if who != other]
    assert np.mean(np.array(cosines) > threshold) == pytest.approx(1e-3, abs=2e-4)


def test_real_pictures_are_found_and_noise_is_not(networks: dict[str, Embedder], people: People) -> None:
    threshold = acceptance_threshold(people, networks["judge"])  # type: ignore[arg-type]
    real = score(people.pictures, people, networks, threshold)
    assert real["mean_percentile"] > 95 and real["reference_percentile"] > 95 > real["other_percentile"]
    noise = score(noise_images(3), people, networks, threshold)
    assert noise["mean_cosine"] < 0.3 < real["mean_cosine"] and noise["accepted"] <= real["accepted"]
    vectors = networks["judge"].embed(people.pictures)
    np.testing.assert_allclose(
        real["percentiles"], identity_percentiles(vectors, people.templates, np.arange(3)).round(2)
    )
    others = identity_percentiles(vectors, people.templates, np.array([2, 0, 1]))
    assert real["other_percentile"] == pytest.approx(others.mean(), abs=0.01)


def test_an_interrupted_study_goes_on(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The judge has its own test: here an image is told by its mean.
    monkeypatch.setattr(inversion_study, "acceptance_threshold", lambda *_: 0.5)
    monkeypatch.setattr(inversion_study, "score", lambda images, *_: {"means": images.mean(axis=(1, 2, 3)).tolist()})
    out = tmp_path / "rows.json"
    assert not study(QUICK, 3, 12, work, out, minutes=0.0)
    assert not out.exists()
    assert study(QUICK, 3, 12, work, out)
    first = json.loads(out.read_text())
    assert list(first["rows"]) == [row.key for row in QUICK]
    assert all(len(row["means"]) == 3 and row["prior"] > 0 for row in first["rows"].values())

    calls: list[Any] = []
    once_more = inversion_study.invert_embedding

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return once_more(*arguments, **options)

    monkeypatch.setattr(inversion_study, "invert_embedding", counted)
    monkeypatch.setattr(inversion_study, "invert_class", lambda *_, **__: pytest.fail("found before"))
    assert study(QUICK, 3, 12, work, out) and not calls
    assert json.loads(out.read_text()) == first
    # Other settings under the same name are not taken for the old ones; three people in twos are two parts.
    assert study([replace(QUICK[1], changes={"steps": 1})], 3, 12, work, out) and len(calls) == 2


def test_the_sheet_holds_the_first_people_row_by_row(tmp_path: Path) -> None:
    rows = [name for name in SHEET[:3]]
    found = {name: np.full((10, 64, 64, 3), 40 + 60 * index, np.uint8) for index, name in enumerate(rows)}
    assert write_sheet(tmp_path / "s.webp", found) == [f"{side}: {name}" for side, name in rows]
    tiles = sheet_tiles(np.asarray(Image.open(tmp_path / "s.webp").convert("RGB")), 3, 8)
    assert [round(float(tile.mean()), -1) for tile in tiles[::8]] == [40, 100, 160]


def test_the_shipped_table_is_of_the_shipped_networks_and_says_what_the_text_says(
    networks: dict[str, Embedder],
) -> None:
    path = data_folder() / "results" / "inversion.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    about = table["about"]
    assert about["fingerprints"] == {name: network.fingerprint for name, network in networks.items()}
    assert about["identities"] == 50 and about["candidates"] >= 500
    assert list(table["rows"]) == [row.key for row in study_rows()]
    for row in [*table["rows"].values(), *table["lines"].values()]:
        assert len(row["percentiles"]) == 50
        assert row["mean_percentile"] == pytest.approx(np.mean(row["percentiles"]), abs=0.01)
    for side in SPLITS:
        noise, real = (table["lines"][f"{side}, {name}"] for name in ("noise", "a picture of the person"))
        assert 35 < noise["mean_percentile"] < 65 and real["mean_percentile"] > 99
        for seed in range(3):
            row = table["rows"][f"{side}, default, seed {seed}"]
            assert row["mean_percentile"] >= 90 and row["other_percentile"] < 65
    sheet = path.with_name(table["sheet"]["file"])
    assert sheet.stat().st_size < 200_000
    tiles = sheet_tiles(
        np.asarray(Image.open(sheet).convert("RGB")), len(table["sheet"]["rows"]), table["sheet"]["columns"]
    )
    assert tiles.shape[1:] == (64, 64, 3)


def test_both_sides_are_rendered_from_their_own_split(networks: dict[str, Embedder]) -> None:
    one, other = (render_people(SPLITS[side], 1, 2, networks) for side in ("closed", "open"))
    assert (one.pictures != other.pictures).mean() > 0.3
    assert one.enrolled.shape == (1, 8, 128)
