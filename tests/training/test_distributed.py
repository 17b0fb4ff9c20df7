"""Two processes train as one does; the first one alone writes; a lost process ends the run with a sentence."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing

from hyperface_lib.losses import create_head
from hyperface_lib.losses.partial_fc import PartialHead
from hyperface_lib.training import (
    Every,
    LogFile,
    NotFiniteError,
    ProcessLostError,
    Recipe,
    Trainer,
    Verification,
    create_trainer,
    join_processes,
)
from hyperface_lib.training.checkpoints import read_checkpoint

from .conftest import people, plain_backbone

CLASSES = 12
RECIPE = Recipe(max_steps=5, batch_size=18, learning_rate=0.01, precision="float32", ema_decay=0.5, seed=4)
# Statistics of a batch, all pairs of it, its hardest samples, and an ordinary mean.
HEADS = ("adaface", "triplet", "hm-softmax", "softmax")


def make_run(head: str = "arcface", rate: float | None = None, **options: Any) -> Trainer:
    images, labels = people(CLASSES, 8)
    labels = labels.copy()
    labels[::7] = -1
    torch.manual_seed(5)
    made = create_head(head, dimension=6, classes=CLASSES)
    if rate is not None:
        made = PartialHead(made, rate)
    recipe = options.pop("recipe", RECIPE)
    return Trainer(plain_backbone(), made, images, labels, recipe, device="cpu", **options)


def outcome(trainer: Trainer) -> dict[str, Any]:
    trainer.fit()
    weights = [parameter.detach().clone() for parameter in trainer.backbone.parameters()]
    head = {name: value.clone() for name, value in trainer.head.state_dict().items()}
    average = [parameter.clone() for parameter in trainer.network.parameters()]
    return {
        "loss": list(trainer.history.loss),
        "accuracy": list(trainer.history.accuracy),
        "weights": weights,
        "average": average,
        "head": head,
    }


def _process(rank: int, port: int, folder: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    assert join_processes("cpu").several and join_processes("cpu").rank == rank
    torch.save(_everything(Path(folder)), Path(folder) / f"result-{rank}.pt")
    distributed.barrier()
    trainer = make_run(callbacks=[Every(2, lambda _: None)])
    one_step = trainer._one_step

    def lost_in_the_third(parts: Any) -> Any:
        if rank == 1 and trainer.step == 2:
            os._exit(9)
        return one_step(parts)

    trainer._one_step = lost_in_the_third  # type: ignore[method-assign]
    try:
        trainer.fit()
    except ProcessLostError as problem:
        (Path(folder) / "said.txt").write_text(str(problem))
        os._exit(5)


@pytest.fixture(scope="module")
def everything() -> tuple[list[dict[str, Any]], list[int | None], str]:
    """What each of two processes found, how they ended, and what the first said when it lost the second.

    Starting them takes the longest, so they are started once.
    """
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        started = torch.multiprocessing.spawn(_process, (port, folder), nprocs=2, join=False).processes
        for process in started:
            process.join(240)
        results = [Path(folder) / f"result-{rank}.pt" for rank in range(2)]
        found = [torch.load(path, weights_only=True) for path in results]
        return found, [process.exitcode for process in started], (Path(folder) / "said.txt").read_text()


@pytest.fixture(scope="module")
def both(everything: tuple[list[dict[str, Any]], list[int | None], str]) -> list[dict[str, Any]]:
    return everything[0]


def _watched(folder: Path, rank: int) -> dict[str, Any]:
    """A run with everything that writes, interrupted and continued."""
    seen: list[int] = []
    logs = folder / f"log-{rank}.jsonl"
    checkpoint = folder / "run.pt"

    def watchers() -> list[Any]:
        return [
            Verification(lambda network: float(len(seen)), every_steps=2),
            LogFile(logs, every=1),
            Every(1, lambda trainer: seen.append(trainer.step)),
        ]

    first = make_run(
        callbacks=[*watchers(), Every(3, lambda trainer: trainer.stop())], checkpoint=checkpoint, progress=True
    )
    first.fit()
    distributed.barrier()
    stopped_at = first.step
    second = make_run(callbacks=watchers(), checkpoint=checkpoint)
    found = outcome(second)
    return {
        "stopped_at": stopped_at,
        "seen": seen,
        "logged": logs.exists(),
        "verified": [list(pair) for pair in second.history.verification],
        **found,
    }


def _refusals() -> list[str]:
    said = []
    for recipe in (RECIPE.with_changes(batch_size=3), RECIPE.with_changes(synchronise_batch_norm=True)):
        try:
            make_run(recipe=recipe)
        except ValueError as problem:
            said.append(str(problem))
    trainer = make_run()
    trainer.backbone[5].weight.register_hook(lambda gradient: gradient * float("nan"))
    try:
        trainer.fit()
    except NotFiniteError as problem:
        said.append(str(problem))
    return said


def _shards(folder: Path) -> dict[str, Any]:
    whole = outcome(make_run(rate=0.5))
    path = folder / "sharded.pt"
    make_run(rate=0.5, checkpoint=path).fit(until_step=3)
    distributed.barrier()
    continued = outcome(make_run(rate=0.5, checkpoint=path))
    distributed.barrier()
    shards = read_checkpoint(path)["head_shards"]
    return {
        "whole": whole,
        "continued": continued,
        "shards": [len(shard["centres.all"]) for shard in shards],
        "file": torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8),
    }


def _everything(folder: Path) -> dict[str, Any]:
    rank = distributed.get_rank()
    found: dict[str, Any] = {name: outcome(make_run(name)) for name in HEADS}
    found["accumulated"] = outcome(make_run("arcface", recipe=RECIPE.with_changes(accumulation=3)))
    found["watched"] = _watched(folder, rank)
    found["sharded"] = _shards(folder)
    found["refusals"] = _refusals()
    images, labels = people(CLASSES, 8)
    recipe = RECIPE.with_changes(architecture="tiny", dimension=8, sample_rate=0.5)
    found["created"] = outcome(create_trainer(images, labels, recipe, device="cpu"))
    return found


def close(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    for left, right in zip(one, other, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", [*HEADS, "accumulated"])
def test_two_processes_equal_one(both: list[dict[str, Any]], name: str) -> None:
    recipe = RECIPE.with_changes(accumulation=3 if name == "accumulated" else 1)
    alone = outcome(make_run("arcface" if name == "accumulated" else name, recipe=recipe))
    first, second = (found[name] for found in both)
    assert first["loss"] == second["loss"] == pytest.approx(alone["loss"], rel=2e-5)
    assert first["accuracy"] == pytest.approx(alone["accuracy"], nan_ok=True)
    assert all(torch.equal(*pair) for pair in zip(first["weights"], second["weights"], strict=True))
    assert all(torch.equal(first["head"][key], second["head"][key]) for key in first["head"])
    close(first["weights"], alone["weights"])
    close(first["average"], alone["average"])
    close(list(first["head"].values()), list(alone["head"].values()))
    start = list(plain_backbone().parameters())
    assert float((first["weights"][0] - start[0]).detach().abs().max()) > 1e-3  # the steps were long enough to tell


def test_only_the_first_process_writes_and_all_stop_and_go_on_together(both: list[dict[str, Any]]) -> None:
    first, second = (found["watched"] for found in both)
    assert first["stopped_at"] == second["stopped_at"] == 3
    assert first["seen"] == [1, 2, 3, 4, 5] and second["seen"] == []
    assert first["logged"] and not second["logged"]
    assert [step for step, _ in first["verified"]] == [2, 4, 5]
    # Interrupted or not, the curve is that of one process.
    assert first["loss"] == second["loss"] == pytest.approx(outcome(make_run())["loss"], rel=2e-5)


def test_a_head_in_shards_trains_as_in_one_process_and_goes_on(both: list[dict[str, Any]]) -> None:
    alone = outcome(make_run(rate=0.5))
    first, second = (found["sharded"] for found in both)
    assert first["shards"] == [6, 6]
    for found in (first, second):
        assert found["whole"]["loss"] == pytest.approx(alone["loss"], rel=2e-5)
        assert found["continued"]["loss"] == found["whole"]["loss"]
        assert all(
            torch.equal(*pair) for pair in zip(found["continued"]["weights"], found["whole"]["weights"], strict=True)
        )
    centres = torch.cat([found["whole"]["head"]["centres.all"] for found in (first, second)])
    torch.testing.assert_close(centres, alone["head"]["centres.all"], rtol=1e-3, atol=2e-5)
    assert np.isfinite(both[0]["created"]["loss"]).all()


def test_a_run_in_shards_goes_on_in_one_process(both: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(bytes(both[0]["sharded"]["file"].numpy()))
    longer = RECIPE.with_changes(max_steps=8, schedule="constant")
    with pytest.raises(ValueError, match=r"other settings \(max_steps, schedule\)"):
        make_run(rate=0.5, checkpoint=path, recipe=longer)
    trainer = make_run(rate=0.5, checkpoint=path, recipe=longer, may_change=("max_steps", "schedule"))
    assert trainer.step == 5 and len(trainer.head.state_dict()["centres.all"]) == CLASSES
    assert np.isfinite(trainer.fit().loss).all() and len(trainer.history.loss) == 8


def test_refusals_name_what_they_found(both: list[dict[str, Any]]) -> None:
    for said in (found["refusals"] for found in both):
        assert "each of 2 processes" in said[0] and "found 3" in said[0]
        assert said[1] == "synchronise_batch_norm needs CUDA devices, found cpu"
        assert "step 0" in said[2] and "gradient of backbone.5.weight" in said[2]


def test_a_lost_process_ends_the_run_with_a_sentence(
    everything: tuple[list[dict[str, Any]], list[int | None], str],
) -> None:
    _, codes, said = everything
    assert codes == [5, 9]
    assert said.startswith("step 2: process 0 of 2 lost another one") and "\n" not in said


def test_alone_nothing_is_joined() -> None:
    processes = join_processes("cpu")
    assert not processes.several and processes.leads and not distributed.is_initialized()
