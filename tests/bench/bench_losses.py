"""Margin heads beside a plain linear layer and what people write instead: `make bench`. Prints ratios of one run.

A round is forward and backward, down to the gradients of features and class centres. The usual way normalises both
sides, puts cos(theta + m) on the target with `scatter` and takes `cross_entropy`. What is compared takes turns, and of
each the shortest time counts. Memory is the peak above centres and their gradient, each figure in a process of its own
(this file run by its name). Nothing about time or memory is asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hyperface_lib.build.peak_memory import extra_bytes
from hyperface_lib.build.timing import shortest_seconds
from hyperface_lib.losses import create_head
from hyperface_lib.losses.cosine_head import CosineHead
from hyperface_lib.losses.partial_fc import PartialHead

N, DIMENSION = 256, 512
MARGIN_RADIANS, SCALE = 0.5, 64.0
OURS = ("arcface", "sv-arc", "curricular")
PLAIN, USUAL, METRIC_LEARNING = "linear + cross-entropy", "usual way", "pytorch-metric-learning"
RATE = 0.1


def usual_way(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Return the ArcFace loss as it is usually written."""
    cosines = functional.linear(functional.normalize(features), functional.normalize(weight))
    own = cosines.gather(1, labels[:, None])
    target = torch.cos(torch.acos(own.clamp(-1 + 1e-6, 1 - 1e-6)) + MARGIN_RADIANS)
    return functional.cross_entropy(SCALE * cosines.scatter(1, labels[:, None], target), labels)


def loss_of(name: str, classes: int) -> tuple[Callable[[Tensor, Tensor], Tensor], torch.nn.Parameter]:
    """Return the loss `name` as a function of features and labels, and its centres."""
    if name in OURS:
        head = create_head(name, dimension=DIMENSION, classes=classes)
        assert isinstance(head, CosineHead)
        return head, head.weight
    if name == METRIC_LEARNING:
        losses = pytest.importorskip("pytorch_metric_learning.losses", reason="install it with `make install`")
        loss = losses.ArcFaceLoss(classes, DIMENSION, margin=28.6, scale=SCALE)
        return loss, loss.W
    weight = torch.nn.Parameter(torch.randn(classes, DIMENSION) * 0.05)
    if name == USUAL:
        return lambda features, labels: usual_way(features, weight, labels), weight
    return lambda features, labels: functional.cross_entropy(functional.linear(features, weight), labels), weight


def batch(classes: int) -> tuple[Tensor, Tensor]:
    """Return features and labels."""
    return torch.randn(N, DIMENSION), torch.randint(0, classes, (N,))


def round_of(name: str, classes: int) -> Callable[[], None]:
    """Return forward and backward of the loss `name`."""
    loss, weight = loss_of(name, classes)
    features, labels = batch(classes)

    def work() -> None:
        weight.grad = None
        loss(features.clone().requires_grad_(), labels).backward()

    return work


def training_step(classes: int, rate: float | None) -> Callable[[], None]:
    """Return a step of SGD with momentum on the full ArcFace head (None) or a partial one."""
    head = create_head("arcface", dimension=DIMENSION, classes=classes)
    assert isinstance(head, CosineHead)
    partial = None if rate is None else PartialHead(head, rate)
    trained = partial or head
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    if partial is not None:
        partial.attach(optimizer)

    def work() -> None:
        features, labels = batch(classes)
        trained(features.requires_grad_(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return work


def extra_of(name: str, classes: int) -> int:
    """Return the peak bytes of a round above centres and gradient; smaller ones before have loaded what is needed."""
    round_of(name, 500)()
    work = round_of(name, classes)
    return extra_bytes(work) - 4 * classes * DIMENSION


def measured_extra(name: str, classes: int) -> int:
    """Return `extra_of`, measured in a process of its own."""
    command = [sys.executable, __file__, name, str(classes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("classes", "rounds"), [(10_000, 25), (100_000, 6)])
def test_round(classes: int, rounds: int) -> None:
    torch.manual_seed(0)
    names = (PLAIN, *OURS, METRIC_LEARNING, USUAL)
    seconds = shortest_seconds({name: round_of(name, classes) for name in names}, rounds)
    print(f"\nforward and backward, batch {N}, d = {DIMENSION}, {classes} classes, {torch.get_num_threads()} threads")
    for name in names:
        print(f"  {name:<24} {1000 * seconds[name]:8.1f} ms, {seconds[name] / seconds[PLAIN]:.2f} x {PLAIN}")


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read as Linux tells them")
@pytest.mark.parametrize("classes", [10_000, 100_000])
def test_memory(classes: int) -> None:
    names = (*OURS, PLAIN, METRIC_LEARNING, USUAL)
    extra = {name: measured_extra(name, classes) for name in names}
    logits = 4 * N * classes
    print(f"\npeak memory above centres and gradient, {classes} classes; logits once are {logits / 1e6:.0f} MB")
    for name in names:
        share = extra[name] / extra[METRIC_LEARNING]
        print(f"  {name:<24} {extra[name] / 1e6:8.0f} MB, {share:.2f} x {METRIC_LEARNING}")


@pytest.mark.parametrize("classes", [10_000, 100_000])
def test_partial(classes: int) -> None:
    torch.manual_seed(0)
    works = {"full": training_step(classes, None), f"rate {RATE}": training_step(classes, RATE)}
    seconds = shortest_seconds(works, rounds=6)
    full, partial = seconds.values()
    print(f"\na step of SGD on an ArcFace head, batch {N}, d = {DIMENSION}, {classes} classes")
    print(f"  full {1000 * full:.1f} ms, partial at {RATE} {1000 * partial:.1f} ms: {full / partial:.1f} x as fast")


if __name__ == "__main__":
    torch.manual_seed(0)
    print(json.dumps(extra_of(sys.argv[1], int(sys.argv[2]))))
