"""How many frames a second a reader of the live explorer sees: `make bench`. Prints; asserts no times.

From one end to the other: a kernel packs, JupyterLab hands frames on, a browser without a graphics card draws them
(the software renderer of headless Chromium), and the page counts the different frames it has had on the screen. The
rate asked for is that of the explorer as it is shipped; beside it the same without its limit.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

# The browser and the server are those of the browser tests.
_FILE = Path(__file__).parents[1] / "browser" / "test_lab.py"
_SPEC = importlib.util.spec_from_file_location("browser_rig", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
rig: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rig)
chromium, artefacts, page = rig.chromium, rig.artefacts, rig.page

SECONDS = 10


@pytest.fixture(scope="module")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with rig.running(rig.Lab(tmp_path_factory.mktemp("lab"))) as lab:
        yield lab


def write_notebook(folder: Path, n: int, dimension: int, options: str) -> str:
    """Write a notebook of nothing but an explorer and return its name."""
    source = (
        "from hyperface_lib.plots.packing_explorer import PackingExplorer\n"
        f"explorer = PackingExplorer({n}, {dimension}, max_steps=10**6{options})\nexplorer.ui"
    )
    # Without a kernel's name the page would ask which one to take.
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "explorer.ipynb")
    return "explorer.ipynb"


@pytest.mark.parametrize(("label", "options"), [("as shipped", ""), ("no limit", ", frames_per_second=1000.0")])
@pytest.mark.parametrize(("n", "dimension"), [(200, 3), (2000, 128)])
def test_frames_on_the_screen(
    page: Any, lab: Any, artefacts: Path, n: int, dimension: int, label: str, options: str
) -> None:
    rig.run_all_cells(page, lab, write_notebook(lab.work, n, dimension, options))
    page.locator(".widget-toggle-button").click()
    page.wait_for_function(f"() => ({rig.STATE})().step > 20")
    before = page.evaluate(rig.STATE)["step"]
    frames = page.evaluate(rig.FRAMES, SECONDS)
    steps = (page.evaluate(rig.STATE)["step"] - before) / SECONDS
    what = f"n = {n}, d = {dimension}, {label}"
    print(f"\nexplorer in a browser, {what}: {frames:.1f} frames and {steps:.0f} steps a second")
    page.screenshot(path=str(artefacts / f"explorer-{n}-{dimension}.png"))
    assert frames > 0
