import json
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hyperface_lib.atomic import atomic_path, write_json
from hyperface_lib.faces import FaceWorld
from hyperface_lib.runs import IdentityVectors, Run, fingerprint_of
from hyperface_lib.runs.image_archive import read_image_archive, write_image_archive


def unit_rows(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors_of(n: int = 5, embedder: str = "reference", fingerprint: str = "aa11") -> IdentityVectors:
    return IdentityVectors(unit_rows(n), [f"id{i}" for i in range(n)], embedder, fingerprint, provenance={"seed": 3})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


class TestAtomic:
    def test_a_failing_writer_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "a.txt"
        target.write_text("old")
        with pytest.raises(RuntimeError), atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == ["a.txt"]

    def test_a_kill_between_write_and_rename_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "a.json"
        write_json(target, {"n": 1})

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_json(target, {"n": 2})
        assert json.loads(target.read_text()) == {"n": 1}

    def test_numbers_of_numpy_and_torch_become_plain(self, tmp_path: Path) -> None:
        write_json(tmp_path / "a.json", {"a": np.float32(0.5), "b": torch.tensor(2), "c": np.arange(2), "d": tmp_path})
        assert json.loads((tmp_path / "a.json").read_text()) == {"a": 0.5, "b": 2, "c": [0, 1], "d": str(tmp_path)}

    def test_lists_of_numbers_stand_in_one_line_and_nothing_else_changes(self, tmp_path: Path) -> None:
        value = {"a": [1, -2.5, 1e-9], "b": ["[\n 1,\n 2\n]", "x"], "c": [[1, 2], []], "d": [True, None], "e": [3]}
        write_json(tmp_path / "a.json", value)
        text = (tmp_path / "a.json").read_text()
        assert json.loads(text) == value
        assert '"a": [1, -2.5, 1e-09],\n' in text and '"e": [3]\n' in text and "    [1, 2],\n" in text

    @pytest.mark.parametrize("value", [float("nan"), np.float64("inf"), object()])
    def test_what_json_cannot_say_is_refused(self, value: object, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"a\.json: the values to write"):
            write_json(tmp_path / "a.json", {"a": value})
        assert not os.listdir(tmp_path)


class TestIdentityVectors:
    @given(n=st.integers(1, 20), d=st.integers(1, 16), seed=st.integers(0, 100))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, n: int, d: int, seed: int) -> None:
        path = tmp_path_factory.mktemp("v") / "v.safetensors"
        written = IdentityVectors(unit_rows(n, d, seed), range(n), "reference", "f00", provenance={"é": [1, None]})
        written.save(path)
        read = IdentityVectors.load(path)
        np.testing.assert_array_equal(read.vectors, written.vectors)
        assert read.vectors.dtype == np.float32
        assert (read.ids, read.embedder, read.fingerprint, read.norm) == (written.ids, "reference", "f00", "unit")
        assert read.provenance == {"é": [1, None]}
        assert read.source == str(path)
        assert len(read) == n
        assert read.dimension == d

    def test_torch_vectors_and_raw_norms_are_kept(self, tmp_path: Path) -> None:
        raw = IdentityVectors(torch.full((2, 3), 2.0, requires_grad=True), ["a", "b"], "e", "f", norm="raw")
        assert IdentityVectors.load(raw.save(tmp_path / "r.safetensors")).vectors.tolist() == [[2.0] * 3] * 2

    @pytest.mark.parametrize(
        ("vectors", "ids", "norm", "words"),
        [
            (unit_rows(3) * 2, "abc", "unit", "length 1, found 2 in row"),
            (np.full((1, 2), np.nan), "a", "raw", "finite"),
            (np.array([[1, 0], [np.inf, 0]]), "ab", "unit", "first 1"),
            (unit_rows(3), "ab", "unit", "one id for each of 3 rows, found 2"),
            (np.ones(3), "abc", "raw", r"\(n, d\), found shape \(3,\)"),
            (np.ones((0, 3)), "", "raw", "filled array"),
            (unit_rows(1), "a", "other", "'other'"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, vectors: np.ndarray, ids: str, norm: str, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            IdentityVectors(vectors, list(ids), "e", "f", norm=norm)  # type: ignore[arg-type]

    def test_unit_norm_is_checked_on_reading(self, tmp_path: Path) -> None:
        path = vectors_of().save(tmp_path / "v.safetensors")
        blob = path.read_bytes()
        header_end = 8 + int.from_bytes(blob[:8], "little")
        stretched = (np.frombuffer(blob[header_end:], np.float32) * 3).tobytes()
        path.write_bytes(blob[:header_end] + stretched)
        with pytest.raises(ValueError, match=r"v\.safetensors: .*length 1, found 3"):
            IdentityVectors.load(path)

    @pytest.mark.parametrize("keep", [0, 4, 60, 200])
    def test_a_truncated_file_gets_one_sentence(self, keep: int, tmp_path: Path) -> None:
        path = vectors_of().save(tmp_path / "v.safetensors")
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(ValueError, match=r"v\.safetensors: expected") as raised:
            IdentityVectors.load(path)
        assert "\n" not in str(raised.value)

    def test_a_foreign_safetensors_file_gets_one_sentence(self, tmp_path: Path) -> None:
        save_file({"weight": np.ones(3)}, tmp_path / "w.safetensors")
        with pytest.raises(ValueError, match=r"w\.safetensors: expected tensor 'vectors'.*'weight'"):
            IdentityVectors.load(tmp_path / "w.safetensors")
        save_file({"vectors": np.ones((1, 1), np.float32)}, tmp_path / "x.safetensors", metadata={"hyperface": "{}"})
        with pytest.raises(ValueError, match=r"x\.safetensors: expected 'hyperface identity vectors 1'"):
            IdentityVectors.load(tmp_path / "x.safetensors")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
            IdentityVectors.load(tmp_path / "none.safetensors")

    def test_another_embedder_is_refused_naming_both(self) -> None:
        vectors = vectors_of()
        assert vectors.require(SimpleNamespace(name="copy", fingerprint="aa11")) is vectors
        with pytest.raises(ValueError, match=r"'reference' \(fingerprint aa11\).*'dlib' \(fingerprint bb22\)"):
            vectors.require(SimpleNamespace(name="dlib", fingerprint="bb22"))

    def test_a_generator_speaks_for_the_embedder_it_is_conditioned_on(self) -> None:
        generator = SimpleNamespace(name="unet", fingerprint="of-the-unet", embedder_fingerprint="aa11")
        assert vectors_of().require(generator)
        assert fingerprint_of(vectors_of()) == ("reference", "aa11")
        with pytest.raises(TypeError, match="found int"):
            vectors_of().require(3)


class TestImageArchive:
    def test_pictures_come_back_in_order_and_nearly_as_they_were(self, tmp_path: Path) -> None:
        images = FaceWorld(size=64).render_batch([1, 2, 3], [4, 5, 6], workers=1)
        assert write_image_archive(tmp_path / "i.zip", images) == 3
        read = read_image_archive(tmp_path / "i.zip")
        assert read.dtype == np.uint8 and read.shape == images.shape
        error = np.sqrt(((read.astype(float) - images) ** 2).mean(axis=(1, 2, 3)))
        other = np.sqrt(((np.roll(read, 1, axis=0).astype(float) - images) ** 2).mean(axis=(1, 2, 3)))
        assert (error < 8).all() and (other > 4 * error).all()

    def test_sizes_may_differ(self, tmp_path: Path) -> None:
        images = [np.zeros((4, 6, 3), np.uint8), np.full((9, 5, 3), 200, np.uint8)]
        write_image_archive(tmp_path / "i.zip", images)
        read = read_image_archive(tmp_path / "i.zip")
        assert [image.shape for image in read] == [(4, 6, 3), (9, 5, 3)]
        assert (read[1] == 200).all()

    def test_the_same_images_make_the_same_bytes(self, tmp_path: Path) -> None:
        for name in "ab":
            write_image_archive(tmp_path / name, np.ones((2, 8, 8, 3), np.uint8))
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_other_arrays_and_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"image 0: expected uint8 .* found float64 \(2, 2\)"):
            write_image_archive(tmp_path / "i.zip", [np.ones((2, 2))])
        assert not os.listdir(tmp_path)
        (tmp_path / "i.zip").write_bytes(b"not a zip")
        with pytest.raises(ValueError, match=r"i\.zip: expected a zip"):
            read_image_archive(tmp_path / "i.zip")
        with zipfile.ZipFile(tmp_path / "j.zip", "w") as archive:
            archive.writestr("0.webp", b"no picture")
        with pytest.raises(ValueError, match=r"j\.zip: expected a zip archive of pictures"):
            read_image_archive(tmp_path / "j.zip")


class TestRun:
    def test_every_artefact_comes_back(self, data: Path) -> None:
        run = Run("mine")
        images = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 8 * 8 * 3).reshape(5, 8, 8, 3)
        run.write_gallery(vectors_of(), images, {"n": 5})
        gallery = Run("mine").read_gallery()
        np.testing.assert_array_equal(gallery.vectors.vectors, vectors_of().vectors)
        np.testing.assert_allclose(gallery.images, images, atol=3)
        run.write_references("packed", vectors_of(4))
        assert len(run.read_references("packed")) == 4
        run.write_recogniser("packed", lambda path: path.write_bytes(b"weights"), {"epochs": 2})
        assert run.recogniser_path("packed").read_bytes() == b"weights"
        run.write_table("scores", [{"set": "a", "accuracy": np.float32(0.5)}])
        assert run.read_table("scores").rows == [{"set": "a", "accuracy": 0.5}]

    def test_a_manifest_records_parameters_and_versions(self, data: Path) -> None:
        file = Run("mine").write_references("packed", vectors_of(), {"alpha": 0.5})
        manifest = json.loads((file.parent / "packed.manifest.json").read_text())
        assert manifest["parameters"] == {"seed": 3, "alpha": 0.5}
        assert {"hyperface", "python", "numpy", "torch"} <= set(manifest["versions"])
        assert manifest["files"]["packed.safetensors"]["bytes"] == file.stat().st_size

    def test_reading_falls_back_to_the_shipped_run_with_one_line(self, data: Path) -> None:
        Run(data / "runs" / "reference").write_gallery(vectors_of())
        told: list[str] = []
        gallery = Run("mine", announce=told.append).read_gallery()
        assert gallery.source == gallery.vectors.source == "the shipped reference run"
        assert gallery.images is None
        assert len(told) == 1
        assert "shipped reference run" in told[0]
        Run("mine").write_gallery(vectors_of())
        assert Run("mine", announce=told.append).read_gallery().source == "run 'mine'"
        assert len(told) == 1

    def test_a_step_that_was_not_run_is_told_once_however_many_variants_it_makes(self, data: Path) -> None:
        for name in ("packed", "random"):
            Run(data / "runs" / "reference").write_references(name, vectors_of())
        Run(data / "runs" / "reference").write_gallery(vectors_of())
        told: list[str] = []
        run = Run("mine", announce=told.append)
        for name in ("packed", "random", "packed"):
            run.read_references(name)
        run.read_gallery()
        assert ["02_packing" in line for line in told] == [True, False]

    def test_the_notice_is_printed(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Run(data / "runs" / "reference").write_references("packed", vectors_of())
        Run("mine").read_references("packed")
        assert capsys.readouterr().out.count("\n") == 1

    def test_without_fallback_the_step_to_run_is_named(self, data: Path) -> None:
        with pytest.raises(FileNotFoundError, match="01_gallery"):
            Run("mine", fallback=None).read_gallery()
        with pytest.raises(FileNotFoundError, match=r"variant 'packed'.*03_synthesis"):
            Run("mine").read_dataset("packed")

    def test_a_tampered_file_is_refused(self, data: Path) -> None:
        run = Run("mine")
        file = run.write_references("packed", vectors_of())
        vectors_of(5, fingerprint="other").save(file)
        with pytest.raises(ValueError, match=r"packed\.safetensors: expected SHA-256"):
            run.read_references("packed")
        file.unlink()
        with pytest.raises(ValueError, match="missing"):
            run.read_references("packed")

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"format": "hyperface manifest 1", "kind": "x", "files": {"a": {}}}']
    )
    def test_a_broken_manifest_gets_one_sentence(self, text: str, data: Path) -> None:
        run = Run("mine")
        file = run.write_references("packed", vectors_of())
        file.with_suffix(".manifest.json").write_text(text)
        with pytest.raises(ValueError, match=r"packed\.manifest\.json: expected a manifest"):
            run.read_references("packed")

    def test_a_manifest_cannot_reach_outside_its_folder(self, data: Path, tmp_path: Path) -> None:
        run = Run("mine")
        path = run.write_references("packed", vectors_of()).with_suffix(".manifest.json")
        path.write_text(path.read_text().replace("packed.safetensors", "../../../secret"))
        with pytest.raises(ValueError, match="outside"):
            run.read_references("packed")

    def test_an_interrupted_gallery_counts_as_not_written(self, data: Path) -> None:
        run = Run("mine", fallback=None)
        run.write_gallery(vectors_of(5), np.zeros((5, 4, 4, 3), np.uint8))
        with pytest.raises(ValueError, match="one image for each of 6 vectors, found 2"):
            run.write_gallery(vectors_of(6), np.zeros((2, 4, 4, 3), np.uint8))
        with pytest.raises(FileNotFoundError):
            run.read_gallery()

    def test_a_failing_recogniser_writer_leaves_nothing(self, data: Path) -> None:
        run = Run("mine", fallback=None)

        def save(path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            run.write_recogniser("packed", save)
        assert not list(run.folder.rglob("*.safetensors"))
        with pytest.raises(FileNotFoundError):
            run.recogniser_path("packed")

    @pytest.mark.parametrize("name", ["", "..", "a b", "../x", ".hidden", "a" * 200])
    def test_names_stay_file_names(self, name: str, data: Path) -> None:
        with pytest.raises(ValueError, match="name: expected"):
            Run("mine").dataset_folder(name)

    def test_a_run_is_a_name_or_a_path(self, tmp_path: Path) -> None:
        assert Run("mine").folder == Path(os.environ["HYPERFACE_RUNS"]) / "mine"
        assert Run(str(tmp_path / "x")).folder == Run(tmp_path / "x").folder == tmp_path / "x"

    def test_a_dataset_is_found_when_its_manifest_is_there(self, data: Path) -> None:
        run = Run("mine")
        (run.dataset_folder("packed") / "manifest.json").write_text("{}")
        assert run.read_dataset("packed").folder == run.dataset_folder("packed")

    def test_a_table_refuses_nan(self, data: Path) -> None:
        with pytest.raises(ValueError, match="finite"):
            Run("mine").write_table("scores", [{"a": float("nan")}])
