"""What a run is estimated to take: amounts as the notebooks have them, times by the constants given, nothing hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hyperface_lib import pipeline
from hyperface_lib.cli import app
from hyperface_lib.cli.estimate import duration, size
from hyperface_lib.pipeline.cost_book import ACCELERATORS, CostBook
from hyperface_lib.pipeline.estimate import RunEstimate, StepEstimate, estimate_plan
from hyperface_lib.pipeline.estimate_parts import Part
from hyperface_lib.sphere.cost import PackingRates, packing_cost, step_work

RATES = PackingRates(2e11, 1e11, 1e-9, 1e-9, 2e-3, 4e7, 8.0)


def packing_row(n: int, dimension: int, gallery: int = 0) -> dict[str, Any]:
    cost = packing_cost(n, dimension, RATES, steps=1)
    return {
        "n": n,
        "dimension": dimension,
        "gallery_size": gallery,
        "method": "riemannian-adam",
        "batch_size": None,
        "precision": "float32",
        "seconds_per_step": RATES.step_seconds(step_work(n, dimension, gallery)),
        "steps": 1,
        "memory_bytes": None if gallery else cost.memory_bytes,
    }


def constants() -> dict[str, Any]:
    """Return a file of costs with round figures, near those of two quiet cores."""
    sizes = [(n, d, 0) for n in (200, 1000, 4000) for d in (30, 128, 512)] + [(200, 128, 1000), (1000, 128, 4000)]
    parts: dict[str, dict[str, float]] = {
        "render 64": {"per_second": 200.0},
        "render 112": {"per_second": 100.0},
        "embed reference": {"per_second": 2000.0},
        "embed judge": {"per_second": 2000.0},
        "embed small": {"per_second": 2000.0},
        "embed iresnet50": {"per_second": 10.0},
        "draw reference, 2 steps": {"per_second": 160.0, "steps": 2},
        "draw reference, 10 steps": {"per_second": 40.0, "steps": 10},
        "train tiny 64": {"per_second": 2000.0},
        "train small 64": {"per_second": 800.0},
        "train iresnet50 112": {"per_second": 4.0},
        "write png": {"per_second": 2000.0, "bytes_per_pixel": 2.0},
    }
    networks: dict[str, dict[str, float]] = {
        "small": {"operations": 5e7, "parameters": 9e5, "image_size": 64},
        "small-judge": {"operations": 5e7, "parameters": 9e5, "image_size": 64},
        "tiny": {"operations": 7e6, "parameters": 2e5, "image_size": 64},
        "iresnet50": {"operations": 1.26e10, "parameters": 4.4e7, "image_size": 112},
        "iresnet100": {"operations": 2.4e10, "parameters": 6.5e7, "image_size": 112},
        "arc2face": {"operations": 8e11, "decoding_operations": 2.5e12, "parameters": 9.4e8, "image_size": 512},
    }
    smallest = {"seconds": 30.0, "memory_bytes": 1e9, "disk_bytes": 2e7, "profile": "ci"}
    return {
        "machine": {"cores": 2, "instructions": "AVX512"},
        "packing": {str(one): packing_row(*one) for one in sizes},
        "parts": parts,
        "networks": networks,
        "notebooks": {number: dict(smallest) for number in ("01", "02", "03", "04", "05")},
    }


@pytest.fixture
def costs_file(tmp_path: Path) -> Path:
    file = tmp_path / "costs.json"
    file.write_text(json.dumps(constants()))
    return file


@pytest.fixture
def book(costs_file: Path) -> CostBook:
    return CostBook.load(costs_file)


def estimated(book: CostBook, profile: str = "laptop", scale: float = 1.0, on: str | None = None, **values: Any) -> Any:
    plan = pipeline.plan_run(profile, parameters=values)
    return estimate_plan(plan, book, scale, None if on is None else ACCELERATORS[on])


def step(found: RunEstimate, number: str) -> StepEstimate:
    return next(one for one in found.steps if one.notebook.startswith(number))


def part(found: RunEstimate, number: str, what: str) -> Part:
    return next(one for one in step(found, number).parts if one.what == what)


def test_amounts_are_those_of_the_notebooks(book: CostBook) -> None:
    found = estimated(book)
    # 1000 people, 300 of them twice; each embedded with its mirror image.
    assert part(found, "01", "render").amount == 1300
    assert part(found, "01", "embed").seconds == pytest.approx(2 * 1300 / 2000)
    # Four variants are drawn and one rendered, 80 people with 8 pictures each, and examples before.
    assert part(found, "03", "draw").amount == pytest.approx(4 * 640, rel=0.05)
    assert part(found, "03", "render").amount == 640
    assert part(found, "03", "write").amount == 5 * 640
    assert part(found, "04", "train").amount == 5 * 640 * 20
    assert part(found, "04", "train").seconds == pytest.approx(5 * 640 * 20 / 800)
    # Five benchmarks of 600 pairs, five students, every picture twice.
    assert part(found, "05", "render").amount == 5 * 600 * 2
    assert part(found, "05", "embed").seconds == pytest.approx(5 * 5 * 600 * 2 * 2 / 2000)
    assert all(one.seconds is not None for one in step(found, "03").parts)


def test_the_smallest_run_is_what_was_measured(book: CostBook) -> None:
    # Whatever the sums leave out is in what the smallest run took, so there they agree.
    for one in estimated(book, "ci").steps:
        assert one.seconds == pytest.approx(30.0)
        assert one.disk_bytes == pytest.approx(2e7)


def test_drawing_takes_decoding_and_two_calls_a_step_with_guidance(book: CostBook) -> None:
    # 1/40 s with 20 calls and 1/160 s with 4: a call is 1.171875 ms, and decoding 1.5625 ms.
    for steps, guidance, calls in ((10, 1.5, 20), (10, 1.0, 10), (25, 3.0, 50)):
        drawn = part(estimated(book, steps=steps, guidance=guidance), "03", "draw")
        assert drawn.seconds == pytest.approx(drawn.amount * (calls * 1.171875e-3 + 1.5625e-3))
        assert drawn.basis == ("measured" if steps == 10 else "scaled")


def test_packing_is_the_model(book: CostBook) -> None:
    packed = part(estimated(book), "02", "pack packed-attraction")
    assert packed.seconds == pytest.approx(packing_cost(200, 128, RATES, steps=500, gallery_size=1000).seconds)
    inside = part(estimated(book), "02", "pack packed-subspace")
    assert inside.seconds == pytest.approx(packing_cost(200, 30, RATES, steps=500, gallery_size=1000).seconds)


def test_parameters_reach_the_notebooks_after_them(book: CostBook) -> None:
    # More pictures each, drawn in 03, are more to train on in 04, which has no such parameter itself.
    few, many = estimated(book), estimated(book, images_per_identity=16)
    assert part(many, "04", "train").amount == 2 * part(few, "04", "train").amount
    # 03 draws no more identities than 02 packed.
    assert part(estimated(book, identities=10_000), "04", "train").amount == 5 * 200 * 8 * 20


def test_a_machine_twice_as_fast_takes_half(book: CostBook) -> None:
    once, twice = estimated(book, "long"), estimated(book, "long", scale=2.0)
    assert twice.seconds == pytest.approx(once.seconds / 2)
    assert twice.to_record()["disk_bytes"] == once.to_record()["disk_bytes"]
    with pytest.raises(ValueError, match="positive number, found 0"):
        estimated(book, scale=0.0)


def test_paper_says_what_nobody_measured(book: CostBook) -> None:
    found = estimated(book, "paper")
    assert [one.what for one in step(found, "01").unknown] == ["find faces"]
    assert part(found, "03", "find faces").seconds is None
    drawn = part(found, "03", "draw")
    # 25 steps, twice for guidance, and decoding, at the rate of the large network that was timed.
    assert drawn.basis == "counted"
    assert drawn.seconds == pytest.approx(drawn.amount * (50 * 8e11 + 2.5e12) / (10 * 1.26e10))
    assert drawn.amount == pytest.approx(3 * 640_000, rel=1e-3)
    assert part(found, "04", "train").basis == "measured"
    assert part(found, "05", "embed").amount == 3 * 2 * 31_000


def test_accelerators_are_assumptions(book: CostBook) -> None:
    found = estimated(book, "paper", on="a100")
    speed = 0.35 * 312e12
    drawn, trained = part(found, "03", "draw"), part(found, "04", "train")
    assert (drawn.basis, trained.basis) == ("assumed", "assumed")
    assert drawn.seconds == pytest.approx(drawn.amount * 42.5e12 / speed)
    assert trained.seconds == pytest.approx(trained.amount * 3 * 1.26e10 / speed)
    assert part(found, "02", "pack packed-attraction").basis == "assumed"
    assert "assumed" in found.machine
    # Rendering stays where it is.
    assert part(estimated(book, on="a100"), "01", "render").basis == "measured"


def test_disk_is_what_is_written(book: CostBook) -> None:
    more = step(estimated(book, identities=160), "03").disk_bytes - step(estimated(book), "03").disk_bytes
    assert more == pytest.approx(5 * 80 * 8 * 64 * 64 * 2.0)
    packed = step(estimated(book, picture_format="webp", identities=160), "03").disk_bytes
    assert packed < step(estimated(book, identities=160), "03").disk_bytes


def test_missing_measurements_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"build\.costs"):
        CostBook.load(tmp_path / "nothing.json")
    half = tmp_path / "half.json"
    half.write_text(json.dumps({name: rows for name, rows in constants().items() if name != "notebooks"}))
    with pytest.raises(ValueError, match="found no notebooks"):
        CostBook.load(half)


@pytest.fixture
def shipped(costs_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CostBook, "load", classmethod(lambda cls, path=None, load=CostBook.load: load(costs_file)))


@pytest.mark.usefixtures("shipped")
def test_command_prints_and_writes(tmp_path: Path) -> None:
    target = tmp_path / "estimate.json"
    arguments = [
        "estimate",
        "--profile",
        "paper",
        "-p",
        "identities=100",
        "--accelerator",
        "h100",
        "--json",
        str(target),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for text in ("03_synthesis", "assumed", "find faces", "35 % of its data sheet", "and more"):
        assert text in result.output
    written = json.loads(target.read_text())
    assert written["accelerator"] == "h100"
    assert [one["notebook"][:2] for one in written["steps"]] == ["01", "02", "03", "04", "05"]
    assert written["seconds"] == pytest.approx(sum(one["seconds"] for one in written["steps"]))
    drawn = next(one for one in written["steps"][2]["parts"] if one["what"] == "draw")
    assert drawn["amount"] == pytest.approx(3 * 100 * 64, rel=0.01)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accelerator", "abacus"], "expected one of l4, rtx4090, a100, h100, found 'abacus'"),
        (["--profile", "huge"], "profile: expected one of"),
        (["-p", "nonsense=1"], "'nonsense' is known to none"),
        (["--scale", "-1"], "scale: expected a positive number, found -1.0"),
    ],
)
def test_command_refuses_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["estimate", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.0, "59 s"), (89, "89 s"), (90, "1.5 min"), (6000, "1.67 h"), (200_000, "2.31 days")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_are_readable() -> None:
    assert [size(value) for value in (2e6, 2.5e9, 3e12)] == ["2 MB", "2.5 GB", "3.0 TB"]
