"""What a packing costs: operations counted against the traversals themselves, and rates found again from their sums."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from hyperface_lib.sphere import define_problem, random_points, start_run
from hyperface_lib.sphere.cost import (
    PackingMeasurement,
    PackingRates,
    StepWork,
    fit_rates,
    packing_cost,
    sharded_step_cost,
    step_work,
)
from hyperface_lib.sphere.objectives import WithGallery
from hyperface_lib.sphere.problem import build_objective

RATES = PackingRates(2e11, 1e11, 1e-9, 5e-10, 1e-3, 3e7, 8.0)


def counted_operations(n: int, dimension: int, gallery: int = 0, batch: int | None = None, steps: int = 1) -> float:
    """Return the operations torch counts in a step, on average over `steps`, the first not among them."""
    vectors = random_points(gallery, dimension, seed=1) if gallery else None
    problem = define_problem(n, dimension, vectors, device="cpu")
    method = "riemannian-adam" if batch is None else "minibatch-adam"
    run = start_run(problem, "riesz", method, 1000, batch_size=batch)
    # So soft and still that no evaluation has to be made a second time.
    run.temperature, run.step_radians = 0.25, 1e-4
    run.step()
    with FlopCounterMode(display=False) as counter:
        run.step(steps)
    return counter.get_total_flops() / steps


def test_operations_of_a_full_step_are_those_torch_counts() -> None:
    # Blocks on the diagonal save the third product of theirs but see their pairs twice: a share of 1 / (3 blocks).
    n, dimension, blocks = 1536, 32, 3
    work = step_work(n, dimension)
    assert counted_operations(n, dimension) == pytest.approx(work.pair_operations * (1 + 1 / (3 * blocks)), rel=1e-3)
    assert work.cosines == n * n / 2
    assert work.numbers == n * dimension


def test_operations_of_the_gallery_search_are_those_torch_counts() -> None:
    n, dimension, gallery = 1024, 32, 1500
    alone = counted_operations(n, dimension)
    work = step_work(n, dimension, gallery)
    assert counted_operations(n, dimension, gallery) - alone == pytest.approx(work.search_operations)
    assert work.search_operations == 2 * n * gallery * dimension
    # Ten times the gallery is searched every tenth time: the same on average.
    assert counted_operations(n, dimension, 10 * gallery, steps=10) - alone == pytest.approx(work.search_operations)
    assert step_work(n, dimension, 10 * gallery).search_operations == pytest.approx(work.search_operations)


@pytest.mark.parametrize("gallery_size", [10, 1999, 2000, 2001, 5000])
def test_searches_are_as_often_as_in_a_run(gallery_size: int) -> None:
    n, dimension = 1000, 8
    objective = build_objective(define_problem(n, dimension, random_points(gallery_size, dimension)), "riesz")
    assert isinstance(objective, WithGallery)
    every = 2 * n * gallery_size * dimension / step_work(n, dimension, gallery_size).search_operations
    assert every == pytest.approx(objective.term.refresh_every)


def test_operations_of_mini_batches_are_those_torch_counts() -> None:
    n, dimension, batch = 2048, 32, 512
    between_looks = 3 * (n // batch) ** 2
    counted = counted_operations(n, dimension, batch=batch, steps=between_looks)
    # Batches of 512 are one block: 4 b^2 d instead of 3; the look sees its 4 diagonal blocks whole.
    expected = dimension * (4 * batch**2 + n**2 * (1 + 1 / 4) / between_looks)
    assert counted == pytest.approx(expected)
    assert step_work(n, dimension, batch_size=batch).pair_operations == pytest.approx(
        dimension * (3 * batch**2 + n**2 / between_looks)
    )


def test_a_batch_of_all_points_is_a_full_step() -> None:
    assert step_work(500, 16, batch_size=500) == step_work(500, 16, batch_size=9000) == step_work(500, 16)


def measured(n: int, dimension: int, rates: PackingRates, precision: str, gallery: int = 0) -> PackingMeasurement:
    seconds = rates.step_seconds(step_work(n, dimension, gallery))
    memory = packing_cost(n, dimension, rates, steps=1).memory_bytes
    return PackingMeasurement(n, dimension, seconds, gallery, None, precision, None if gallery else memory)


def test_fit_finds_the_rates_again() -> None:
    fast = replace(RATES, operations_per_second=4e11)
    sizes = [(n, d) for n in (200, 1000, 5000, 20_000) for d in (30, 128, 512)]
    rows = [measured(n, d, RATES, "float32") for n, d in sizes]
    rows += [measured(n, d, fast, "bfloat16") for n, d in sizes]
    rows += [measured(n, 128, RATES, "float32", gallery) for n, gallery in ((200, 1000), (1000, 4000), (4000, 400))]
    found = fit_rates(rows)
    assert set(found) == {"float32", "bfloat16"}
    for name, rates in (("float32", RATES), ("bfloat16", fast)):
        for value, expected in zip(vars(found[name]).values(), vars(rates).values(), strict=True):
            assert value == pytest.approx(expected, rel=1e-3)


@given(st.integers(0, 1000))
def test_fit_never_gives_negative_rates(seed: int) -> None:
    noise = torch.rand(8, generator=torch.Generator().manual_seed(seed)).double().tolist()
    rows = [
        PackingMeasurement(100 * (k + 1), 32 * (1 + k % 3), 0.01 * (0.1 + value), memory_bytes=1e8 * (0.1 + value))
        for k, value in enumerate(noise)
    ]
    assert all(value >= 0 for value in vars(fit_rates(rows)["float32"]).values())


def test_fit_refuses_too_few() -> None:
    rows = [measured(n, 64, RATES, "float32") for n in (100, 200, 400, 800)]
    with pytest.raises(ValueError, match="at least 5 measurements, found 4"):
        fit_rates(rows)
    with pytest.raises(ValueError, match="2 measurements of memory, found 1"):
        fit_rates([replace(row, memory_bytes=None) for row in rows] + rows[:1])


def test_cost_is_the_formula() -> None:
    cost = packing_cost(10_000, 512, RATES, steps=100, gallery_size=1000)
    # 10,000 x 1,000 pairs with the gallery: more than two million, so every tenth step.
    per_step = 3 * 1e8 * 512 / 2e11 + 0.1 * 2 * 1e7 * 512 / 1e11 + (5e7 + 1e6) * 1e-9 + 5.12e6 * 5e-10 + 1e-3
    assert cost.seconds == pytest.approx(100 * per_step)
    assert cost.memory_bytes == 3e7 + 4 * 512 * (8 * 10_000 + 1000)


@given(st.integers(2, 10**6), st.integers(2, 2048), st.integers(0, 10**5), st.floats(0.1, 100))
def test_a_faster_machine_takes_proportionally_less(n: int, dimension: int, gallery: int, factor: float) -> None:
    slow = packing_cost(n, dimension, RATES, gallery_size=gallery)
    quick = packing_cost(n, dimension, RATES.times(factor), gallery_size=gallery)
    assert quick.seconds * factor == pytest.approx(slow.seconds)
    assert quick.memory_bytes == slow.memory_bytes


@given(st.integers(2, 10**6), st.integers(2, 512), st.integers(2, 4096))
def test_mini_batches_never_do_more_products(n: int, dimension: int, batch: int) -> None:
    full, batches = step_work(n, dimension), step_work(n, dimension, batch_size=batch)
    # A look costs a third of a step, at least three steps apart.
    assert batches.pair_operations <= 3 * dimension * min(batch, n) ** 2 + full.pair_operations / 9 + 1e-6
    assert isinstance(batches, StepWork)


def test_a_million_points_on_eight_accelerators() -> None:
    cost = sharded_step_cost(1_000_000, 512, 8, 1e14, 1e10)
    assert 8 * cost.operations == pytest.approx(2.05e15, rel=1e-3)
    assert cost.seconds_computing == pytest.approx(2.56, rel=1e-3)
    assert cost.seconds_gathering == pytest.approx(0.18, rel=0.01)
    assert 1000 * cost.seconds / 60 == pytest.approx(45, rel=0.02)
    assert cost.memory_bytes == pytest.approx(6.9e9, rel=0.01)


@given(st.integers(2, 64), st.floats(1e9, 1e15), st.floats(1e8, 1e12))
def test_sharding_shares_the_products_but_not_the_points(processes: int, operations: float, speed: float) -> None:
    n, dimension = 100_000, 256
    one = sharded_step_cost(n, dimension, 1, operations, speed)
    many = sharded_step_cost(n, dimension, processes, operations, speed)
    assert one.bytes_received == 0
    assert many.operations * processes == pytest.approx(one.operations)
    # Each pair from both ends: 4/3 of the products of a single process that sees every pair once.
    assert one.operations == pytest.approx(step_work(n, dimension).pair_operations * 4 / 3)
    assert many.bytes_received == pytest.approx(4 * n * dimension * (1 - 1 / processes))
    assert many.seconds == pytest.approx(many.operations / operations + many.bytes_received / speed)


def test_gathering_takes_as_long_as_the_products_where_the_docstring_says() -> None:
    n, operations, speed = 1_000_000, 1e14, 1e10
    cost = sharded_step_cost(n, 512, round(n * speed / operations), operations, speed)
    assert cost.seconds_computing == pytest.approx(cost.seconds_gathering, rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_work(1, 8), "n >= 2"),
        (lambda: step_work(10, 8, -1), "gallery of 0 or more"),
        (lambda: step_work(10, 8, batch_size=1), "batch_size must be at least 2, found 1"),
        (lambda: packing_cost(10, 8, RATES, steps=-1), "steps must be 0 or more, found -1"),
        (lambda: RATES.times(0), "positive factor, found 0"),
        (lambda: sharded_step_cost(4, 8, 5, 1.0, 1.0), "between 1 and n = 4, found 5"),
        (lambda: sharded_step_cost(4, 8, 2, 0.0, 1.0), "rates must be positive"),
        (lambda: RATES.times(math.nan), "positive factor, found nan"),
    ],
)
def test_bad_input_is_one_sentence(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
