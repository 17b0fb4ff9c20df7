"""Batches of identities: P different ones with K images each, everything seen, the rare as often as it should be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.training import Recipe, Trainer
from hyperface_lib.training.batch_order import IdentityOrder, ShuffledOrder
from hyperface_lib.training.data import ArrayRows
from hyperface_lib.training.data_batches import Batches, order_of


@given(
    counts=st.lists(st.integers(1, 13), min_size=3, max_size=12),
    group=st.integers(2, 5),
    seed=st.integers(0, 100),
    batches=st.integers(1, 20),
)
@settings(max_examples=60, deadline=None)
def test_every_batch_is_different_identities_with_k_images(
    counts: list[int], group: int, seed: int, batches: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 7, counts))
    labels = np.concatenate([labels, [-1, -1]])
    order = IdentityOrder(labels, 3 * group, group, batches).epoch(np.random.default_rng(seed))
    assert order.shape == (batches * 3 * group,)
    for batch in order.reshape(batches, 3 * group):
        held = Counter(labels[batch].tolist())
        assert -1 not in held
        assert list(held.values()) == [group] * 3
        for identity in held:
            own = batch[labels[batch] == identity]
            # an image comes twice only where the identity has fewer than K
            assert len(set(own.tolist())) == min(group, counts[identity // 7])


def test_one_pass_shows_every_image_once_where_the_groups_come_out_even() -> None:
    labels = np.repeat(np.arange(10), 8)
    order = IdentityOrder(labels, 20, 4, batches=4).epoch(np.random.default_rng(3))
    # groups that wait for the next batch may leave some of a pass to the next one
    seen = Counter(order.tolist())
    assert sum(seen.values()) == 80
    assert len(seen) >= 72
    many = IdentityOrder(labels, 20, 4, batches=400).epoch(np.random.default_rng(3))
    times = np.bincount(many, minlength=80)
    assert abs(times - 100).max() <= 1


def test_an_identity_with_more_images_comes_as_much_more_often() -> None:
    labels = np.repeat(np.arange(20), [40] + [4] * 19)
    order = IdentityOrder(labels, 16, 4, batches=290).epoch(np.random.default_rng(0))
    groups = np.bincount(labels[order], minlength=20) / 4
    # 10 groups of 29 a pass, at most one in each batch of 4 groups
    assert groups[0] == pytest.approx(290, abs=3)
    assert groups[1:] == pytest.approx(np.full(19, 870 / 19), abs=6)


def test_an_epoch_is_a_function_of_the_seed_and_epochs_differ() -> None:
    labels = np.repeat(np.arange(6), 5)
    order = IdentityOrder(labels, 6, 2, batches=5)
    first, again, other = (order.epoch(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_recipe_chooses_the_order_and_its_batches_hold_it() -> None:
    images = np.zeros((60, 16, 16, 3), np.uint8)
    labels = np.repeat(np.arange(12), 5)
    assert isinstance(order_of(Recipe(), labels), ShuffledOrder)
    recipe = Recipe(batch_size=12, images_per_identity=4)
    batches = Batches(ArrayRows(images), recipe, order=order_of(recipe, labels))
    for step in (0, 3, 4, 17):
        assert sorted(Counter(labels[batches.rows(step)].tolist()).values()) == [4, 4, 4]
    assert np.array_equal(batches.rows(17), batches.rows(17))


def test_the_plain_shuffle_stored_before_is_the_same_recipe() -> None:
    assert "images_per_identity" not in Recipe().to_dict()
    assert Recipe.from_dict(Recipe(images_per_identity=4).to_dict()).images_per_identity == 4


@pytest.mark.parametrize(("batch", "each"), [(64, 1), (64, 3), (64, 64), (64, -4), (10, 4)])
def test_a_batch_that_cannot_be_divided_is_refused(batch: int, each: int) -> None:
    with pytest.raises(ValueError, match=f"found {each} in a batch of {batch}"):
        Recipe(batch_size=batch, images_per_identity=each)


def test_too_few_identities_are_named() -> None:
    with pytest.raises(ValueError, match="needs 4 identities, found 3"):
        IdentityOrder(np.array([0, 0, 1, 1, 2, 2, -1]), 8, 2, 1)


def test_triplets_have_a_loss_on_batches_of_identities_and_hardly_ever_on_a_shuffle() -> None:
    from torch import nn

    from hyperface_lib.losses import create_head

    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(100), 4)

    def losses(images_per_identity: int) -> list[float]:
        recipe = Recipe(batch_size=8, images_per_identity=images_per_identity, max_steps=30, dimension=4)
        net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
        head = create_head("contrastive", dimension=4, classes=100, margin_distance=0.001)
        return Trainer(net, head, images, labels, recipe, device="cpu").fit().loss

    # the negatives keep this margin: what is left is the loss of positive pairs, which a shuffle of 400 rarely has
    assert np.mean(np.array(losses(4)) > 1e-3) == 1.0
    assert np.mean(np.array(losses(0)) > 1e-3) < 0.5
