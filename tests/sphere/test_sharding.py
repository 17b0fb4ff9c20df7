"""Points spread over two processes move exactly as in one; each process sees every pair."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing

from hyperface_lib.sphere import OBJECTIVES, define_problem, min_angle_degrees, pack, random_points, start_run
from hyperface_lib.sphere.sharding import ShardedPairs, current_shard, join_processes
from hyperface_lib.sphere.traversal import LocalPairs

STEPS = 20
GALLERY = random_points(40, 6, seed=9)


def problem(alpha: float = 0.0, n: int = 31):
    gallery = GALLERY if alpha > 0 else None
    return define_problem(n, 6, gallery=gallery, alpha=alpha, initial="random", seed=4, device="cpu")


def points_after(objective: str, method: str, alpha: float, shard: ShardedPairs | None) -> torch.Tensor:
    run = start_run(problem(alpha), objective, method, STEPS, shard=shard, dtype=torch.float64)
    run.step(STEPS)
    return run.pairs.everyone(run.points.contiguous())


def _process(rank: int, port: int, work: Callable[[], object], folder: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    assert join_processes("cpu")
    torch.save(work(), Path(folder) / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def in_two_processes(work: Callable[[], object]) -> list:
    """Return what `work` returns in each of two processes."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        torch.multiprocessing.spawn(_process, (port, work, folder), nprocs=2, join=True)
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(2)]


CASES = [(name, method, alpha) for name in OBJECTIVES for method, alpha in (("riemannian-adam", 0.0),)]
CASES += [("riesz", "adamw", 0.0), ("riesz", "sgd", 0.0), ("riesz", "rmsprop", 0.0)]
CASES += [("hinge", "riemannian-adam", 0.5), ("log-sum-exp", "sgd", 0.5)]


def _every_case() -> dict[str, torch.Tensor]:
    return {str(case): points_after(*case, current_shard(31)) for case in CASES}


def _everything() -> dict[str, Any]:
    return {"cases": _every_case(), "traversal": _traversals(), "packed": _packed(), "refusals": _refusals()}


@pytest.fixture(scope="module")
def both() -> list[dict[str, Any]]:
    """What each of two processes found: starting them takes the longest."""
    return in_two_processes(_everything)


def test_two_processes_equal_one(both: list[dict[str, Any]]) -> None:
    first, second = (found["cases"] for found in both)
    for case in CASES:
        alone = points_after(*case, None)
        assert torch.equal(first[str(case)], second[str(case)]), case
        difference = float((alone - first[str(case)]).abs().max())
        assert difference < 1e-10, (case, difference)
        # The steps were long enough to tell.
        assert float((alone - problem(case[2]).start(dtype=torch.float64)).abs().max()) > 1e-3, case


def _traversals() -> dict[str, torch.Tensor]:
    everyone = random_points(23, 5, seed=1, dtype=torch.float64)
    shard = ShardedPairs(23)
    own = everyone[shard.own].clone()

    def weigh(cosines: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights = torch.relu(cosines)
        return weights, torch.stack([weights.sum(), torch.isfinite(cosines).sum().double()])

    sums = shard.accumulate(own, weigh)
    nearest = shard.nearest_others(own)
    return {
        "everyone": shard.everyone(own),
        "own": own,
        "sums": sums.sums,
        "gradient": sums.gradient,
        "largest": torch.tensor([sums.max_cosine, shard.largest_cosine(own)], dtype=torch.float64),
        "indices": nearest.indices,
        "cosines": nearest.cosines,
        "agreed": torch.tensor(shard.agree(float(shard.rank + 5)), dtype=torch.float64),
        "total": shard.total(torch.tensor(1.0 + shard.rank)),
    }


def test_the_sharded_traversal_sees_what_the_local_one_sees(both: list[dict[str, Any]]) -> None:
    parts = [found["traversal"] for found in both]
    everyone, local = random_points(23, 5, seed=1, dtype=torch.float64), LocalPairs()

    def weigh(cosines: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights = torch.relu(cosines)
        return weights, torch.stack([weights.sum(), torch.isfinite(cosines).sum().double()])

    expected, nearest = local.accumulate(everyone, weigh), local.nearest_others(everyone)
    assert [len(part["own"]) for part in parts] == [11, 12]
    torch.testing.assert_close(torch.cat([part["gradient"] for part in parts]), expected.gradient)
    for part in parts:
        assert torch.equal(part["everyone"], everyone)
        torch.testing.assert_close(part["sums"], expected.sums)
        assert float(part["sums"][1]) == 23 * 22 / 2
        torch.testing.assert_close(part["largest"], torch.full((2,), expected.max_cosine, dtype=torch.float64))
        assert torch.equal(part["indices"], nearest.indices)
        torch.testing.assert_close(part["cosines"], nearest.cosines)
        assert float(part["agreed"]) == 5 and float(part["total"]) == 3


def _packed() -> torch.Tensor:
    return torch.from_numpy(pack(60, 8, use_known_codes=False, method="riemannian-adam", max_steps=120).points)


def test_pack_in_two_processes_returns_all_points_on_both(both: list[dict[str, Any]]) -> None:
    first, second = (found["packed"] for found in both)
    assert torch.equal(first, second) and first.shape == (60, 8)
    assert min_angle_degrees(first) == pytest.approx(min_angle_degrees(_packed()), abs=0.1)


def _refusals() -> list[str]:
    said = []
    for arguments in ({"n": 1000, "method": "minibatch-adam"}, {"n": 12, "method": "lbfgs"}):
        try:
            pack(dimension=4, use_known_codes=False, max_steps=2, **arguments)  # type: ignore[arg-type]
        except ValueError as problem:
            said.append(str(problem))
    return said


def test_methods_of_one_process_say_so(both: list[dict[str, Any]]) -> None:
    for said in (found["refusals"] for found in both):
        assert len(said) == 2 and all("in one process" in text for text in said)


def test_alone_nothing_is_joined() -> None:
    assert not join_processes("cpu") and current_shard(10) is None
