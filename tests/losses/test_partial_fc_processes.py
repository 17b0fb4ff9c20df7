"""Classes spread over two processes learn exactly as in one, and go on in one from what two have saved."""

from __future__ import annotations

import copy
import itertools
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing
from torch import Tensor, nn

from hyperface_lib.losses import create_head
from hyperface_lib.losses.partial_fc import PartialHead, reshard_states
from hyperface_lib.losses.partial_fc_processes import SeveralProcesses, class_edges, joined_processes

INPUTS, DIMENSION, CLASSES, STEPS = 7, 5, 31, 6
# What each of the two processes holds of a batch of 11: not the same number, and one image without a label.
SHARES = (slice(0, 7), slice(7, 11))
CASES = [
    ("arcface", 0.4, "sgd"),
    ("sv-arc", 0.4, "adamw"),
    ("curricular", 0.4, "sgd"),
    ("curricular", 1.0, "adamw"),
    ("magface", 0.2, "sgd"),
    ("hm-softmax", 1.0, "sgd"),
]


class Setting:
    """A small backbone and a partial head with their optimiser, the same numbers in every process."""

    def __init__(self, name: str, rate: float, optimizer: str) -> None:
        torch.manual_seed(3)
        self.backbone = nn.Linear(INPUTS, DIMENSION).double()
        learnable = {} if name == "magface" else {"learnable_scale": True}
        head = create_head(name, dimension=DIMENSION, classes=CLASSES, scale=8.0, **learnable).double()
        self.head = PartialHead(head, rate)
        parameters = [*self.backbone.parameters(), *self.head.parameters()]
        if optimizer == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
        else:
            self.optimizer = torch.optim.AdamW(parameters, lr=0.02)
        self.head.attach(self.optimizer)

    def train(self, steps: range) -> list[float]:
        """Return the losses of steps on this process's share of the batches."""
        processes = joined_processes()
        share = SHARES[processes.rank] if processes.count == 2 else slice(None)
        losses = []
        for number in steps:
            generator = torch.Generator().manual_seed(number)
            images = torch.randn(11, INPUTS, generator=generator, dtype=torch.float64)
            labels = torch.randint(0, CLASSES, (11,), generator=generator)
            labels[8] = -1
            self.optimizer.zero_grad()
            loss = self.head(self.backbone(images[share]), labels[share])
            loss.backward()
            for parameter in self.backbone.parameters():
                # What DistributedDataParallel does: gradients are averaged over processes.
                parameter.grad = processes.sum(parameter.grad) / processes.count
            self.optimizer.step()
            losses.append(loss.item())
        return losses

    def found(self) -> dict[str, Any]:
        """Return what has been learned."""
        return {
            "backbone": self.backbone.state_dict(),
            "head": self.head.state_dict(),
            "angles": {} if self.head.angles is None else vars(self.head.angles),
        }


def _everything() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in CASES:
        setting = Setting(*case)
        found[str(case)] = {"losses": setting.train(range(STEPS))} | setting.found()
        with torch.no_grad():
            setting.head.eval()
            images = torch.ones(2, INPUTS, dtype=torch.float64)
            found[str(case)]["evaluated"] = setting.head(setting.backbone(images), torch.tensor([4, 30])).item()
    found["unlabelled"] = _unlabelled()
    found["refused"] = _refused()
    return found


def _unlabelled() -> float:
    setting = Setting("arcface", 0.5, "sgd")
    loss = setting.head(setting.backbone(torch.ones(2, INPUTS, dtype=torch.float64)), torch.tensor([-1, -1]))
    loss.backward()
    return loss.item()


def _refused() -> str:
    with pytest.raises(ValueError) as raised:
        PartialHead(create_head("arcface", dimension=2, classes=1))
    return str(raised.value)


def _process(rank: int, port: int, folder: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    torch.save(_everything(), Path(folder) / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both() -> list[dict[str, Any]]:
    """What each of two processes found: starting them takes the longest."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        torch.multiprocessing.spawn(_process, (port, folder), nprocs=2, join=True)
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(2)]


def close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    assert found.keys() == expected.keys()
    return all(float((found[name] - expected[name]).abs().max()) < 1e-10 for name in expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_processes_equal_one(case: tuple[str, float, str], both: list[dict[str, Any]]) -> None:
    alone = Setting(*case)
    before = alone.head.centres.all.clone()
    losses = alone.train(range(STEPS))
    expected = alone.found()
    (whole,) = reshard_states([found[str(case)]["head"] for found in both], 1)
    assert close(whole, expected["head"])
    for found in (found[str(case)] for found in both):
        assert found["losses"] == pytest.approx(losses, rel=1e-10)
        assert close(found["backbone"], expected["backbone"])
        for name, degrees in expected["angles"].items():
            torch.testing.assert_close(found["angles"][name], degrees, rtol=0, atol=1e-6)
    # The steps were long enough to tell.
    assert float((whole["centres.all"] - before).abs().max()) > 1e-2


def test_each_process_holds_its_own_classes(both: list[dict[str, Any]]) -> None:
    for case in CASES:
        parts = [found[str(case)]["head"] for found in both]
        assert [len(part["centres.all"]) for part in parts] == [15, 16]
        for name in parts[0]:
            if name.startswith("centres.moments."):
                assert [len(part[name]) for part in parts] == [15, 16]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_process_goes_on_from_the_states_of_two(case: tuple[str, float, str], both: list[dict[str, Any]]) -> None:
    throughout, later = Setting(*case), Setting(*case)
    throughout.train(range(STEPS))
    # The backbone's and the scale's part of the optimiser's state is the caller's to save; here it is taken over.
    later.optimizer.load_state_dict(copy.deepcopy(throughout.optimizer.state_dict()))
    later.backbone.load_state_dict(both[0][str(case)]["backbone"])
    (whole,) = reshard_states([found[str(case)]["head"] for found in both], 1)
    later.head.load_state_dict(whole)
    assert later.train(range(STEPS, STEPS + 1)) == pytest.approx(throughout.train(range(STEPS, STEPS + 1)), rel=1e-9)
    assert torch.allclose(later.head.centres.all, throughout.head.centres.all, rtol=0, atol=1e-8)


def test_evaluation_is_over_the_classes_of_both(both: list[dict[str, Any]]) -> None:
    for case in CASES:
        alone = Setting(*case)
        alone.train(range(STEPS))
        alone.head.eval()
        with torch.no_grad():
            # Two processes with two rows each: the mean over four, that is over two twice.
            loss = alone.head(alone.backbone(torch.ones(2, INPUTS, dtype=torch.float64)), torch.tensor([4, 30]))
        if case[0] != "hm-softmax":  # 0.9 of two rows is one, 0.9 of four is three
            assert [found[str(case)]["evaluated"] for found in both] == pytest.approx([loss.item()] * 2, rel=1e-9)


def test_a_batch_without_labels_has_no_loss_in_either(both: list[dict[str, Any]]) -> None:
    assert [found["unlabelled"] for found in both] == [0.0, 0.0]


def test_fewer_classes_than_processes_are_refused(both: list[dict[str, Any]]) -> None:
    assert all("2 processes need at least as many classes, found 1" in found["refused"] for found in both)


def test_every_class_is_held_once() -> None:
    for classes, processes in ((31, 2), (7, 7), (100, 8)):
        edges = class_edges(classes, processes)
        assert edges[0] == 0 and edges[-1] == classes and len(edges) == processes + 1
        assert all(start < stop for start, stop in itertools.pairwise(edges))


def test_alone_nothing_is_exchanged() -> None:
    processes = joined_processes()
    assert not isinstance(processes, SeveralProcesses) and processes.count == 1
    rows, labels = torch.ones(2, 3), torch.tensor([0, 1])
    assert processes.gather(rows, labels) == (rows, labels)
