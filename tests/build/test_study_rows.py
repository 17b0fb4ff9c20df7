"""The file of rows that studies share, and trainings side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hyperface_lib.atomic import write_json
from hyperface_lib.build.study_rows import kept_rows, measured


def row(setting: str, seed: int, factor: int) -> dict[str, Any]:
    import torch

    return {"value": factor * seed, "setting": setting, "threads": torch.get_num_threads(), "process": os.getpid()}


def test_a_new_file_begins_empty_and_an_old_one_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    kept = kept_rows(out, {"steps": 3}, versions={"torch": "2"})
    assert kept == {"about": {"steps": 3}, "versions": {"torch": "2"}, "rows": {}}
    kept["rows"]["a"] = {"value": 1}
    write_json(out, kept)
    assert kept_rows(out, {"steps": 3}) == kept


def test_rows_of_another_study_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    write_json(out, kept_rows(out, {"steps": 3}))
    with pytest.raises(ValueError, match="another size or recipe"):
        kept_rows(out, {"steps": 4})


def test_side_by_side_gives_the_same_rows_in_processes_of_one_thread() -> None:
    tasks = [("a", 1), ("b", 2), ("a", 3)]
    alone = list(measured(row, tasks, (10,), workers=1))
    together = list(measured(row, tasks, (10,), workers=2))
    assert [(setting, seed) for setting, seed, _ in alone] == tasks
    assert {(s, n, r["value"]) for s, n, r in together} == {("a", 1, 10), ("b", 2, 20), ("a", 3, 30)}
    assert {r["threads"] for _, _, r in together} == {1}
    assert os.getpid() not in {r["process"] for _, _, r in together}
