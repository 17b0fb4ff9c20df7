import sys
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest

from hyperface_lib.evaluation import factor_curve, factor_curve_of_vectors, verify


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_a_factor_that_adds_noise_costs_more_the_more_of_it_there_is() -> None:
    rng = np.random.default_rng(0)
    people = unit(rng.normal(size=(60, 16)))
    values = [0.0, 0.5, 5.0]
    changed = np.stack([unit(people + value * unit(rng.normal(size=(60, 16)))) for value in values])
    curve = factor_curve_of_vectors("noise", values, people, changed)
    assert curve.genuine_cosine[0] == pytest.approx(1.0) and curve.accuracy[0] > 0.95
    assert (np.diff(curve.genuine_cosine) < 0).all() and curve.accuracy[2] < 0.7 < curve.accuracy[1]
    assert (np.abs(curve.impostor_cosine) < 0.05).all() and curve.identities == 60
    assert [record["value"] for record in curve.to_records()] == values


def test_every_number_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    reference, changed = unit(rng.normal(size=(5, 4))), unit(rng.normal(size=(2, 5, 4)))
    curve = factor_curve_of_vectors("x", [1, 2], reference, changed)
    for row in range(2):
        genuine = [reference[i] @ changed[row, i] for i in range(5)]
        impostors = [reference[i] @ changed[row, j] for i in range(5) for j in range(5) if i != j]
        assert curve.genuine_cosine[row] == pytest.approx(np.mean(genuine))
        assert curve.genuine_cosine_std[row] == pytest.approx(np.std(genuine))
        assert curve.impostor_cosine[row] == pytest.approx(np.mean(impostors))
        right = sum(c >= curve.threshold for c in genuine)
        right += sum(reference[i] @ changed[row, (i + 1) % 5] < curve.threshold for i in range(5))
        assert curve.accuracy[row] == pytest.approx(right / 10)
        accuracy = curve.accuracy[row]
        assert curve.standard_error[row] == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / 10))
        assert curve.tpr_at_fpr_1e_2[row] == pytest.approx(np.mean(np.array(genuine) > max(impostors)))


def test_the_threshold_is_one_for_all_values() -> None:
    people = np.eye(4)
    # every genuine cosine is 1 and every impostor one 0, at both values
    tilted = np.stack([people, people])
    curve = factor_curve_of_vectors("x", [0, 1], people, tilted)
    cosines = np.append(np.ones(8), np.zeros(8))
    assert curve.threshold == verify(cosines, cosines == 1).best_threshold


@pytest.mark.parametrize(
    ("values", "reference", "changed"),
    [([1], np.eye(3), np.eye(3)), ([1, 2], np.eye(3), np.zeros((1, 3, 3))), ([1], np.eye(1), np.zeros((1, 1, 1)))],
)
def test_vectors_of_other_shapes_are_refused(values: list[float], reference: np.ndarray, changed: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        factor_curve_of_vectors("x", values, reference, changed)


@dataclass(frozen=True)
class Picture:
    """A stand-in for Nuisance: one factor that matters, one that does not, one that is no number."""

    yaw_degrees: float = 0.0
    noise: float = 0.0
    hat: str = "none"
    age_years: float | None = None

    @classmethod
    def random(cls, seed: int, profile: str) -> "Picture":
        return cls(noise=seed % 7)

    def with_changes(self, **changes: float) -> "Picture":
        return replace(self, **changes)


class World:
    """Draw people as colours that fade to grey as the head turns."""

    def __init__(self, size: int) -> None:
        self.size = size

    def render_batch(self, people: list[int], pictures: list[Picture]) -> np.ndarray:
        colours = [np.random.default_rng(person).integers(0, 256, 3) for person in people]
        shares = [np.cos(np.radians(picture.yaw_degrees)) for picture in pictures]
        flat = [127 + share * (colour - 127.0) for colour, share in zip(colours, shares, strict=True)]
        flat = [value + 20 * (1 - share) for value, share in zip(flat, shares, strict=True)]
        return np.broadcast_to(np.array(flat)[:, None, None], (len(people), self.size, self.size, 3)).astype(np.uint8)


class Colour:
    name, image_size = "colour", 64

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        return unit(images.astype(np.float32).mean(axis=(1, 2)) - 127.3)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = ModuleType("hyperface_lib.faces")
    vars(faces).update(
        Nuisance=Picture,
        FaceWorld=World,
        identity_seeds=lambda split, count, start: list(range(start, start + count)),
        nuisance_seed=lambda person, sample: person * 1000 + sample,
    )
    import hyperface_lib

    monkeypatch.setitem(sys.modules, "hyperface_lib.faces", faces)
    monkeypatch.setattr(hyperface_lib, "faces", faces, raising=False)


def test_turning_the_head_costs_and_an_unseen_factor_does_not(world: None) -> None:
    embedder = Colour()
    yaw = factor_curve(embedder, "yaw_degrees", [0, 60, 85], identities=40)  # type: ignore[arg-type]
    assert yaw.genuine_cosine[0] == pytest.approx(1.0) and (np.diff(yaw.genuine_cosine) < -0.01).all()
    noise = factor_curve(embedder, "noise", [0, 1], identities=40)  # type: ignore[arg-type]
    assert noise.genuine_cosine == pytest.approx(1.0)
    again = factor_curve(embedder, "yaw_degrees", [0, 60, 85], identities=40)  # type: ignore[arg-type]
    others = factor_curve(embedder, "yaw_degrees", [0, 60, 85], identities=40, seed=1)  # type: ignore[arg-type]
    assert np.array_equal(again.accuracy, yaw.accuracy) and not np.array_equal(
        others.impostor_cosine, yaw.impostor_cosine
    )
    assert factor_curve(embedder, "age_years", [30], identities=2).identities == 2  # type: ignore[arg-type]


def test_what_is_no_numeric_factor_is_refused(world: None) -> None:
    for factor in ("hat", "nonsense"):
        with pytest.raises(ValueError, match=factor):
            factor_curve(Colour(), factor, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two people"):
        factor_curve(Colour(), "noise", [1.0], identities=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 values"):
        factor_curve(Colour(), "noise", [])  # type: ignore[arg-type]
