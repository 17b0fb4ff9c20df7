"""The order of colours is found out by a recogniser that is known, by the same with colours exchanged, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hyperface_lib.embedding import Embedder, SelfTest, load_embedder, self_test
from hyperface_lib.faces import FaceWorld, identity_seeds, nuisance_seed

PEOPLE = np.repeat(np.arange(5), 2)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    seeds = identity_seeds("showcase", 5, start=20)
    numbers = [nuisance_seed(seeds[p], k % 2) for k, p in enumerate(PEOPLE)]
    return FaceWorld(64).render_batch([seeds[p] for p in PEOPLE], numbers, workers=1, profile="clean")


class Exchanged:
    """An embedder that learned on BGR."""

    def __init__(self, embedder: Embedder, weights: tuple[float, float, float] | None = None) -> None:
        self.embedder = embedder
        self.weights = weights

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        if self.weights is None:
            return self.embedder.embed(np.ascontiguousarray(images[..., ::-1]))
        grey = (images @ np.asarray(self.weights)).round().astype(np.uint8)
        return self.embedder.embed(np.repeat(grey[..., None], 3, axis=3))


@pytest.mark.parametrize("name", ["reference", "judge"])
def test_a_recogniser_of_rgb_and_one_of_bgr_are_told_apart(faces: np.ndarray, name: str) -> None:
    embedder = load_embedder(name, device="cpu")
    found = self_test(embedder, faces, PEOPLE)
    assert found.channel_order == "RGB" and found.warning == "" and found.gain > 0.1
    exchanged = self_test(Exchanged(embedder), faces, PEOPLE)  # type: ignore[arg-type]
    assert exchanged.channel_order == "BGR" and exchanged.gain == pytest.approx(-found.gain)
    assert "RGB was expected and the network seems to expect BGR" in exchanged.warning


def test_one_that_sees_no_colour_is_undecided(faces: np.ndarray) -> None:
    grey = Exchanged(load_embedder("reference", device="cpu"), (0.25, 0.5, 0.25))
    found = self_test(grey, faces, PEOPLE)  # type: ignore[arg-type]
    assert found.channel_order is None and found.channel_cosine == pytest.approx(1, abs=1e-6)
    assert "the order of colours is undecided" in found.warning and "\n" not in found.warning


def test_the_figures_are_means_over_pairs(faces: np.ndarray) -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 4, 8))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)

    class Given:
        calls = 0

        def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
            Given.calls += 1
            return vectors[Given.calls - 1]

    found = self_test(Given(), faces[:4], [7, 7, 9, 7])  # type: ignore[arg-type]
    rgb, bgr = vectors @ vectors.transpose(0, 2, 1)
    assert found.same_rgb == pytest.approx((rgb[0, 1] + rgb[0, 3] + rgb[1, 3]) / 3)
    assert found.other_bgr == pytest.approx((bgr[0, 2] + bgr[1, 2] + bgr[2, 3]) / 3)
    assert found.channel_cosine == pytest.approx(np.trace(vectors[0] @ vectors[1].T) / 4)
    assert found.gain == pytest.approx(found.same_rgb - found.other_rgb - (found.same_bgr - found.other_bgr))


def test_two_faces_of_one_person_are_enough_and_fewer_are_refused(faces: np.ndarray) -> None:
    found = self_test(load_embedder("reference", device="cpu"), faces[:2], [1, 1])
    assert np.isnan(found.other_rgb) and found.gain == found.same_rgb - found.same_bgr
    assert SelfTest(0.5, 0.80, 0.79, np.nan, np.nan).channel_order is None
    with pytest.raises(ValueError, match="two faces of one person were expected, found 2"):
        self_test(load_embedder("reference", device="cpu"), faces[:2], [1, 2])
    with pytest.raises(ValueError, match=r"one number a face was expected, \(2,\), found \(3,\)"):
        self_test(load_embedder("reference", device="cpu"), faces[:2], [1, 2, 2])


def test_one_that_tells_nobody_apart_is_undecided_however_its_orders_differ() -> None:
    untrained = SelfTest(channel_cosine=0.848, same_rgb=0.795, same_bgr=0.776, other_rgb=0.746, other_bgr=0.700)
    assert abs(untrained.gain) > 0.02 and untrained.channel_order is None
    trained = SelfTest(channel_cosine=0.848, same_rgb=0.795, same_bgr=0.876, other_rgb=0.746, other_bgr=0.700)
    assert trained.channel_order == "BGR"
    of_one_person = SelfTest(0.8, same_rgb=0.9, same_bgr=0.7, other_rgb=float("nan"), other_bgr=float("nan"))
    assert of_one_person.channel_order == "RGB"
