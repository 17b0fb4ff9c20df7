"""How `pytest --nbval-lax notebooks/` reads the notebooks: pictures are not compared, run folders start empty.

An empty run folder makes each notebook read the shipped reference run, as its stored outputs did, whatever was run
before it on this machine.
"""

import os
import tempfile
from collections.abc import Iterator

import pytest

# Pictures, tables and warnings vary with the machine and the library; check lines are plain text in tagged cells.
NOT_COMPARED = (
    "application/vnd.plotly.v1+json",
    "application/vnd.jupyter.widget-view+json",
    "text/html",
    "text/markdown",
    "image/png",
    "stderr",
)


def pytest_collectstart(collector: pytest.Collector) -> None:
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Give the notebook of this cell a run folder of its own, before its kernel starts."""
    if not hasattr(item.parent, "skip_compare"):
        return (yield)
    if not hasattr(item.parent, "run_folder"):
        item.parent.run_folder = tempfile.TemporaryDirectory(prefix="hyperface-nbval-")
    before = os.environ.get("HYPERFACE_RUNS")
    os.environ["HYPERFACE_RUNS"] = item.parent.run_folder.name
    try:
        return (yield)
    finally:
        if before is None:
            del os.environ["HYPERFACE_RUNS"]
        else:
            os.environ["HYPERFACE_RUNS"] = before
