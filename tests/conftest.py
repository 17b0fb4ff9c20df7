"""Shared by all tests: no test reads or writes the person's own runs, and results do not depend on thread counts."""

from __future__ import annotations

import os

# Before torch and numba are imported: two workers with one thread each beat two with two.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure the machine, not the code.
settings.register_profile("kit", deadline=None, derandomize=True)
settings.load_profile("kit")


@pytest.fixture(autouse=True)
def _own_runs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERFACE_RUNS", str(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def checkout() -> Path:
    """Return the root of the repository."""
    return Path(__file__).resolve().parent.parent
