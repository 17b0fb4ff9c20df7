from __future__ import annotations

import importlib.util
import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from hyperface_lib.embedding import dlib_embedder, photographs
from hyperface_lib.embedding.detection import ArcFaceCropper, DlibChipCropper, TrueFivePointCropper
from hyperface_lib.embedding.dlib_embedder import DlibEmbedder
from hyperface_lib.embedding.photographs import crop_photographs, embed_photographs, face_cropper, folder_gallery
from hyperface_lib.formats.images import ImageFiles

HAS_PHOTOS = all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))
needs_photos = pytest.mark.skipif(not HAS_PHOTOS, reason="dlib is not installed: run make install")


class Pixels:
    """Stands in for a recogniser of small crops: a crop's vector is its own thumbnail."""

    name = "pixels"
    dimension = 48
    fingerprint = "0" * 16

    def __init__(self, image_size=64):
        self.image_size = image_size
        self.batches = []

    def embed_raw(self, images, progress=False):
        images = np.asarray(images)
        assert images.dtype == np.uint8
        assert images.shape[1:] == (self.image_size, self.image_size, 3)
        self.batches.append(len(images))
        small = [np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.BOX)) for image in images]
        return np.stack(small).reshape(len(images), -1).astype(np.float32) - 128

    def embed(self, images, progress=False):
        raw = self.embed_raw(images)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def astronaut():
    image = pytest.importorskip("skimage.data", reason="run make install").astronaut()
    return np.ascontiguousarray(image[20:276, 92:348])


@pytest.fixture(scope="module")
def blank():
    return np.full((120, 100, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def files(astronaut, blank, tmp_path_factory):
    """The same photograph in every guise that folders of photographs hold, by name."""
    folder = tmp_path_factory.mktemp("photographs")
    picture = Image.fromarray(astronaut)
    saved = {}

    def save(name, image, **options):
        saved[name] = folder / name
        image.save(saved[name], **options)

    save("plain.png", picture)
    save("grey.png", picture.convert("L"))
    save("cmyk.jpg", picture.convert("CMYK"), quality=95)
    save("alpha.png", picture.convert("RGBA"))
    save("palette.png", picture.quantize(256))
    # Orientation n is how a viewer must turn what is stored; store the inverse.
    inverse = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for orientation, turn in inverse.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned{orientation}.jpg", picture.transpose(turn), exif=exif, quality=95)
    save("blank.png", Image.fromarray(blank))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    contents = {"truncated.jpg": buffer.getvalue()[:3000], "text.jpg": b"not a picture", "empty.png": b""}
    for name, content in contents.items():
        saved[name] = folder / name
        saved[name].write_bytes(content)
    saved["absent.jpg"] = folder / "absent.jpg"
    return saved


@needs_photos
def test_every_guise_is_the_same_person_and_is_reported(files):
    names = [
        "plain.png",
        "grey.png",
        "cmyk.jpg",
        "alpha.png",
        "palette.png",
        "turned3.jpg",
        "turned6.jpg",
        "turned8.jpg",
    ]
    result = embed_photographs(DlibEmbedder(), [files[name] for name in names])
    assert result.kept.tolist() == list(range(len(names)))
    assert (result.vectors @ result.vectors[0]).min() > 0.96
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-5)
    told = {names[problem.index]: problem.reason for problem in result.problems}
    assert set(told) == {"grey.png", "cmyk.jpg", "turned3.jpg", "turned6.jpg", "turned8.jpg"}
    assert "greyscale" in told["grey.png"]
    assert "CMYK" in told["cmyk.jpg"]
    assert "orientation 6" in told["turned6.jpg"]
    assert not any(problem.skipped for problem in result.problems)


@needs_photos
def test_what_cannot_be_used_is_named_and_the_rest_goes_on(files):
    broken = ["truncated.jpg", "text.jpg", "empty.png", "absent.jpg", "blank.png"]
    given = [*(str(files[name]) for name in broken), files["plain.png"], files["plain.png"].parent]
    result = embed_photographs(Pixels(), given)
    assert result.kept.tolist() == [5]
    assert [problem.index for problem in result.problems] == [0, 1, 2, 3, 4, 6]
    assert [problem.name for problem in result.problems] == [*given[:5], str(given[6])]
    assert all(problem.skipped and problem.reason for problem in result.problems)
    assert result.problems[4].reason == "no face was found"
    assert str(result.problems[4]).endswith("blank.png: no face was found (left out)")


@needs_photos
def test_paths_and_arrays_mix(files, astronaut):
    given = [astronaut, files["plain.png"], astronaut[:, :, 0], astronaut.astype(np.float32), None, astronaut[:, :, :2]]
    result = embed_photographs(Pixels(), given)
    assert result.kept.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(result.vectors[0], result.vectors[1])
    assert [problem.index for problem in result.problems if problem.skipped] == [3, 4, 5]
    assert "greyscale" in result.problems[0].reason
    assert result.problems[1].name == "photograph 3"


@needs_photos
def test_a_missing_face_is_taken_from_the_middle_on_request(files):
    given = [files["blank.png"], files["text.jpg"], files["plain.png"]]
    result = embed_photographs(Pixels(), given, when_missing="center")
    assert result.kept.tolist() == [0, 2]
    assert [(problem.index, problem.skipped) for problem in result.problems] == [(0, False), (1, True)]
    assert "the middle was taken" in result.problems[0].reason


@needs_photos
def test_nothing_usable_is_one_sentence_naming_the_first(files):
    with pytest.raises(ValueError, match=r"None of the 2 photographs could be used; the first, .*blank\.png: no face"):
        embed_photographs(Pixels(), [files["blank.png"], files["text.jpg"]])
    with pytest.raises(ValueError, match="at least one photograph"):
        embed_photographs(Pixels(), [])
    with pytest.raises(ValueError, match="None of the 1 photographs"):
        crop_photographs(ArcFaceCropper(), [files["blank.png"]])


@needs_photos
def test_chunks_and_processes_change_nothing(files, monkeypatch):
    names = ["plain.png", "text.jpg", "grey.png", "blank.png", "turned6.jpg"]
    given = [files[name] for name in names]
    expected = embed_photographs(Pixels(), given)
    by_dlib = embed_photographs(DlibEmbedder(workers=1), given[2:])
    monkeypatch.setattr(dlib_embedder, "_BATCH", 1)
    monkeypatch.setattr(dlib_embedder, "_WORTH_WORKERS", 2)
    assert np.abs(embed_photographs(DlibEmbedder(workers=2), given[2:]).vectors - by_dlib.vectors).max() < 1e-5
    monkeypatch.setattr(photographs, "_CHUNK", 2)
    monkeypatch.setattr(photographs, "_WORTH_WORKERS", 2)
    embedder = Pixels()
    result = embed_photographs(embedder, given, workers=2)
    assert embedder.batches == [1, 1, 1]
    np.testing.assert_array_equal(result.vectors, expected.vectors)
    np.testing.assert_array_equal(result.kept, expected.kept)
    assert result.problems == expected.problems


@needs_photos
def test_lazy_sequences_of_files_are_read_in_place(files):
    result = embed_photographs(Pixels(), ImageFiles([files["text.jpg"], files["plain.png"]]))
    assert result.kept.tolist() == [1]
    assert result.problems[0].name == str(files["text.jpg"])


@needs_photos
def test_crops_are_what_is_embedded(files):
    given = [files["blank.png"], files["plain.png"], files["turned3.jpg"]]
    crops = crop_photographs(ArcFaceCropper(64), given)
    assert crops.images.shape == (2, 64, 64, 3)
    vectors = embed_photographs(Pixels(), given).vectors
    np.testing.assert_array_equal(Pixels().embed(crops.images), vectors)
    other = embed_photographs(Pixels(), given, cropper=TrueFivePointCropper(64)).vectors
    assert 0 < np.abs(other - vectors).max() < 0.2


@needs_photos
def test_a_mirrored_photograph_gives_the_mirrored_crop(astronaut):
    mirrored = np.asarray(ImageOps.mirror(Image.fromarray(astronaut)))
    images = crop_photographs(ArcFaceCropper(112), [astronaut, mirrored]).images
    assert np.corrcoef(images[0].ravel(), images[1][:, ::-1].ravel())[0, 1] > 0.9


def test_each_embedder_gets_its_own_crop():
    class Dlib(Pixels):
        name = "dlib"

    assert face_cropper(Dlib(150)) == DlibChipCropper(150)
    assert face_cropper(Pixels(112)) == ArcFaceCropper(112)


@needs_photos
def test_an_unknown_choice_is_refused(files):
    with pytest.raises(ValueError, match="when_missing"):
        embed_photographs(Pixels(), [files["plain.png"]], when_missing="guess")


def test_a_missing_extra_stops_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ModuleNotFoundError, match="make install"):
        embed_photographs(Pixels(), ["anything.jpg"])


def test_a_folder_is_listed_in_order_with_the_folder_as_identity(tmp_path):
    names = ["b/2.jpg", "b/10.PNG", "a/x.webp", "a/deep/y.bmp", "z.jpeg", "a/notes.txt", ".cache/c.jpg", "b/._2.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    gallery = folder_gallery(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in gallery.paths] == [
        "a/deep/y.bmp",
        "a/x.webp",
        "b/10.PNG",
        "b/2.jpg",
        "z.jpeg",
    ]
    assert gallery.identities == ["a/deep", "a", "b", "b", "z.jpeg"]
    assert len(gallery) == 5
    assert folder_gallery(str(tmp_path)) == gallery


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds none"):
        folder_gallery(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        folder_gallery(tmp_path / "absent")
    (tmp_path / "file.jpg").touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        folder_gallery(tmp_path / "file.jpg")
