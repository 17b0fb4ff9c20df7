"""Measuring what things cost: rows that mean what they say, files that an interrupted measurement goes on from."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hyperface_lib.build import costs, part_costs, peak_memory
from hyperface_lib.build.costs import Task
from hyperface_lib.sphere import levenshtein_bound_degrees

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read as Linux tells them")


@pytest.fixture
def weightless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is measured in a process of its own, which takes seconds to start; most tests are not about it."""
    monkeypatch.setattr(costs, "_memory_bytes", lambda n, dimension, method: 8 * n * dimension)


@pytest.mark.usefixtures("weightless")
def test_step_row_holds_what_was_run() -> None:
    row = costs.measure_step(64, 16, 0, costs.FULL, 0.05)
    assert (row["n"], row["dimension"], row["batch_size"], row["precision"]) == (64, 16, None, "float32")
    assert row["steps"] >= 1
    assert row["seconds_per_step"] > 0
    assert row["memory_bytes"] == 8 * 64 * 16
    batches = costs.measure_step(64, 16, 0, costs.BATCHES, 0.05)
    assert batches["batch_size"] == 64
    near = costs.measure_step(64, 16, 40, costs.FULL, 0.05)
    assert (near["gallery_size"], near["memory_bytes"]) == (40, None)


def test_reaching_row_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "DIMENSION", 16)
    monkeypatch.setattr(costs, "FRACTIONS", (0.2, 0.999999))
    row = costs.measure_reaching(200, costs.FULL, 0.4)
    assert row["seconds_to"]["0.2"] > 0
    assert row["steps_to"]["0.2"] >= 1
    # Nobody packs 200 points in 16 dimensions that close to the bound.
    assert row["seconds_to"]["0.999999"] is None
    assert 0.2 <= row["fraction_reached"] < 1
    assert row["bound_degrees"] == levenshtein_bound_degrees(200, 16)


def test_an_interrupted_measurement_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    broken = {"packing b"}

    def measure(key: str) -> dict[str, Any]:
        if key in broken:
            raise RuntimeError("unplugged")
        done.append(key)
        return {"value": len(done)}

    def tasks(quick: bool, largest: int) -> list[Task]:
        keys = [("packing", "packing a"), ("packing", "packing b"), ("parts", "part c")]
        return [Task(table, key, partial(measure, key)) for table, key in keys]

    monkeypatch.setattr(costs, "tasks", tasks)
    file = tmp_path / "costs.json"
    with pytest.raises(RuntimeError, match="unplugged"):
        costs.main(["--out", str(file)])
    assert list(json.loads(file.read_text())["packing"]) == ["packing a"]
    broken.clear()
    assert costs.main(["--out", str(file)]) == 0
    assert done == ["packing a", "packing b", "part c"]
    # All there: nothing is measured again, but for the table asked for.
    costs.main(["--out", str(file)])
    costs.main(["--out", str(file), "--only", "parts"])
    assert done == ["packing a", "packing b", "part c", "part c"]
    assert set(json.loads(file.read_text())["packing"]) == {"packing a", "packing b"}
    # Quick figures are no careful ones, and figures of another machine none of this one.
    costs.main(["--out", str(file), "--quick"])
    assert done[-3:] == ["packing a", "packing b", "part c"]
    assert len(done) == 7
    monkeypatch.setattr(costs, "describe_machine", lambda: {"cores": 128})
    costs.main(["--out", str(file), "--quick"])
    assert len(done) == 10
    assert [one.name for one in tmp_path.iterdir()] == ["costs.json"]


def test_machine_is_described_without_names_and_paths() -> None:
    described = costs.describe_machine()
    assert {"cores", "instructions", "torch", "fast_bfloat16"} <= set(described)
    text = json.dumps(described)
    assert str(Path.home()) not in text
    assert "/" not in text


def test_quick_measures_no_large_packing() -> None:
    quick = [task.key for task in costs.packing_tasks(quick=True, largest=10**6) if task.table == "packing"]
    everything = [task.key for task in costs.packing_tasks(quick=False, largest=10**6) if task.table == "packing"]
    assert set(quick) < set(everything)
    assert any("n 100000, d 512" in key for key in everything)
    assert not any("n 10000," in key for key in quick)
    assert len(everything) == len(set(everything))
    smaller = [task.key for task in costs.packing_tasks(quick=False, largest=10_000)]
    assert not any("n 20000," in key for key in smaller)


def test_operations_are_two_for_each_multiplication_with_its_addition() -> None:
    with torch.device("meta"):
        assert part_costs.operations(nn.Linear(30, 40), torch.empty(7, 30)) == 2 * 7 * 30 * 40
        convolution = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        assert part_costs.operations(convolution, torch.empty(1, 3, 32, 32)) == 2 * 16 * 16 * 8 * 3 * 5 * 5


def test_networks_are_the_published_ones() -> None:
    counted = part_costs.networks()
    # Stable Diffusion's U-Net has 859,520,964 parameters, its codec 83,653,863.
    drawn = counted["arc2face"]()
    assert drawn["parameters"] == 859_520_964 + 83_653_863
    assert drawn["decoding_operations"] > drawn["operations"] > 5e11
    # A ResNet of 50 layers for faces: 43.6 million parameters, 6.3e9 multiplications a face.
    large = counted["iresnet50"]()
    assert large["parameters"] == pytest.approx(43.6e6, rel=1e-3)
    assert large["operations"] == pytest.approx(2 * 6.3e9, rel=0.01)


def test_things_a_second_are_counted() -> None:
    calls: list[int] = []
    row = part_costs.per_second(lambda: calls.append(1), 10, 0.01)
    # The first call warms up and is not counted.
    assert row["count"] == 10 * (len(calls) - 1)
    assert row["per_second"] > 0


def test_training_is_timed_by_its_steps() -> None:
    row = part_costs._train("tiny", 64, 64, 2)
    assert row["count"] == 2 * 64
    assert row["per_second"] > 0


def test_png_bytes_are_those_of_faces() -> None:
    row = part_costs.parts(quick=True)["write png"]
    assert 0.5 < row()["bytes_per_pixel"] < 3


def test_a_failing_notebook_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_costs, "_ONE_NOTEBOOK", "raise SystemExit('cell 3: no paint')")
    with pytest.raises(RuntimeError, match="notebook 01 at its smallest failed: cell 3: no paint"):
        part_costs.SmallestRun().measure("01")


def test_notebooks_before_are_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import json, os, pathlib, sys\n"
        "folder = pathlib.Path(os.environ['HYPERFACE_RUNS'])\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / sys.argv[1]).write_bytes(bytes(100))\n"
        "print(json.dumps({'seconds': len(list(folder.iterdir())), 'memory_bytes': 1}))"
    )
    monkeypatch.setattr(part_costs, "_ONE_NOTEBOOK", script)
    run = part_costs.SmallestRun()
    rows = [run.measure("02"), run.measure("03")]
    assert [row["seconds"] for row in rows] == [2, 3]
    assert [row["disk_bytes"] for row in rows] == [100, 100]


@on_linux
def test_peak_sees_what_was_let_go_again() -> None:
    size = 400_000_000

    def work() -> None:
        np.ones(size, np.uint8)

    before = peak_memory.resident_bytes("VmHWM") - peak_memory.resident_bytes("VmRSS")
    taken = peak_memory.extra_bytes(work)
    # Linux counts in batches of pages; a peak from before may make it larger.
    assert 0.99 * size <= taken <= max(before, size) + 100_000_000
    assert peak_memory.resident_bytes("VmRSS") < peak_memory.resident_bytes("VmHWM")


@on_linux
def test_memory_of_a_packing_grows_with_its_points() -> None:
    small, large = (peak_memory.measure_packing_bytes(n, 64, costs.FULL) for n in (500, 6000))
    # Gradient, moments and new points are four times the points at least.
    assert large - small > 3 * 4 * 5500 * 64


@on_linux
def test_a_failing_measurement_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"n = 1 failed: .*n must be at least 2"):
        peak_memory.measure_packing_bytes(1, 64, costs.FULL)
