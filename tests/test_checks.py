"""Check lines: verdicts against the reference run, and silence where there is nothing to compare with."""

from pathlib import Path

import pytest

from hyperface_lib.checks import CheckLines
from hyperface_lib.runs import Run

PARAMETERS = {"seed": 0, "n": 200}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def reference(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shipped reference run that found 71.3 degrees."""
    checks = CheckLines(Run(data / "runs" / "reference", fallback=None), "02", PARAMETERS)
    checks.compare("smallest angle", 71.3, 0.2, "°")
    checks.save()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("value", "verdict", "line"),
    [
        (71.45, True, "smallest angle within 0.2° of 71.30°: yes\n"),
        (71.15, True, "smallest angle within 0.2° of 71.30°: yes\n"),
        (71.55, False, "smallest angle within 0.2° of 71.30°: no, found 71.55°\n"),
        (float("nan"), False, "smallest angle within 0.2° of 71.30°: no, found nan°\n"),
    ],
)
@pytest.mark.usefixtures("reference")
def test_line_gives_a_verdict(value: float, verdict: bool, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert CheckLines(Run("main"), "02", PARAMETERS).compare("smallest angle", value, 0.2, "°") is verdict
    assert capsys.readouterr().out == line


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("notebook", "changes"), [("02", {"n": 500}), ("03", {})])
def test_other_parameters_are_not_compared(
    notebook: str, changes: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    checks = CheckLines(Run("main"), notebook, {**PARAMETERS, **changes})
    assert checks.compare("smallest angle", 60.0, 0.2, "°") is None
    assert capsys.readouterr().out == "smallest angle: 60.00° (no reference for these parameters)\n"


@pytest.mark.usefixtures("data")
def test_values_are_kept_in_the_run_with_their_parameters() -> None:
    run = Run("main")
    checks = CheckLines(run, "02", PARAMETERS)
    checks.compare("smallest angle", 71.3, 0.2)
    checks.save()
    assert run.read_table("checks-02").rows[0]["value"] == 71.3
    assert '"n": 200' in (run.folder / "tables" / "checks-02.manifest.json").read_text()
