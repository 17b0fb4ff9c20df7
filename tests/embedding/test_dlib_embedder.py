from __future__ import annotations

import hashlib
import importlib.util
import operator
import sys

import numpy as np
import pytest

from hyperface_lib.embedding import dlib_embedder
from hyperface_lib.embedding.detection import DESCRIPTOR_MODEL, DlibChipCropper, FaceBox, model_file
from hyperface_lib.embedding.dlib_embedder import DlibEmbedder
from hyperface_lib.embedding.protocol import Embedder
from hyperface_lib.embedding.workers import map_ordered, worker_count

HAS_PHOTOS = all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))
needs_photos = pytest.mark.skipif(not HAS_PHOTOS, reason="dlib is not installed: run make install")


@pytest.fixture(scope="module")
def chips():
    astronaut = pytest.importorskip("skimage.data", reason="run make install").astronaut()
    chip = DlibChipCropper().crop(astronaut, FaceBox(175, 76, 265, 166))
    noise = np.random.default_rng(0).integers(0, 256, chip.shape, np.uint8)
    darker = (chip * 0.8).astype(np.uint8)
    return np.stack([chip, darker, noise])


@needs_photos
def test_is_an_embedder_with_the_weights_fingerprint():
    embedder = DlibEmbedder()
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimension, embedder.image_size) == ("dlib", 128, 150)
    assert embedder.fingerprint == hashlib.sha256(model_file(DESCRIPTOR_MODEL).read_bytes()).hexdigest()[:16]


@needs_photos
def test_descriptors_are_dlibs_and_unit_rows_are_them_divided(chips):
    import dlib

    embedder = DlibEmbedder()
    net = dlib.face_recognition_model_v1(str(model_file(DESCRIPTOR_MODEL)))
    raw, unit = embedder.embed_raw(chips), embedder.embed(list(chips))
    assert raw.dtype == unit.dtype == np.float32
    np.testing.assert_allclose(raw[0], np.array(net.compute_face_descriptor(chips[0])), atol=1e-5)
    np.testing.assert_allclose(unit, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-5)


@needs_photos
def test_the_same_face_is_near_and_noise_is_far(chips):
    raw = DlibEmbedder().embed_raw(chips)
    assert np.linalg.norm(raw[0] - raw[1]) < 0.3
    assert np.linalg.norm(raw[0] - raw[2]) > 0.6


@needs_photos
def test_batches_change_nothing(chips, monkeypatch):
    together = DlibEmbedder(workers=1).embed_raw(chips)
    monkeypatch.setattr(dlib_embedder, "_BATCH", 2)
    np.testing.assert_allclose(DlibEmbedder(workers=1).embed_raw(chips), together, atol=1e-5)


@needs_photos
def test_no_images_give_no_rows():
    assert DlibEmbedder().embed(np.zeros((0, 150, 150, 3), np.uint8)).shape == (0, 128)
    assert DlibEmbedder().embed([]).shape == (0, 128)


@needs_photos
@pytest.mark.parametrize(
    ("images", "error"),
    [
        (np.zeros((2, 112, 112, 3), np.uint8), ValueError),
        (np.zeros((150, 150, 3), np.uint8), ValueError),
        (np.zeros((2, 150, 150, 3), np.float32), TypeError),
    ],
)
def test_other_images_are_refused(images, error):
    with pytest.raises(error, match=r"images must be"):
        DlibEmbedder().embed(images)


def test_a_missing_extra_is_one_sentence_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ModuleNotFoundError, match="make install"):
        DlibEmbedder()


@pytest.mark.parametrize("processes", [1, 2])
def test_results_keep_their_order_over_processes(processes):
    assert list(map_ordered(operator.neg, iter(range(40)), processes)) == [-number for number in range(40)]


def test_as_many_processes_as_asked_for_but_no_more_than_jobs():
    assert worker_count(3, 100) == 3
    assert worker_count(8, 2) == 2
    assert worker_count(None, 1) == 1
    assert worker_count(None, 10_000) >= 1
    with pytest.raises(ValueError, match="workers"):
        worker_count(0, 5)
