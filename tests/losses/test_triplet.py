"""Triplet losses are their formula, keep to their memory, and survive degenerate batches (as all tuple losses must)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperface_lib.losses import create_head, miners
from hyperface_lib.losses.miners import AllMiner, HardMiner, SemiHardMiner
from hyperface_lib.losses.pairwise import euclidean_distances, mean_over_blocks

DIMENSION = 6
TUPLE_HEADS = [
    ("triplet", {"miner": "all"}),
    ("triplet", {"miner": "semi-hard"}),
    ("triplet", {"miner": "hard", "distance": "euclidean"}),
    ("angular-triplet", {"miner": "all"}),
    ("angular-triplet", {"miner": "hard"}),
    ("tuplet", {}),
    ("tuplet", {"miner": "n-pair", "scale": 1.0, "margin_radians": 0.0}),
    ("tuplet", {"miner": "semi-hard"}),
    ("contrastive", {}),
    ("contrastive", {"miner": "hard", "distance": "squared", "power": 1}),
]
every_tuple_head = pytest.mark.parametrize(("name", "options"), TUPLE_HEADS)


def make(name: str, **options: object) -> torch.nn.Module:
    return create_head(name, dimension=DIMENSION, classes=100, **options)


def batch(count: int = 18, classes: int = 5, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Loose clusters, so that some triplets keep the margin and some do not."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, DIMENSION, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, DIMENSION, generator=generator, dtype=torch.float64)
    return 3 * (centres[labels] + 0.7 * noise), labels


DISTANCE: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "squared": lambda a, b: float(((a - b) ** 2).sum()),
    "euclidean": lambda a, b: float(np.sqrt(((a - b) ** 2).sum())),
    "angle": lambda a, b: math.acos(float(a @ b)),
}


def hinges_by_hand(features: torch.Tensor, labels: torch.Tensor, distance: str, margin: float, miner: str) -> float:
    """Triplet loss by loops in float64, straight from the formula."""
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    rows, label = range(len(unit)), labels.tolist()
    d = [[DISTANCE[distance](unit[i], unit[j]) if i != j else 0.0 for j in rows] for i in rows]
    triplets = [
        (a, p, n) for a, p, n in product(rows, rows, rows) if a != p and label[a] == label[p] and label[a] != label[n]
    ]
    if miner == "semi-hard":
        triplets = [(a, p, n) for a, p, n in triplets if d[a][p] < d[a][n] < d[a][p] + margin]
    if miner == "hard":
        triplets = [max((t for t in triplets if t[0] == a), key=lambda t: d[a][t[1]] - d[a][t[2]]) for a in rows]
    hinges = [d[a][p] - d[a][n] + margin for a, p, n in triplets]
    return float(np.mean([hinge for hinge in hinges if hinge > 0]))


@pytest.mark.parametrize("miner", ["all", "semi-hard", "hard"])
@pytest.mark.parametrize(("distance", "margin"), [("squared", 0.2), ("euclidean", 0.3), ("angle", 0.35)])
def test_loss_is_the_formula(distance: str, margin: float, miner: str) -> None:
    features, labels = batch()
    if distance == "angle":
        head = make("angular-triplet", margin_radians=margin, miner=miner)
    else:
        head = make("triplet", margin_distance=margin, distance=distance, miner=miner)
    expected = hinges_by_hand(features, labels, distance, margin, miner)
    assert head(features, labels).item() == pytest.approx(expected, rel=1e-9)
    assert head(features.float(), labels).item() == pytest.approx(expected, rel=1e-4)


def test_a_case_on_the_circle_worked_by_hand() -> None:
    degrees = torch.tensor([0.0, 40.0, 50.0], dtype=torch.float64)
    radians = torch.deg2rad(degrees)
    features = torch.stack([radians.cos(), radians.sin()], dim=1) * torch.tensor([[1.0], [5.0], [0.2]])
    labels = torch.tensor([0, 0, 1])
    head = create_head("angular-triplet", dimension=2, classes=2, margin_radians=math.radians(20), miner="all")
    # From 0: 40 - 50 + 20 = 10 degrees too near. From 40: 40 - 10 + 20 = 50.
    assert math.degrees(head(features, labels).item()) == pytest.approx(30)
    # Only the first is semi-hard: the negative lies beyond the positive.
    head = create_head("angular-triplet", dimension=2, classes=2, margin_radians=math.radians(20), miner="semi-hard")
    assert math.degrees(head(features, labels).item()) == pytest.approx(10)
    head = create_head("triplet", dimension=2, classes=2, margin_distance=0.2, miner="semi-hard")
    expected = 2 * math.cos(math.radians(50)) - 2 * math.cos(math.radians(40)) + 0.2
    assert expected < 0 and head(features, labels).item() == 0
    assert head.angles.target_degrees.tolist() == pytest.approx([40, 40])
    assert head.angles.nearest_other_degrees.tolist() == pytest.approx([50, 10])


def test_the_defaults_are_the_papers() -> None:
    assert make("triplet").margin_distance == 0.2 and make("triplet").distance == "squared"
    assert isinstance(make("triplet").miner, SemiHardMiner)
    assert make("angular-triplet").margin_radians == 0.35


@pytest.mark.parametrize(("distance", "power"), [("squared", 2), ("euclidean", 1)])
@pytest.mark.parametrize("miner", ["all", "semi-hard", "hard"])
def test_agrees_with_pytorch_metric_learning(distance: str, power: int, miner: str) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
    library = pytest.importorskip("pytorch_metric_learning.miners")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    measure = distances.LpDistance(power=power)
    theirs = losses.TripletMarginLoss(margin=0.2, distance=measure)
    mined = {
        "all": lambda x, y: None,
        "semi-hard": library.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=measure),
        "hard": library.BatchHardMiner(distance=measure),
    }[miner]
    ours = make("triplet", margin_distance=0.2, distance=distance, miner=miner)
    features, labels = batch(30, 6)
    mine, yours = features.clone().requires_grad_(), features.clone().requires_grad_()
    first = ours(mine, labels)
    second = theirs(yours, labels, mined(yours, labels))
    assert first.item() > 0 and first.item() == pytest.approx(second.item(), rel=1e-5)
    first.backward()
    second.backward()
    assert torch.allclose(mine.grad, yours.grad, atol=1e-5)


@every_tuple_head
def test_gradient_is_that_of_differences(name: str, options: dict[str, object]) -> None:
    head = make(name, **options)
    features, labels = batch(10, 3)
    labels[4] = -1
    features = (features / 6).requires_grad_()
    assert head(features, labels).item() > 0
    assert torch.autograd.gradcheck(lambda x: head(x, labels), (features,), eps=1e-7, atol=1e-4)


@every_tuple_head
@pytest.mark.parametrize("limit", [1, 40])
def test_blocks_of_any_size_give_the_same_loss_and_gradient(
    name: str, options: dict[str, object], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for entries in (miners.BLOCK_ENTRIES, limit):
        monkeypatch.setattr(miners, "BLOCK_ENTRIES", entries)
        features, labels = batch()
        features.requires_grad_()
        loss = make(name, **options)(features, labels)
        loss.backward()
        results.append((loss.detach(), features.grad))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-12)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-9, atol=1e-12)


@every_tuple_head
def test_a_batch_of_512_gives_a_finite_loss_and_gradient(name: str, options: dict[str, object]) -> None:
    features, labels = batch(512, 128)
    features = features.float().requires_grad_()
    loss = make(name, **options)(features, labels)
    loss.backward()
    assert torch.isfinite(loss) and loss > 0 and torch.isfinite(features.grad).all() and features.grad.any()


@every_tuple_head
@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2, 3], [-1, -1, -1, -1], [5, -1, -1, -1], [-1, 0, 1, -1]],
    ids=["all distinct", "all unknown", "one known", "two known"],
)
def test_without_positive_pairs_nothing_is_pulled(name: str, options: dict[str, object], labels: list[int]) -> None:
    if name == "contrastive":
        options = {**options, "margin_distance": 0.0, "positive_margin_distance": 0.0}
    features = torch.randn(4, DIMENSION, requires_grad=True)
    head = make(name, **options)
    loss = head(features, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0 and torch.equal(features.grad, torch.zeros_like(features))
    assert len(head.angles.target_degrees) == len(head.angles.nearest_other_degrees) == 0


@every_tuple_head
def test_one_class_has_no_negatives(name: str, options: dict[str, object]) -> None:
    features, _ = batch(5)
    features.requires_grad_()
    head = make(name, **options)
    loss = head(features, torch.full((5,), 7))
    loss.backward()
    assert torch.isfinite(features.grad).all()
    assert (loss.item() > 0) is (name == "contrastive")
    assert len(head.angles.target_degrees) == 20 and len(head.angles.nearest_other_degrees) == 0


@every_tuple_head
def test_an_empty_batch_has_loss_zero(name: str, options: dict[str, object]) -> None:
    features = torch.zeros(0, DIMENSION, requires_grad=True)
    loss = make(name, **options)(features, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0 and features.grad.shape == (0, DIMENSION)


@every_tuple_head
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_duplicates_opposites_and_zeros_are_safe(name: str, options: dict[str, object], dtype: torch.dtype) -> None:
    x, y = torch.randn(2, DIMENSION, generator=torch.Generator().manual_seed(2))
    rows = [x, x, -x, 0 * x, x, y, y * 3, 0 * y, y * 1e3, -y]
    features = torch.stack(rows).to(dtype).requires_grad_()
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    loss = make(name, **options)(features, labels)
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(loss)
    assert features.grad.dtype == dtype and torch.isfinite(features.grad).all()
    assert not features.grad[3].any() and not features.grad[7].any()


@every_tuple_head
def test_a_batch_of_one_repeated_vector_is_safe(name: str, options: dict[str, object]) -> None:
    features = torch.ones(6, DIMENSION, requires_grad=True)
    loss = make(name, **options)(features, torch.arange(6) % 2)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(features.grad).all()


@every_tuple_head
def test_unknown_labels_are_ignored(name: str, options: dict[str, object]) -> None:
    head = make(name, **options)
    features, labels = batch()
    mixed = torch.cat([torch.randn(3, DIMENSION, dtype=torch.float64), features])
    unknown = torch.cat([torch.full((3,), -1), labels])
    assert head(mixed, unknown).item() == pytest.approx(head(features, labels).item(), rel=1e-12)


@every_tuple_head
@pytest.mark.parametrize("dtype", [torch.int8, torch.int32])
def test_labels_may_be_any_signed_integers(name: str, options: dict[str, object], dtype: torch.dtype) -> None:
    head = make(name, **options)
    features, labels = batch()
    loss = head(features, labels.to(dtype))
    assert loss.item() == head(features, labels).item()


@every_tuple_head
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rotation_length_and_the_numbers_of_the_classes_do_not_matter(
    name: str, options: dict[str, object], seed: int
) -> None:
    head = make(name, **options)
    features, labels = batch(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(torch.randn(DIMENSION, DIMENSION, generator=generator, dtype=torch.float64))
    lengths = 0.1 + 9 * torch.rand(len(features), 1, generator=generator, dtype=torch.float64)
    expected = head(features, labels).item()
    assert head(lengths * (features @ rotation), 90 - labels).item() == pytest.approx(expected, rel=1e-9)


@every_tuple_head
def test_a_head_has_no_state_and_autocast_does_not_change_it(name: str, options: dict[str, object]) -> None:
    head = make(name, **options)
    assert not head.state_dict() and not list(head.parameters())
    features, labels = batch()
    features = features.float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(features, labels)
    assert inside.item() == pytest.approx(head(features, labels).item(), rel=1e-6)


@every_tuple_head
def test_descending_the_loss_separates_the_classes(name: str, options: dict[str, object]) -> None:
    head = make(name, **options)
    features, labels = batch(12, 3, seed=4)
    features = (0.2 * features).requires_grad_()
    optimiser = torch.optim.Adam([features], lr=0.02)
    gaps = []
    for _ in range(120):
        optimiser.zero_grad()
        head(features, labels).backward()
        optimiser.step()
        gaps.append((head.angles.nearest_other_degrees - head.angles.target_degrees).min().item())
    assert gaps[-1] > gaps[0] + 5


def test_margin_fraction_scales_the_slack_of_a_tuplet() -> None:
    features, labels = batch()
    head = make("tuplet", miner="all", margin_radians=0.4)
    quarter = make("tuplet", miner="all", margin_radians=0.1)(features, labels).item()
    assert head(features, labels).item() != pytest.approx(quarter)
    head.margin_fraction = 0.25
    assert head(features, labels).item() == pytest.approx(quarter)


@pytest.mark.parametrize("name", ["triplet", "angular-triplet"])
def test_a_triplets_margin_is_whole_from_the_first_step(name: str) -> None:
    features, labels = batch()
    head = make(name)
    whole = head(features, labels).item()
    head.margin_fraction = 0.0
    assert head(features, labels).item() == whole > 0


def test_angles_of_every_positive_pair_and_of_its_anchors_nearest_negative_are_recorded() -> None:
    features, labels = batch(9, 4)
    head = make("triplet")
    head(features, labels)
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    degrees = np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))
    expected = [
        (degrees[a, p], min(degrees[a, n] for n in range(9) if labels[n] != labels[a]))
        for a, p in product(range(9), range(9))
        if a != p and labels[a] == labels[p]
    ]
    assert np.allclose(head.angles.target_degrees.numpy(), [pair[0] for pair in expected])
    assert np.allclose(head.angles.nearest_other_degrees.numpy(), [pair[1] for pair in expected])


def test_a_miner_object_is_used_as_it_is() -> None:
    class FirstOnly(AllMiner):
        def blocks(self, distances: torch.Tensor, labels: torch.Tensor, margin: float):  # type: ignore[no-untyped-def]
            yield from [next(super().blocks(distances, labels, margin))] if len(labels) else []

    features, labels = batch()
    miner = FirstOnly()
    head = make("triplet", miner=miner)
    assert head.miner is miner
    assert head(features, labels).item() == pytest.approx(make("triplet", miner="all")(features, labels).item())
    assert make("triplet", miner=HardMiner())(features, labels).item() == pytest.approx(
        make("triplet", miner="hard")(features, labels).item()
    )


def test_the_euclidean_distance_has_the_analytic_derivative_between_its_ends() -> None:
    cosines = torch.linspace(-0.999, 0.999, 21, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(euclidean_distances, (cosines,))
    assert torch.allclose(euclidean_distances(cosines), (2 - 2 * cosines).sqrt())


def test_equal_vectors_are_at_distance_zero_with_a_finite_derivative() -> None:
    cosine = torch.tensor([1.0, 1 + 2**-23], requires_grad=True)
    distance = euclidean_distances(cosine)
    distance.sum().backward()
    assert torch.allclose(distance, torch.zeros(2), atol=1e-3) and torch.isfinite(cosine.grad).all()


def test_a_mean_over_no_blocks_is_zero_and_needs_no_gradient_to_be_taken() -> None:
    matrix = torch.rand(3, 3, requires_grad=True)
    mean = mean_over_blocks(matrix, [], lambda positives, rows, negatives: (rows.sum(), negatives.sum()))
    mean.backward()
    assert mean.item() == 0 and not matrix.grad.any()
    features, labels = batch()
    with torch.no_grad():
        quiet = make("triplet", miner="all")(features, labels)
    loud = make("triplet", miner="all")(features.requires_grad_(), labels)
    assert quiet.item() == loud.item() and not quiet.requires_grad and loud.requires_grad


def test_wrong_shapes_labels_and_options_are_named() -> None:
    head = make("triplet")
    with pytest.raises(ValueError, match=r"features must be \(n, 6\), found \(2, 7\)"):
        head(torch.randn(2, 7), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"labels must be \(2,\)"):
        head(torch.randn(2, 6), torch.tensor([0]))
    with pytest.raises(ValueError, match="labels must be -1 or above, found -2"):
        head(torch.randn(2, 6), torch.tensor([0, -2]))
    with pytest.raises(ValueError, match=r"margin_distance must lie in 0 \.\. 2, found 2.5"):
        make("triplet", distance="euclidean", margin_distance=2.5)
    with pytest.raises(ValueError, match="distance must be one of squared, euclidean, found 'manhattan'"):
        make("triplet", distance="manhattan")
    with pytest.raises(ValueError, match=r"margin_radians must lie in 0 \.\. pi, found 20"):
        make("angular-triplet", margin_radians=20)
    with pytest.raises(ValueError, match="miner must be a Miner or one of all, semi-hard, hard, n-pair, found 'soft'"):
        make("triplet", miner="soft")
    with pytest.raises(ValueError, match="classes >= 1"):
        create_head("triplet", dimension=4, classes=0)
