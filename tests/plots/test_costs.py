"""The cost figures: measured points where they are, comparisons through them, guesses marked as such."""

from __future__ import annotations

from typing import Any

import pytest

from hyperface_lib.plots.costs import packing_costs, reaching_costs

FULL, BATCHES = "riemannian-adam", "minibatch-adam"


def row(n: int, method: str, seconds: float, dimension: int = 512, gallery: int = 0) -> dict[str, Any]:
    values = {"n": n, "dimension": dimension, "gallery_size": gallery, "method": method}
    return values | {"seconds_per_step": seconds, "memory_bytes": 4.0 * 8 * n * dimension}


ROWS = [
    row(4000, FULL, 1.6),
    row(1000, FULL, 0.2),
    row(1000, BATCHES, 0.1),
    row(1000, FULL, 0.05, dimension=128),
    row(4000, FULL, 9.0, gallery=50),
]


def traces(figure: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for trace in figure.data:
        found.setdefault(trace.name, []).append(trace)
    return found


def test_seconds_and_memory_are_drawn_by_method() -> None:
    found = traces(packing_costs(ROWS, title="Cost"))
    seconds, memory = found["full steps"]
    assert (list(seconds.x), list(seconds.y)) == ([1000, 4000], [0.2, 1.6])
    assert list(memory.y) == [pytest.approx(4 * 8 * n * 512 / 1e6) for n in (1000, 4000)]
    assert list(found["mini-batches"][0].x) == [1000]
    # n^2 goes through the largest full step: a sixteenth at a quarter of the points.
    assert list(found["n²"][0].y) == [pytest.approx(0.1), pytest.approx(1.6)]
    assert list(found["the points alone"][0].y) == [pytest.approx(2.048), pytest.approx(8.192)]


def test_scales_are_logarithmic() -> None:
    layout = packing_costs(ROWS).layout
    assert {layout[name].type for name in ("xaxis", "yaxis", "xaxis2", "yaxis2")} == {"log"}


def test_other_dimensions_are_asked_for() -> None:
    assert list(traces(packing_costs(ROWS, 128))["full steps"][0].y) == [0.05]
    with pytest.raises(ValueError, match="64 dimensions, found none"):
        packing_costs(ROWS, 64)


def test_memory_that_was_not_measured_is_left_out() -> None:
    rows = [ROWS[0] | {"memory_bytes": None}, ROWS[1]]
    seconds, memory = traces(packing_costs(rows))["full steps"]
    assert (list(seconds.x), list(memory.x)) == ([1000, 4000], [1000])


def reaching(n: int, seconds: float | None) -> dict[str, Any]:
    steps = None if seconds is None else int(10 * seconds)
    values = {"n": n, "dimension": 512, "method": FULL}
    return values | {"seconds_to": {"0.9": seconds, "0.97": None}, "steps_to": {"0.9": steps, "0.97": None}}


def test_beyond_what_was_measured_lines_are_marked_as_extrapolated() -> None:
    found = traces(reaching_costs([reaching(1000, 3.0)], ROWS))
    measured, guessed = found["90 % of the bound"][0], found["90 % of the bound, extrapolated"][0]
    assert (list(measured.x), list(measured.y)) == ([1000], [3.0])
    # 30 steps at the 1.6 s that a step of 4000 points takes.
    assert (list(guessed.x), list(guessed.y)) == ([1000, 4000], [3.0, 48.0])
    assert guessed.line.dash == "dot"
    # What was never reached is not drawn.
    assert not any(name.startswith("97") for name in found)


def test_without_measurements_there_is_no_figure() -> None:
    with pytest.raises(ValueError, match="No seconds to a fraction"):
        reaching_costs([reaching(1000, 1.0)], ROWS, BATCHES)
