"""Pooling, against loops over templates and media, and by what must not change it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.evaluation import PUBLISHED_POOLINGS, Pooling, pool_templates, templates

SEEDS = st.integers(0, 10_000)


def drawn(seed: int, images: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images, 6)) * rng.uniform(0.2, 5.0, (images, 1)) + 0.5
    return features, rng.integers(-3, 9, images) * 1000, rng.integers(0, 7, images), rng.uniform(0.1, 1.0, images)


def looped(features: np.ndarray, templates: np.ndarray, media: np.ndarray, faceness: np.ndarray) -> np.ndarray:
    """Pool as `eval_ijbc.py` does: one template after the other, one medium after the other."""
    rows = []
    for template in sorted(set(templates.tolist())):
        total = np.zeros(features.shape[1])
        for medium in set(media[templates == template].tolist()):
            chosen = (templates == template) & (media == medium)
            total += (features[chosen] * faceness[chosen, None]).mean(axis=0)
        rows.append(total / np.linalg.norm(total))
    return np.array(rows)


@settings(max_examples=40)
@given(seed=SEEDS, block=st.sampled_from([1, 3, 16, 1000]))
def test_pooling_is_the_mean_of_media_summed_whatever_the_blocks(seed: int, block: int) -> None:
    features, ids, media, faceness = drawn(seed)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "BLOCK", block)
        for pooling, given_features, weights in (
            (Pooling(True, False), features, faceness),
            (Pooling(False, False), features, np.ones(40)),
            (Pooling(True, True), features / lengths, faceness),
        ):
            found = pooling.pool(features, ids, media, faceness)
            assert found.ids.tolist() == sorted(set(ids.tolist())) and found.vectors.dtype == np.float32
            assert found.vectors == pytest.approx(looped(given_features, ids, media, weights), abs=1e-6)
            assert found.images.tolist() == [int((ids == one).sum()) for one in found.ids]
            assert not found.is_empty.any()


def test_the_published_poolings_carry_the_names_of_cvlface_and_differ() -> None:
    features, ids, media, faceness = drawn(1)
    names = [pooling.name for pooling in PUBLISHED_POOLINGS]
    assert names == ["Norm:True_Det:True", "Norm:True_Det:False", "Norm:False_Det:True"]
    pooled = [pooling.pool(features, ids, media, faceness).vectors for pooling in PUBLISHED_POOLINGS]
    assert all(np.abs(pooled[k] - pooled[k - 1]).max() > 1e-3 for k in range(3))


@settings(max_examples=30)
@given(seed=SEEDS)
def test_the_order_of_the_images_does_not_matter(seed: int) -> None:
    features, ids, media, faceness = drawn(seed)
    order = np.random.default_rng(seed + 1).permutation(len(ids))
    here = pool_templates(features, ids, media, faceness)
    there = pool_templates(features[order], ids[order], media[order], faceness[order])
    assert there.vectors == pytest.approx(here.vectors, abs=1e-6) and there.ids.tolist() == here.ids.tolist()


@settings(max_examples=30)
@given(seed=SEEDS)
def test_an_image_alone_is_itself_and_said_twice_in_its_medium_it_counts_once(seed: int) -> None:
    features, ids, media, faceness = drawn(seed)
    alone = pool_templates(features, np.arange(40), media, faceness)
    assert alone.vectors == pytest.approx(features / np.linalg.norm(features, axis=1, keepdims=True), abs=1e-6)
    # every medium is given again in full: the means stay
    twice = pool_templates(np.tile(features, (2, 1)), np.tile(ids, 2), np.tile(media, 2), np.tile(faceness, 2))
    assert twice.vectors == pytest.approx(pool_templates(features, ids, media, faceness).vectors, abs=1e-6)
    # as media of their own the same images count again
    again = pool_templates(np.tile(features[:2], (2, 1)), [7] * 4, [0, 1, 0, 2])
    expected = features[0] + 2 * features[1]
    assert again.vectors[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@settings(max_examples=30)
@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_a_common_scale_and_opensphere_weights_change_nothing(seed: int, scale: float) -> None:
    features, ids, media, _ = drawn(seed)
    here = pool_templates(features, ids, media)
    assert pool_templates(features * scale, ids, media).vectors == pytest.approx(here.vectors, abs=1e-6)
    for row, template in enumerate(here.ids):
        inside = np.flatnonzero(ids == template)
        counts = {medium: int((media[inside] == medium).sum()) for medium in media[inside].tolist()}
        weights = np.array([1 / counts[medium] / len(counts) for medium in media[inside].tolist()])
        total = weights @ features[inside]
        assert here.vectors[row] == pytest.approx(total / np.linalg.norm(total), abs=1e-6)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_an_absent_image_is_as_if_it_were_not_listed_and_an_empty_template_is_zero(seed: int) -> None:
    features, ids, media, faceness = drawn(seed)
    present = np.random.default_rng(seed).random(40) > 0.4
    present[ids == ids[0]] = False
    holed = np.where(present[:, None], features, np.nan)
    found = pool_templates(holed, ids, media, faceness, present=present)
    left = pool_templates(features[present], ids[present], media[present], faceness[present])
    assert found.ids[~found.is_empty].tolist() == left.ids.tolist() and ids[0] in found.ids[found.is_empty]
    assert found.vectors[~found.is_empty] == pytest.approx(left.vectors, abs=1e-6)
    assert found.images[~found.is_empty].tolist() == left.images.tolist() and found.images[found.is_empty].max() == 0


def test_features_may_lie_in_a_file_and_ids_may_be_names(tmp_path: Path) -> None:
    features, ids, media, faceness = drawn(3)
    np.save(tmp_path / "a.npy", features.astype(np.float16))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    names = np.array([f"video {one}" for one in ids])
    found = pool_templates(mapped, names, np.array([f"m{one}" for one in media]), faceness)
    expected = looped(features.astype(np.float16).astype(float), names, media, faceness)
    assert found.vectors == pytest.approx(expected, abs=1e-6) and found.ids.tolist() == sorted(set(names.tolist()))


def test_what_cannot_be_pooled_is_refused() -> None:
    features, ids, media, faceness = drawn(0)
    broken = features.copy()
    broken[17, 2] = np.inf
    with pytest.raises(ValueError, match="feature in row 17 is not of finite numbers"):
        pool_templates(broken, ids, media)
    for wrong in (np.nan, -0.1, np.inf):
        scores = faceness.copy()
        scores[5] = wrong
        with pytest.raises(ValueError, match=f"faceness is at least 0 and finite, found {wrong} in row 5"):
            pool_templates(features, ids, media, scores)
    with pytest.raises(ValueError, match=r"found 40 features, template ids of shape \(39,\)"):
        pool_templates(features, ids[:-1], media)
    with pytest.raises(ValueError, match=r"shape \(3,\) for 40 features"):
        pool_templates(features, ids, media, faceness[:3])
    with pytest.raises(ValueError, match=r"present or not, found \(3,\)"):
        pool_templates(features, ids, media, present=[True] * 3)
    with pytest.raises(ValueError, match="rows"):
        pool_templates(features[:, 0], ids, media)
    with pytest.raises(ValueError, match="no features"):
        pool_templates(features[:0], ids[:0], media[:0])
    with pytest.raises(ValueError, match="no features"):
        pool_templates(features, ids, media, present=np.zeros(40, bool))
    with pytest.raises(ValueError, match=r"Norm:True_Det:True weighs .* not given"):
        Pooling().pool(features, ids, media)
