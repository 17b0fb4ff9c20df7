"""Packing beside what it stands on and what people write instead: `make bench`. Prints ratios of one run.

Naive is automatic differentiation through all n x n cosines at once. The products alone are those that one iteration
cannot do without, for each pair of row blocks C = X_I X_J^T, C X_J and C^T X_I, at the same precision with the same
library. What is compared takes turns, and of each the shortest time counts. Memory is measured by
`hyperface_lib.build.peak_memory`, every figure in a process of its own. Nothing about time or memory is asserted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hyperface_lib.build.peak_memory import extra_bytes, measure_packing_bytes
from hyperface_lib.build.timing import shortest_seconds
from hyperface_lib.sphere import PackingRun, create_objective, define_problem, random_points, start_run
from hyperface_lib.sphere.blocks import row_blocks
from hyperface_lib.sphere.precision import has_fast_bfloat16

N, DIMENSION = 10_000, 512
TEMPERATURE = 0.01
WINDOW = 0.03


def without_itself(points: Tensor) -> Tensor:
    """Return all cosines (n, n), those of a point with itself out of the way."""
    return (points @ points.T).masked_fill(torch.eye(len(points), dtype=torch.bool), -torch.inf)


def naive_log_sum_exp(points: Tensor) -> Tensor:
    """Return the gradient of T log sum exp(cos / T) over ordered pairs."""
    with torch.enable_grad():
        leaf = points.clone().requires_grad_(True)
        (TEMPERATURE * torch.logsumexp((without_itself(leaf) / TEMPERATURE).flatten(), dim=0)).backward()
    assert leaf.grad is not None
    return leaf.grad


def naive_hinge(points: Tensor) -> Tensor:
    """Return the gradient of sum W^2 / (2 gamma) over ordered pairs, W = relu(cos - tau), gamma = sum W a constant."""
    with torch.enable_grad():
        leaf = points.clone().requires_grad_(True)
        cosines = without_itself(leaf)
        excess = torch.relu(cosines - (cosines.detach().max() - WINDOW))
        (excess.square().sum() / (2 * excess.detach().sum())).backward()
    assert leaf.grad is not None
    return leaf.grad


def products(points: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Return the work of the matrix products of one iteration alone."""
    operand = points.to(dtype)
    blocks = row_blocks(len(points))

    def work() -> None:
        for number, rows in enumerate(blocks):
            for columns in blocks[number:]:
                cosines = operand[rows] @ operand[columns].T
                _ = cosines @ operand[columns]
                if rows != columns:
                    _ = cosines.T @ operand[rows]

    return work


def started(objective: str, dtype: torch.dtype) -> PackingRun:
    """Return a run in the middle of its annealing that has taken its first step."""
    run = start_run(define_problem(N, DIMENSION), objective, "riemannian-adam", total_steps=1000)
    run.objective.matmul_dtype = None if dtype == torch.float32 else dtype
    run.step(1, fraction=0.5)
    return run


def test_gradients_agree_with_automatic_differentiation() -> None:
    points = random_points(1500, 64, dtype=torch.float64)
    hinge, soft = create_objective("hinge"), create_objective("log-sum-exp")
    hinge.temperature, soft.temperature = WINDOW, TEMPERATURE  # type: ignore[attr-defined]
    with torch.no_grad():
        torch.testing.assert_close(hinge.value_and_gradient(points).gradient, naive_hinge(points))
        torch.testing.assert_close(soft.value_and_gradient(points).gradient, naive_log_sum_exp(points))


def test_iteration() -> None:
    fast = has_fast_bfloat16(torch.device("cpu"))
    precisions = {"float32": torch.float32} | ({"bfloat16": torch.bfloat16} if fast else {})
    points = random_points(N, DIMENSION)
    works: dict[str, Callable[[], object]] = {}
    with torch.no_grad():
        for name, dtype in precisions.items():
            works[f"products, {name}"] = products(points, dtype)
            for objective in ("hinge", "riesz"):
                run = started(objective, dtype)
                works[f"{objective}, {name}"] = lambda run=run: run.step(1, fraction=0.5)
        seconds = shortest_seconds(works, rounds=3)
        naive = {"log-sum-exp": lambda: naive_log_sum_exp(points), "hinge": lambda: naive_hinge(points)}
        slow = shortest_seconds(naive, rounds=2)
    print(f"\none iteration, n = {N}, d = {DIMENSION}, {torch.get_num_threads()} threads")
    for name, value in slow.items():
        print(f"  naive {name:<22} {value:7.2f} s")
    for name in precisions:
        alone = seconds[f"products, {name}"]
        print(f"  products alone, {name:<12} {alone:7.2f} s")
        for objective in ("hinge", "riesz"):
            taken = seconds[f"{objective}, {name}"]
            ratios = ", ".join(f"{value / taken:.1f} x as fast as naive {kind}" for kind, value in slow.items())
            print(f"  {objective:<7}{name:<21} {taken:7.2f} s: {ratios}, {taken / alone:.2f} x the products")


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read as Linux tells them")
@pytest.mark.parametrize("n", [N, 5 * N])
def test_memory(n: int) -> None:
    first = measure_packing_bytes(n, DIMENSION, "riemannian-adam", "hinge", 1)
    later = measure_packing_bytes(n, DIMENSION, "riemannian-adam", "hinge", 3) if n == N else None
    points = 4 * n * DIMENSION
    print(f"\nmemory above the points ({points / 1e6:.0f} MB), n = {n}: {first / 1e6:.0f} MB in the first iteration")
    if later is not None:
        print(f"  {later / 1e6:.0f} MB in a run of 3")


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read as Linux tells them")
def test_naive_memory() -> None:
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    print(f"\nmemory above the points, n = {N}, naive log-sum-exp: {int(done.stdout) / 1e6:.0f} MB")


if __name__ == "__main__":
    naive_log_sum_exp(random_points(1000, DIMENSION))
    everything = random_points(N, DIMENSION)
    print(extra_bytes(lambda: naive_log_sum_exp(everything)))
