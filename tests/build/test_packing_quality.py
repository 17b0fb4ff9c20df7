"""The table of how good packing is: rows are those of the question, kept and gone on with."""

import json
import math
from pathlib import Path

import pytest

from hyperface_lib.build import packing_quality
from hyperface_lib.build.packing_quality import Trial, main, measure, trials


def test_a_row_states_what_was_found_beside_what_is_known() -> None:
    row = measure(Trial(8, 3, 0))
    assert row["above_best_known"] == pytest.approx(0.0, abs=1e-9)
    assert row["max_cosine"] == pytest.approx(math.cos(math.radians(row["min_angle_degrees"])))
    assert row["fraction_of_bound"] == pytest.approx(row["min_angle_degrees"] / row["bound_degrees"])
    assert row["fraction_of_bound"] < 1


def test_algorithm_1_is_given_the_step_and_the_seconds() -> None:
    row = measure(Trial(40, 16, 0, max_seconds=0.3, algorithm_1_radians=0.01))
    assert (row["solver"], row["step_radians"]) == ("Algorithm 1", 0.01)
    assert row["seconds"] > 0.2
    assert row["steps"] >= 1


def test_every_trial_has_a_key_of_its_own_and_the_same_seconds_for_algorithm_1() -> None:
    asked = list(trials(3, packing_quality.LARGE, with_open=True))
    assert len({trial.key for trial in asked}) == len(asked)
    given = {trial.n: trial.max_seconds for trial in asked if trial.algorithm_1_radians is not None}
    assert given == dict(packing_quality.LARGE)


def test_rows_measured_are_kept_until_the_machine_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packing_quality, "SMALL_CODES", ((3, 4), (3, 6)))
    out = tmp_path / "quality.json"
    arguments = ["--small-only", "--seeds", "1", "--out", str(out)]
    main(arguments)
    stored = json.loads(out.read_text(encoding="utf-8"))
    assert [row["n"] for row in stored["rows"].values()] == [4, 6]
    assert len(capsys.readouterr().out.splitlines()) == 2
    stored["rows"]["(3, 4), solver, seed 0"]["seconds"] = 1234.5
    out.write_text(json.dumps(stored), encoding="utf-8")
    main(arguments)
    assert json.loads(out.read_text(encoding="utf-8")) == stored
    stored["about"]["instructions"] = "of another machine"
    out.write_text(json.dumps(stored), encoding="utf-8")
    main(arguments)
    assert json.loads(out.read_text(encoding="utf-8"))["rows"]["(3, 4), solver, seed 0"]["seconds"] < 1234.5
