"""The factor sets as curves: from an ordinary picture to the hardest of the benchmark, the person's own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hyperface_lib.evaluation import (
    FACTOR_CHANGES,
    factor_curve,
    factor_curve_of_pictures,
    factor_curves,
    factor_pictures,
)
from hyperface_lib.evaluation.factor_changes import change_of, usual_values
from hyperface_lib.faces import FACTOR_SETS, PRESETS, FaceWorld, Nuisance, expression


def changed(factor: str, value: float, person: int = 3) -> Nuisance:
    return change_of(factor)(Nuisance.random(5, "mild"), value, np.random.default_rng(person))


def test_there_is_a_curve_for_every_factor_set_and_each_has_usual_values() -> None:
    assert {f"rendered-{name.replace(' ', '-')}" for name in FACTOR_CHANGES} == set(FACTOR_SETS)
    for name in FACTOR_CHANGES:
        values = usual_values(name)
        assert values[0] == 0 and list(values) == sorted(values) and len(values) >= 5


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_patch_covers_the_share_it_is_told_and_lies_in_the_crop(share: float) -> None:
    for person in range(20):
        left, top, right, bottom = changed("occlusion", share, person).occluder_box
        assert left >= 0 and top >= 0 and right <= 1 + 1e-9 and bottom <= 1 + 1e-9
        assert (right - left) * (bottom - top) == pytest.approx(share)
    same = [changed("occlusion", share, 7).occluder_box[0] / (1 - share**0.5) for share in (0.1, 0.5)]
    assert same[0] == pytest.approx(same[1])  # it grows around one place
    assert changed("occlusion", 0.0).occluder == "none"


def test_severities_end_at_the_hardest_of_the_benchmarks() -> None:
    worst = changed("low quality", 1.0)
    assert (worst.resolution, worst.noise, worst.blur_pixels) == pytest.approx((0.16, 0.05, 0.8))
    assert changed("low quality", 0.0).resolution == 1.0
    light = changed("light", 1.0)
    assert abs(light.light_azimuth_degrees) == 110 and light.light_strength == 1.0
    assert light.ambient_strength == pytest.approx(0.12)
    sides = {np.sign(changed("light", 0.5, person).light_azimuth_degrees) for person in range(20)}
    assert sides == {-1, 1}
    shown = changed("expression", 1.1, 4).expression
    assert shown in [expression(name, 1.1) for name in PRESETS if name != "neutral"]
    assert all(weight == 0 for weight in changed("expression", 0.0).expression.values())


def test_a_field_is_set_to_the_value() -> None:
    assert changed("yaw_degrees", 40.0) == Nuisance.random(5, "mild").with_changes(yaw_degrees=40.0)
    for factor in ("hat", "black_and_white", "nonsense"):
        with pytest.raises(ValueError, match=rf"{factor}.*occlusion"):
            change_of(factor)
    with pytest.raises(ValueError, match="'tint' needs values"):
        usual_values("tint")


class Grey:
    """The picture itself, made small: whatever changes the picture changes the vector."""

    dimension, fingerprint = 48, "00"

    def __init__(self, name: str, image_size: int) -> None:
        self.name, self.image_size = name, image_size
        self.seen = 0

    def embed(self, images: np.ndarray, progress: bool = False) -> np.ndarray:
        self.seen += len(images)
        step = self.image_size // 4
        small = images.reshape(len(images), 4, step, 4, step, 3).mean(axis=(2, 4)).reshape(len(images), 48) - 110
        return small / np.linalg.norm(small, axis=1, keepdims=True)


def test_pictures_are_those_of_the_world_and_the_curve_that_of_the_pictures() -> None:
    pictures = factor_pictures("occlusion", [0.0, 0.5], identities=3, size=64, seed=2)
    assert pictures.reference.shape == (3, 64, 64, 3) and pictures.changed.shape == (2, 3, 64, 64, 3)
    covered = (pictures.changed[0] != pictures.changed[1]).any(axis=-1).mean(axis=(1, 2))
    assert covered == pytest.approx(0.5, abs=0.03)
    embedder: Any = Grey("grey", 64)
    curve, again = factor_curve_of_pictures(embedder, pictures), factor_curve(embedder, "occlusion", [0.0, 0.5], 3, 2)
    assert np.array_equal(curve.genuine_cosine, again.genuine_cosine) and curve.identities == 3
    stacks = [pictures.reference, *pictures.changed]
    both = [(embedder.embed(stack), embedder.embed(stack[:, :, ::-1])) for stack in stacks]
    sums = [one + two for one, two in both]
    reference, *others = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in sums]
    assert curve.genuine_cosine == pytest.approx([(reference * rows).sum(axis=1).mean() for rows in others], abs=1e-5)


def test_several_embedders_see_the_same_pictures_rendered_once_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []
    render = FaceWorld.render_batch

    def counted(world: FaceWorld, *arguments: Any, **keywords: Any) -> np.ndarray:
        rendered.append(world.size)
        return render(world, *arguments, **keywords)

    monkeypatch.setattr(FaceWorld, "render_batch", counted)
    embedders: Any = {"a": Grey("a", 64), "b": Grey("b", 64), "c": Grey("c", 112)}
    curves = factor_curves(embedders, {"light": [0.0, 1.0], "yaw_degrees": [30.0]}, identities=2)
    assert sorted(rendered) == [64] * 5 + [112] * 5
    assert [curve.factor for curve in curves["c"]] == ["light", "yaw_degrees"]
    for one, other in zip(curves["a"], curves["b"], strict=True):
        assert np.array_equal(one.genuine_cosine, other.genuine_cosine)
    assert [len(curve.values) for curve in factor_curves(embedders, ["expression"], 2)["a"]] == [6]
