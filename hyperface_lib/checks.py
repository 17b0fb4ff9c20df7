"""Check lines: what a notebook found, compared with the shipped reference run in words no machine changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hyperface_lib.assets import data_folder
from hyperface_lib.runs import REFERENCE_RUN, Run


class CheckLines:
    """Print one line for each result and keep them as table `checks-<notebook>` of the run.

    A line gives a verdict ("within 0.2 of 71.3: yes"), because the last digits of a long computation differ between
    processors. With other parameters than the reference run's there is nothing to compare with, and the line says so.
    """

    def __init__(self, run: Run, notebook: str, parameters: Mapping[str, Any]) -> None:
        self._run = run
        self._table = f"checks-{notebook}"
        self._parameters = dict(parameters)
        self._key = _key(parameters)
        self._rows: list[dict[str, Any]] = []
        self._reference = _reference_rows(self._table, self._key)

    def compare(self, name: str, value: float, tolerance: float, unit: str = "", digits: int = 2) -> bool | None:
        """Print whether `value` is within `tolerance` of the reference; return the verdict, None without one."""
        value = float(value)
        self._rows.append({"name": name, "value": value, "key": self._key})
        reference = self._reference.get(name)
        if reference is None:
            print(f"{name}: {value:.{digits}f}{unit} (no reference for these parameters)")
            return None
        close = abs(value - reference) <= tolerance
        found = "yes" if close else f"no, found {value:.{digits}f}{unit}"
        print(f"{name} within {tolerance:g}{unit} of {reference:.{digits}f}{unit}: {found}")
        return close

    def save(self) -> None:
        """Write the table; later runs with the same parameters are compared with it once it is the reference run's."""
        self._run.write_table(self._table, self._rows, self._parameters)


def _key(parameters: Mapping[str, Any]) -> str:
    text = json.dumps(dict(parameters), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _reference_rows(table: str, key: str) -> dict[str, float]:
    try:
        rows = Run(data_folder() / "runs" / REFERENCE_RUN, fallback=None).read_table(table).rows
    except FileNotFoundError:
        return {}
    return {str(row["name"]): float(row["value"]) for row in rows if row.get("key") == key}
