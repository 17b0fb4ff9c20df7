"""`hyperface leaks` and `hyperface uniqueness` through typer's own runner, on image sets of known leaks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hyperface_lib.cli import app
from hyperface_lib.cli.output import RENDERED_NOTE
from hyperface_lib.cli.picture_factors import picture_factors
from hyperface_lib.embedding.photographs import PhotographCrops, PhotographProblem
from hyperface_lib.faces import FaceWorld, Nuisance
from hyperface_lib.formats import convert, open_image_set
from hyperface_lib.runs import IdentityVectors
from hyperface_lib.runs.image_archive import write_image_archive
from hyperface_lib.synthesis import generate_dataset
from hyperface_lib.synthesis.rendered_people import RenderedPeople
from hyperface_lib.synthesis.seeds import image_seed


class PixelEmbedder:
    """A stand-in: the mean colour of each quarter of a 64-pixel crop."""

    name, dimension, image_size, fingerprint = "pixels", 12, 64, "0123456789abcdef"

    def embed(self, images: Any, progress: bool = False) -> np.ndarray:
        crops = np.asarray(images, np.float32).reshape(-1, 2, 32, 2, 32, 3)
        raw = crops.mean(axis=(2, 4)).reshape(-1, 12) - 127
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperface_lib.embedding.load_embedder", lambda spec, device="auto": PixelEmbedder())


def hyperface(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], terminal_width=200)
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
    return result.output


def crop(seed: int) -> np.ndarray:
    quarters = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return quarters.repeat(32, axis=0).repeat(32, axis=1)


def image_folder(root: Path, seeds: dict[str, int]) -> Path:
    for name, seed in seeds.items():
        stream = io.BytesIO()
        Image.fromarray(crop(seed)).save(stream, "PNG")
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(stream.getvalue())
    return root


# the images of "b" are those of real person "y", and one of "a" that of "x"
MADE = {"a/0.png": 1, "a/1.png": 102, "a/2.png": 3, "b/0.png": 104, "b/1.png": 105, "c/0.png": 6, "c/1.png": 7}
REAL = {"x/0.png": 101, "x/1.png": 102, "y/0.png": 104, "y/1.png": 105}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "made", MADE)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "real", REAL)


def read(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(file.read_text())
    return values


class TestLeaks:
    def test_images_that_are_real_ones_are_counted_listed_and_drawn(
        self, tmp_path: Path, made: Path, real: Path
    ) -> None:
        asked = ("--threshold-degrees", 1, "--json", tmp_path / "l.json", "--figure", tmp_path / "l.html")
        text = hyperface("leaks", made, real, *asked)
        assert "samples samples" in text
        values = read(tmp_path / "l.json")
        assert values["embedder"] == "pixels" and values["embedder_fingerprint"] == "0123456789abcdef"
        row = values["rows"][0]
        assert (row["compared"], row["images"], row["identities"], row["real_identities"]) == (
            "samples-samples",
            3,
            2,
            2,
        )
        assert row["image_share"] == pytest.approx(3 / 7) and row["real_share"] == 0.0
        assert sorted((pair["image"], pair["real"]) for pair in values["pairs"]) == [
            ("a/1.png", "x/1.png"),
            ("b/0.png", "y/0.png"),
            ("b/1.png", "y/1.png"),
        ]
        assert values["exclusion"] is None
        page = (tmp_path / "l.html").read_text(encoding="utf-8")
        assert page.count("plotly-graph-div") == 2 and "3 of 7 leak" in page

    @pytest.mark.parametrize("kind", ["folder", "shards", "records"])
    def test_what_leaks_is_left_out_of_any_image_set(self, tmp_path: Path, made: Path, real: Path, kind: Any) -> None:
        source = made
        if kind != "folder":
            source = tmp_path / ("set.rec" if kind == "records" else "set")
            convert(made, source, to=kind)
        text = hyperface(
            "leaks",
            source,
            real,
            "--threshold-degrees",
            1,
            "--exclude",
            tmp_path / "out",
            "--json",
            tmp_path / "l.json",
        )
        assert "4 of 7 images and 2 of 3 identities are left" in text and "3 images (leaks)" in text
        left = open_image_set(tmp_path / "out")
        assert left.kind == ("shards" if kind == "shards" else "folder")
        assert left.paths == ("a/0.png", "a/2.png", "c/0.png", "c/1.png") and left.labels.tolist() == [0, 0, 1, 1]
        assert read(tmp_path / "l.json")["exclusion"]["compared_with"] == str(real)
        assert read(tmp_path / "out" / "exclusion.json")["embedder_fingerprint"] == "0123456789abcdef"

    def test_identities_go_whole_or_for_having_too_few_left(self, tmp_path: Path, made: Path, real: Path) -> None:
        asked = ("leaks", made, real, "--threshold-degrees", 1)
        hyperface(*asked, "--exclude", tmp_path / "whole", "--drop", "identities", "--layout", "shards")
        whole = open_image_set(tmp_path / "whole")
        assert whole.kind == "shards" and whole.identities == {0: "c"}
        text = hyperface(*asked, "--exclude", tmp_path / "few", "--minimum-images", 3)
        # of "a" two images are left, of "b" none; "c" had two from the beginning
        assert "left with fewer than 3 images: 1" in text
        assert open_image_set(tmp_path / "few").identities == {0: "c"}

    def test_a_file_of_vectors_is_a_gallery_with_the_pictures_beside_it(self, tmp_path: Path, made: Path) -> None:
        images = np.stack([crop(seed) for seed in (104, 200, 201)])
        people = IdentityVectors(PixelEmbedder().embed(images), ["y", "z", "w"], "pixels", "0123456789abcdef")
        place = people.save(tmp_path / "gallery" / "vectors.safetensors")
        asked = ("--threshold-degrees", 3, "--compare", "samples-centres", "--json", tmp_path / "l.json")
        hyperface("leaks", made, place, *asked, "--figure", tmp_path / "l.html")
        values = read(tmp_path / "l.json")
        assert [(pair["image"], pair["real"]) for pair in values["pairs"]] == [("b/0.png", "y")]
        assert (tmp_path / "l.html").read_text(encoding="utf-8").count("plotly-graph-div") == 1
        write_image_archive(tmp_path / "gallery" / "images.zip", images)
        hyperface("leaks", made, place, *asked, "--figure", tmp_path / "l.html")
        assert (tmp_path / "l.html").read_text(encoding="utf-8").count("plotly-graph-div") == 2

    def test_photographs_are_searched_for_faces_first(
        self, tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photographs = image_folder(tmp_path / "album", {"y/p.png": 104, "z/q.png": 200, "z/nobody.png": 5})
        asked: list[list[str]] = []

        def find_faces(cropper: Any, paths: Any, progress: bool = False) -> PhotographCrops:
            asked.append([path.name for path in paths])
            problem = PhotographProblem(1, "nobody.png", "no face was found", skipped=True)
            return PhotographCrops(np.stack([crop(104), crop(200)]), np.array([0, 2]), [problem])

        monkeypatch.setattr("hyperface_lib.embedding.photographs.crop_photographs", find_faces)
        text = hyperface(
            "leaks", made, f"folder:{photographs}", "--threshold-degrees", 1, "--json", tmp_path / "l.json"
        )
        assert "1 photographs left out, the first: nobody.png: no face was found" in text
        assert asked == [["p.png", "nobody.png", "q.png"]]
        pairs = read(tmp_path / "l.json")["pairs"]
        assert [(pair["image"], pair["real"]) for pair in pairs] == [("b/0.png", "y/p.png")]

    def test_vectors_of_another_embedder_are_refused(self, tmp_path: Path, made: Path) -> None:
        other = IdentityVectors(np.eye(12, dtype=np.float32)[:2], ["y", "z"], "other", "ffff")
        place = other.save(tmp_path / "vectors.safetensors")
        text = hyperface("leaks", made, place, "--threshold-degrees", 3, code=2)
        assert "'other'" in text and "'pixels'" in text and len(text.strip().splitlines()) == 1

    def test_a_false_accept_rate_needs_people_enough(self, tmp_path: Path, made: Path, real: Path) -> None:
        assert "at least one of the 4 pairs" in hyperface("leaks", made, real, code=2)
        hyperface("leaks", made, real, "--false-accept-rate", 0.25, "--json", tmp_path / "l.json")
        rows = read(tmp_path / "l.json")["rows"]
        assert {row["false_accept_rate"] for row in rows} == {0.25} and rows[0]["threshold_degrees"] > 1

    def test_nothing_is_written_where_something_else_lies(self, tmp_path: Path, made: Path, real: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.doc").write_text("precious")
        text = hyperface("leaks", made, real, "--threshold-degrees", 1, "--exclude", tmp_path / "out", code=2)
        assert "thesis.doc" in text and [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.doc"]


class TestUniqueness:
    def test_the_json_holds_scores_and_the_page_three_figures(self, tmp_path: Path, made: Path) -> None:
        twins = image_folder(made, {"d/0.png": 6, "d/1.png": 7})  # the images of c again
        text = hyperface(
            "uniqueness",
            twins,
            "--json",
            tmp_path / "u.json",
            "--figure",
            tmp_path / "u.html",
            "--threshold-degrees",
            40,
        )
        assert "misplaced share" in text and "unique" in text and RENDERED_NOTE not in text
        values = read(tmp_path / "u.json")
        assert (values["images"], values["identities"], values["duplicate_images"]) == (9, 4, 2)
        assert {values["worst"][row]["label"] for row in (0, 1)} == {2, 3}
        assert values["worst"][0]["nearest_degrees"] == pytest.approx(0, abs=0.05)
        assert values["names"] == {"0": "a", "1": "b", "2": "c", "3": "d"}
        assert [row["threshold_degrees"] for row in values["thresholds"]] == [40]
        assert sum(values["angles"]["impostor"]["counts_by_degree"]) == values["angles"]["impostor"]["pairs"] == 30
        assert values["variation"] == []
        assert (tmp_path / "u.html").read_text(encoding="utf-8").count("plotly-graph-div") == 3

    def test_one_identity_is_refused_in_one_line(self, tmp_path: Path) -> None:
        text = hyperface("uniqueness", image_folder(tmp_path / "one", {"a/0.png": 1}), code=2)
        assert "found 1" in text and len(text.strip().splitlines()) == 1

    def test_factors_of_a_rendered_data_set_are_those_it_was_rendered_with(self, tmp_path: Path) -> None:
        people = RenderedPeople([70_000_000, 70_000_001], size=64)
        generate_dataset(people.references, people, tmp_path / "set", images_per_identity=3, beta=0.0, seed=4)
        images = open_image_set(tmp_path / "set")
        factors = picture_factors(images)
        drawn = [
            Nuisance.random(image_seed(4, identity, sample), "clean") for identity in (0, 1) for sample in range(3)
        ]
        assert factors["yaw_degrees"].tolist() == [how.yaw_degrees for how in drawn]
        stored = np.asarray(Image.open(io.BytesIO(images.encoded(4))))
        assert np.array_equal(stored, FaceWorld(64).render(70_000_001, drawn[4]))
        assert RENDERED_NOTE in hyperface("uniqueness", tmp_path / "set", "--json", tmp_path / "u.json")
        varied = {one["factor"]: one for one in read(tmp_path / "u.json")["variation"]}
        yaw = factors["yaw_degrees"].reshape(2, 3)
        assert varied["yaw_degrees"]["mean_std"] == pytest.approx(yaw.std(axis=1).mean())
        assert varied["yaw_degrees"]["mean_range"] == pytest.approx(np.ptp(yaw, axis=1).mean())

    def test_of_other_images_no_factors_are_known(self, tmp_path: Path, made: Path) -> None:
        assert picture_factors(open_image_set(made)) == {}
        people = RenderedPeople([70_000_000, 70_000_001], size=64)
        generate_dataset(people.references, people, tmp_path / "set", images_per_identity=2, nuisance=Nuisance())
        assert picture_factors(open_image_set(tmp_path / "set")) == {}
        note = tmp_path / "set" / "manifest.json"
        manifest = read(note)
        for changes in ({"generator": "someone's"}, {"generator_fingerprint": "renderer-0"}):
            changed = manifest | {"parameters": manifest["parameters"] | {"nuisance": "bank"} | changes}
            note.write_text(json.dumps(changed))
            assert picture_factors(open_image_set(tmp_path / "set")) == {}


@pytest.mark.parametrize("command", ["leaks", "uniqueness"])
def test_every_command_explains_itself(command: str) -> None:
    assert "Usage" in hyperface(command, "--help") and f" {command} " in hyperface("--help")
