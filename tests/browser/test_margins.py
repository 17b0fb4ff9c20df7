"""The lab on margin losses in a real browser: in JupyterLab and served by Voila, its explorers answer."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.plots.margin_curves import CURVE_LOSSES
from hyperface_lib.plots.margins.picture import SAMPLES, TARGET_CURVE

# The browser and the server are those of the other labs.
_SPEC = importlib.util.spec_from_file_location("browser_rig", Path(__file__).with_name("test_lab.py"))
assert _SPEC is not None and _SPEC.loader is not None
rig: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rig)
chromium, artefacts, page = rig.chromium, rig.artefacts, rig.page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ARCFACE = CURVE_LOSSES.index("arcface")


def live(trace: str, number: int = 0) -> str:
    """The expression for a live plot: number `number` of those that have a trace of that name."""
    return (
        "[...document.querySelectorAll('.widget-vbox .js-plotly-plot')]"
        f".filter(plot => plot.data?.some(one => one.name === '{trace}'))[{number}]"
    )


CURVES, TOY = live("sv-arc"), live("samples")
LOGIT_AT_60 = f"{CURVES}.data[{ARCFACE}].y[40]"  # theta = 0.75 + 1.5 k degrees: 60.75
STEP = f"(steps => steps[steps.length - 1] ?? 0)({TOY}.data[{TARGET_CURVE}].x)"
PLACES = f"Array.from({TOY}.data[{SAMPLES}].x).slice(0, 8)"


def copy_lab(folder: Path) -> str:
    """Write a copy of the lab with short trainings and explorers that do not stop by themselves."""
    notebook = nbformat.read(notebooks_folder() / "labs" / "margin_losses.ipynb", as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += "\nsteps, starts = 40, 1"
    for cell in notebook.cells:
        if 'MarginExplorer("norm-softmax", seed=seed)' in cell.source:
            cell.source = cell.source.replace("seed=seed)", "seed=seed, max_steps=10**6)")
    nbformat.write(notebook, folder / "margin_losses.ipynb")
    return "margin_losses.ipynb"


def shown(page: Any, plot: str) -> None:
    """Wait for a plot with something drawn in it, and bring it into view."""
    page.wait_for_function(f"() => {plot}?.querySelector('.main-svg')?.innerHTML.length > 100")
    page.evaluate(f"() => {plot}.closest('.widget-vbox').scrollIntoView()")


def within(page: Any, plot: str, kind: str, text: str = "") -> Any:
    """A control in the same box as a plot."""
    box = page.evaluate_handle(f"() => {plot}.closest('.widget-vbox')").as_element()
    found = [one for one in box.query_selector_all(kind) if text in one.inner_text()]
    assert found, f"no {kind} with {text!r}"
    return found[0]


def move(page: Any, plot: str, name: str, key: str, times: int) -> None:
    within(page, plot, ".widget-slider", name).query_selector(".noUi-handle").focus()
    for _ in range(times):
        page.keyboard.press(key)


def use_the_explorers(page: Any, artefacts: Path, where: str) -> None:
    shown(page, CURVES)
    before = page.evaluate(LOGIT_AT_60)
    move(page, CURVES, "margin (radians)", "ArrowRight", 6)
    page.wait_for_function(f"old => {LOGIT_AT_60} < old - 5", arg=before)
    assert page.evaluate(LOGIT_AT_60) == pytest.approx(64 * -0.279, abs=0.5)  # 64 cos(60.75 degrees + 0.8)
    page.screenshot(path=str(artefacts / f"margins-{where}-curves.png"))

    shown(page, TOY)
    before, places = page.evaluate(STEP), page.evaluate(PLACES)
    run = within(page, TOY, ".widget-toggle-button")
    run.click()
    page.wait_for_function(f"old => {STEP} > old + 20", arg=before)
    assert page.evaluate(PLACES) != places
    within(page, TOY, ".widget-dropdown", "loss").query_selector("select").select_option("arcface")
    # Greyed out until the loss reads it.
    slider = within(page, TOY, ".widget-slider", "margin (radians)").query_selector(".noUi-target")
    page.wait_for_function("slider => !slider.hasAttribute('disabled')", arg=slider)
    move(page, TOY, "margin (radians)", "ArrowRight", 6)
    step = page.evaluate(STEP)
    page.wait_for_function(f"old => {STEP} > old + 60", arg=step)
    page.screenshot(path=str(artefacts / f"margins-{where}-running.png"))
    run.click()
    page.wait_for_function("button => button.innerText.trim() === 'run'", arg=run)
    paused = settled(page)
    assert paused > step
    within(page, TOY, ".widget-button:not(.widget-toggle-button)", "step").click()
    page.wait_for_function(f"want => {STEP} === want", arg=paused + 1)
    within(page, TOY, ".widget-button:not(.widget-toggle-button)", "reset").click()
    page.wait_for_function(f"() => {STEP} === 0")
    page.screenshot(path=str(artefacts / f"margins-{where}-reset.png"))


def settled(page: Any) -> int:
    """The step at which the toy stands still: a slow browser still draws frames sent before the pause."""
    deadline = time.monotonic() + rig.PATIENCE_SECONDS
    step = page.evaluate(STEP)
    while time.monotonic() < deadline:
        page.wait_for_timeout(2000)
        before, step = step, page.evaluate(STEP)
        if step == before:
            return int(step)
    pytest.fail(f"the toy still moves {rig.PATIENCE_SECONDS} seconds after the pause")


def test_the_lab_in_jupyterlab(page: Any, tmp_path: Path, artefacts: Path) -> None:
    lab = rig.Lab(tmp_path / "lab")
    name = copy_lab(lab.work)
    with rig.running(lab):
        page.goto(lab.url(f"lab/tree/{name}?reset"))
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        lab.wait_for_kernel()
        idle = "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
        page.wait_for_function(idle)
        page.get_by_role("menuitem", name="Run", exact=True).first.click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_function(f"() => {TOY} !== undefined")
        page.wait_for_function(rig.ALL_CELLS_DONE)
        use_the_explorers(page, artefacts, "lab")


@contextlib.contextmanager
def voila(folder: Path, name: str) -> Iterator[str]:
    """Serve a notebook as `make app` does, on a free port; yield its address."""
    makefile = (notebooks_folder().parent / "Makefile").read_text(encoding="utf-8")
    (line,) = [line for line in makefile.splitlines() if "-m voila" in line]
    options = line.split("-m voila", 1)[1].split()
    assert "--Voila.ip=127.0.0.1" in options and options[0] == "notebooks/labs/margin_losses.ipynb"
    port = rig.Lab(folder / "unused").port
    command = [sys.executable, "-m", "voila", name, *options[1:], f"--port={port}", "--no-browser"]
    private = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "HYPERFACE_RUNS": str(folder / "runs")}
    with (folder / "voila.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, **private}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + rig.PATIENCE_SECONDS
            while server.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js").close()
                    break
                time.sleep(0.25)
            assert server.poll() is None, (folder / "voila.log").read_text()[-2000:]
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(20)


# plotly's static figures offer Voila a picture of themselves to store, and Voila's outputs have nowhere to put it.
HARMLESS = "r.setData is not a function"


@pytest.fixture
def voila_page(chromium: str, artefacts: Path) -> Iterator[Any]:
    """A page of a browser that must not throw, but for the one error of every Voila page with a static figure."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright is installed: pip install playwright")
    errors: list[str] = []
    with playwright.sync_playwright() as play:
        options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = play.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * rig.PATIENCE_SECONDS)
        page.on("pageerror", lambda problem: errors.append(str(problem)))
        yield page
        page.screenshot(path=str(artefacts / "voila-last.png"))
        browser.close()
    assert [error for error in errors if HARMLESS not in error] == []


def test_the_lab_served_by_voila(voila_page: Any, tmp_path: Path, artefacts: Path) -> None:
    pytest.importorskip("voila", reason="no voila is installed: make install")
    with voila(tmp_path, copy_lab(tmp_path)) as address:
        voila_page.goto(address, wait_until="commit")
        voila_page.wait_for_function(f"() => {CURVES} !== undefined && {TOY} !== undefined")
        use_the_explorers(voila_page, artefacts, "voila")
