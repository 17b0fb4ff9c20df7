"""Scoring of generators: known generators get known scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hyperface_lib.evaluation.generator_scoring import score_generator, score_references
from hyperface_lib.runs import IdentityVectors

PEOPLE, SIZE, DIMENSION = 6, 8, 12


class CornerEmbedder:
    """Reads the vector that `Painter` writes into an image's first rows."""

    name, dimension, image_size, fingerprint = "corner", DIMENSION, SIZE, "c0ffee"

    def embed(self, images: Any, progress: bool = False) -> np.ndarray:
        raw = np.asarray(images)[:, 0].reshape(len(images), -1)[:, :DIMENSION].astype(np.float64) - 128
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)

    embed_raw = embed


def paint(vectors: np.ndarray) -> np.ndarray:
    images = np.zeros((len(vectors), SIZE, SIZE, 3), np.uint8)
    images[:, 0].reshape(len(vectors), -1)[:, :DIMENSION] = (128 + 120 * vectors).round().astype(np.uint8)
    return images


class Painter:
    """Paints the identity it is asked for, or always the first it was ever asked for."""

    embedder_name, embedder_fingerprint, image_size = "corner", "c0ffee", SIZE

    def __init__(self, forgets: bool = False) -> None:
        self.forgets = forgets
        self.calls: list[dict[str, Any]] = []

    def sample(self, vectors: np.ndarray, seeds: Sequence[int], **options: Any) -> np.ndarray:
        self.calls.append({"vectors": vectors, "seeds": list(seeds), **options})
        noise = np.stack([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds])
        shown = np.repeat(vectors[:1], len(vectors), axis=0) if self.forgets else vectors
        moved = shown + 0.02 * noise
        return paint(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def people() -> np.ndarray:
    source = np.random.default_rng(5)
    centres = source.standard_normal((PEOPLE, 1, DIMENSION))
    centres /= np.linalg.norm(centres, axis=2, keepdims=True)
    moved = centres + 0.05 * source.standard_normal((PEOPLE, 12, DIMENSION))
    moved /= np.linalg.norm(moved, axis=2, keepdims=True)
    return paint(moved.reshape(-1, DIMENSION)).reshape(PEOPLE, 12, SIZE, SIZE, 3)


def scored(painter: Painter) -> dict[str, Any]:
    embedder = CornerEmbedder()
    report = score_generator(painter, embedder, embedder, PEOPLE, images_per_identity=4, held_out=people())
    return report.to_record()


def test_a_faithful_generator_and_one_that_forgets() -> None:
    faithful, forgetful = scored(Painter()), scored(Painter(forgets=True))
    assert faithful["rank1"] == 1.0
    assert faithful["real_rank1"] == 1.0
    assert faithful["cosine"] > 0.97 > faithful["impostor_cosine"]
    assert forgetful["rank1"] == pytest.approx(1 / PEOPLE)
    assert forgetful["cosine"] < faithful["cosine"]
    assert forgetful["frechet"] > faithful["frechet"]


def test_the_record_has_the_published_keys() -> None:
    keys = {"rank1", "cosine", "impostor_cosine", "frechet", "frechet_floor", "identities", "images_per_second"}
    assert keys <= set(scored(Painter()))


def test_the_conditions_are_the_means_of_the_first_eight() -> None:
    painter = Painter()
    scored(painter)
    vectors = CornerEmbedder().embed(people()[2, :8]).mean(axis=0)
    asked = painter.calls[0]["vectors"]
    assert len(asked) == PEOPLE * 4
    assert np.allclose(asked[8:12], vectors / np.linalg.norm(vectors), atol=1e-5)
    assert len(set(painter.calls[0]["seeds"])) == PEOPLE * 4


def test_another_embedder_is_refused() -> None:
    other = CornerEmbedder()
    other.fingerprint = "beef"
    with pytest.raises(ValueError, match=r"c0ffee.*beef"):
        score_generator(Painter(), other, other, PEOPLE, held_out=people())
    with pytest.raises(ValueError, match="expected 7 people"):
        score_generator(Painter(), CornerEmbedder(), CornerEmbedder(), 7, held_out=people())


def references(count: int, **changes: Any) -> IdentityVectors:
    rows = np.random.default_rng(0).standard_normal((count, DIMENSION))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    named = {"embedder": "corner", "fingerprint": "c0ffee", **changes}
    return IdentityVectors(rows, [str(number) for number in range(count)], **named)


def test_references_gather_or_do_not() -> None:
    judge = CornerEmbedder()
    kept = score_references(Painter(), references(10), judge, images_per_identity=4, beta=0.01).to_record()
    lost = score_references(Painter(forgets=True), references(10), judge, images_per_identity=4).to_record()
    assert kept["rank1"] == 1.0
    assert kept["genuine_angle_degrees"] < 15 < kept["impostor_angle_degrees"]
    assert lost["rank1"] < 0.3
    assert kept["identities"] == 10


def test_no_more_references_than_asked_for() -> None:
    painter = Painter()
    report = score_references(painter, references(40), CornerEmbedder(), images_per_identity=3, identities=5, beta=0.0)
    assert report.scores.identities == 5
    assert np.allclose(painter.calls[0]["vectors"][::3], references(40).vectors[[0, 10, 20, 29, 39]], atol=1e-6)


def test_references_of_another_embedder_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'dlib'.*'corner'"):
        score_references(Painter(), references(4, embedder="dlib", fingerprint="0"), CornerEmbedder())
