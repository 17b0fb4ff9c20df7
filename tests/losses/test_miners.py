"""Miners choose exactly the tuples of their definition, in blocks of bounded size."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from hyperface_lib.losses import miners
from hyperface_lib.losses.miners import AllMiner, HardMiner, Miner, NPairMiner, SemiHardMiner, create_miner

# Five points on a line: class 0 at 0, 1 and 5; class 1 at 2 and 3.
PLACES = torch.tensor([0.0, 1.0, 5.0, 2.0, 3.0])
LABELS = torch.tensor([0, 0, 0, 1, 1])
DISTANCES = (PLACES[:, None] - PLACES[None, :]).abs()


def listed(miner: Miner, margin: float = 0.0) -> set[tuple[int, ...]]:
    rows = [tuple(row) for row in miner.triplets(DISTANCES, LABELS, margin).tolist()]
    assert len(rows) == len(set(rows))
    return set(rows)


def random_batch(count: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(count, 6, generator=generator, dtype=torch.float64), dim=1)
    return points, torch.randint(0, classes, (count,), generator=generator)


def all_triplets(labels: list[int]) -> set[tuple[int, ...]]:
    rows = range(len(labels))
    return {
        (a, p, n)
        for a, p, n in product(rows, rows, rows)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    }


def test_all_are_those_of_the_definition() -> None:
    assert listed(AllMiner()) == all_triplets(LABELS.tolist())


def test_semi_hard_negatives_lie_beyond_the_positive_and_inside_the_margin() -> None:
    # Rows 0 and 1 are 1 apart, as are 3 and 4. Seen from 0, negatives are at 2 and 3; from 1, at 1 (no farther than the
    # positive) and 2; from 3, at 2, 1 and 3; from 4, at 3, 2 and 2. Pairs with row 2 are wider than every negative.
    assert listed(SemiHardMiner(), 1.5) == {(0, 1, 3), (1, 0, 4), (3, 4, 0), (4, 3, 1), (4, 3, 2)}
    assert listed(SemiHardMiner(), 2.5) - listed(SemiHardMiner(), 1.5) == {(0, 1, 4), (3, 4, 2), (4, 3, 0)}
    assert listed(SemiHardMiner(band=1.5), 99.0) == listed(SemiHardMiner(), 1.5)
    assert listed(SemiHardMiner(), 0.0) == set()


def test_hard_takes_the_farthest_positive_and_the_nearest_negative_of_every_row() -> None:
    # Row 4 (at 3) has two nearest negatives, at 1 and 5: either will do.
    found = listed(HardMiner())
    assert found - {(4, 3, 1), (4, 3, 2)} == {(0, 2, 3), (1, 2, 3), (2, 0, 4), (3, 4, 1)}
    assert len(found) == 5


def test_n_pair_takes_one_pair_a_class_and_the_second_rows_of_the_others() -> None:
    labels = torch.tensor([4, 7, 4, 9, 7, 4, 2, 9])
    found = NPairMiner().triplets(torch.zeros(8, 8), labels)
    assert {tuple(row) for row in found.tolist()} == {
        (0, 2, 4),
        (0, 2, 7),
        (1, 4, 2),
        (1, 4, 7),
        (3, 7, 2),
        (3, 7, 4),
    }


@pytest.mark.parametrize("name", ["all", "semi-hard", "hard", "n-pair"])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [3], []], ids=["one class", "all distinct", "one", "none"])
def test_batches_without_triplets_give_none(name: str, labels: list[int]) -> None:
    count = len(labels)
    found = create_miner(name).triplets(torch.rand(count, count), torch.tensor(labels, dtype=torch.long), 1.0)
    assert found.shape == (0, 3)


def test_all_pairs_stay_where_there_are_no_triplets() -> None:
    positive, negative = AllMiner().pairs(torch.zeros(3, 3), torch.tensor([1, 1, 1]), 1.0)
    assert torch.equal(positive, ~torch.eye(3, dtype=torch.bool)) and not negative.any()
    positive, negative = AllMiner().pairs(torch.zeros(3, 3), torch.tensor([0, 1, 2]), 1.0)
    assert not positive.any() and torch.equal(negative, ~torch.eye(3, dtype=torch.bool))


@pytest.mark.parametrize("name", ["semi-hard", "n-pair"])
def test_pairs_are_those_of_the_triplets(name: str) -> None:
    points, labels = random_batch(20, 4)
    distances = torch.cdist(points, points)
    miner = create_miner(name)
    positive, negative = miner.pairs(distances, labels, 0.2)
    triplets = miner.triplets(distances, labels, 0.2)
    assert len(triplets)
    assert {tuple(row) for row in positive.nonzero().tolist()} == {tuple(row) for row in triplets[:, :2].tolist()}
    assert {tuple(row) for row in negative.nonzero().tolist()} == {tuple(row) for row in triplets[:, [0, 2]].tolist()}


def test_hard_pairs_need_no_partner_of_the_other_kind() -> None:
    positive, negative = HardMiner().pairs(DISTANCES[:3, :3], torch.tensor([0, 0, 1]), 0.0)
    assert positive.nonzero().tolist() == [[0, 1], [1, 0]]
    assert negative.nonzero().tolist() == [[0, 2], [1, 2], [2, 1]]


def test_semi_hard_agrees_with_pytorch_metric_learning() -> None:
    library = pytest.importorskip("pytorch_metric_learning.miners", reason="install it with `make install`")
    points, labels = random_batch(40, 6)
    found = SemiHardMiner().triplets(torch.cdist(points, points), labels, 0.1)
    theirs = library.TripletMarginMiner(margin=0.1, type_of_triplets="semihard")
    expected = torch.stack(theirs(points, labels), dim=1)
    assert len(expected) > 50
    assert {tuple(row) for row in found.tolist()} == {tuple(row) for row in expected.tolist()}


def test_batch_hard_agrees_with_pytorch_metric_learning() -> None:
    library = pytest.importorskip("pytorch_metric_learning.miners", reason="install it with `make install`")
    points, labels = random_batch(40, 12)
    found = HardMiner().triplets(torch.cdist(points, points), labels)
    expected = torch.stack(library.BatchHardMiner()(points, labels), dim=1)
    assert len(expected) > 20 and torch.equal(found, expected)


def test_blocks_are_bounded_and_cover_every_triplet_once(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = random_batch(30, 3)
    distances = torch.cdist(points, points)
    whole = AllMiner().triplets(distances, labels)
    monkeypatch.setattr(miners, "BLOCK_ENTRIES", 200)
    blocks = list(AllMiner().blocks(distances, labels, 0.0))
    assert len(blocks) > 10 and all(block.negatives.numel() <= 200 for block in blocks)
    assert torch.equal(AllMiner().triplets(distances, labels), whole)
    assert len(whole) == len(all_triplets(labels.tolist()))


def test_a_batch_of_512_is_mined_in_blocks_far_below_all_its_triplets() -> None:
    labels = torch.arange(512) % 128
    blocks = list(AllMiner().blocks(torch.zeros(512, 512), labels, 0.0))
    assert sum(int(block.negatives.sum()) for block in blocks) == 512 * 3 * 508
    assert max(block.negatives.numel() for block in blocks) <= miners.BLOCK_ENTRIES
    # In two classes there are 33 million triplets; a block still holds a million entries at most.
    first = next(AllMiner().blocks(torch.zeros(512, 512), torch.arange(512) % 2, 0.0))
    assert first.negatives.numel() <= miners.BLOCK_ENTRIES


def test_a_list_longer_than_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 17 triplets can be listed, found more in a batch of 5"):
        AllMiner().triplets(DISTANCES, LABELS, limit=17)
    assert len(AllMiner().triplets(DISTANCES, LABELS, limit=18)) == 18


def test_unknown_names_and_bands_are_refused() -> None:
    miner = SemiHardMiner(0.3)
    assert create_miner(miner) is miner
    with pytest.raises(ValueError, match="all, semi-hard, hard, n-pair, found 'soft'"):
        create_miner("soft")
    with pytest.raises(ValueError, match="band must be above 0, found 0"):
        SemiHardMiner(band=0)
