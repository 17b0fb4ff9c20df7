"""JupyterLab in a real browser: notebook 02 runs, its explorer answers to the mouse and the keyboard."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hyperface_lib.assets import data_folder, notebooks_folder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOKEN = "local-test"
# Generous: on a busy machine everything here is slow, and nothing here is about speed.
PATIENCE_SECONDS = 300
MAX_STEPS = 100_000
INSTALL = "apt-get install -y chromium"
# The live plot stands below its controls; the stored picture of it in the next cell is another plot.
LIVE = "document.querySelector('.widget-vbox .js-plotly-plot')"
STATE = f"""() => {{
    const plot = {LIVE};
    return {{points: plot.data[3].x.length, curve: plot.data[4].x.length,
            places: Array.from(plot.data[3].x).slice(0, 5),
            readout: document.querySelector('.widget-html-content b').parentElement.innerText}};
}}"""
EXPLORER_SHOWN = f"() => {LIVE}?.data?.length === 6 && {LIVE}.querySelector('.main-svg') !== null"
ALL_CELLS_DONE = """() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'
    && ![...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(one => one.innerText.includes('*'))"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = f"no chromium is installed: {INSTALL}"
        if os.environ.get("CI") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where screenshots go: $HYPERFACE_ARTEFACTS, else this test's own folder."""
    folder = Path(os.environ.get("HYPERFACE_ARTEFACTS", tmp_path / "artefacts"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Lab:
    """A JupyterLab server of its own, on a copy of notebook 02, because Lab saves what it has open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        notebook = nbformat.read(notebooks_folder() / "02_packing.ipynb", as_version=4)
        parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        explorer = next(cell for cell in notebook.cells if "PackingExplorer(" in cell.source)
        explorer.source = explorer.source.replace("seed=seed)", f"seed=seed, max_steps={MAX_STEPS})")
        parameters.source += "\nn, max_steps = 40, 60"  # the packings before the explorer are not what is tested
        nbformat.write(notebook, self.work / "02_packing.ipynb")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}{'&' if '?' in path else '?'}token={TOKEN}"

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={self.port}", "--port-retries=0", f"--ServerApp.root_dir={self.work}"),
            f"--IdentityProvider.token={TOKEN}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            *("--LabApp.news_url=", "--ServerApp.terminals_enabled=False"),
        ]

    def start(self) -> subprocess.Popen[bytes]:
        private = {
            name: str(self.folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "HYPERFACE_RUNS")
        }
        log = (self.folder / "server.log").open("wb")
        server = subprocess.Popen(self.command(), env={**os.environ, **private}, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(4 * PATIENCE_SECONDS):
            try:
                urllib.request.urlopen(self.url("api")).close()
                return server
            except OSError:
                time.sleep(0.25)
        server.terminate()
        pytest.fail(f"JupyterLab did not start: {(self.folder / 'server.log').read_text()[-2000:]}")

    def kernels(self) -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(self.url("api/kernels")) as answer:
                return json.load(answer)
        except OSError:  # the server may refuse while a kernel starts
            return []

    def wait_for_kernel(self) -> None:
        """Ask the server, because the page says "idle" before its kernel is there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            kernels = self.kernels()
            if kernels and kernels[0]["connections"] >= 1 and kernels[0]["execution_state"] == "idle":
                return
            time.sleep(0.25)
        pytest.fail(f"the kernel was not ready after {PATIENCE_SECONDS} seconds")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if not (data_folder() / "runs" / "reference").is_dir():
        pytest.skip("the reference run is missing: make models")
    lab = Lab(tmp_path / "lab")
    server = lab.start()
    try:
        yield lab
    finally:
        server.terminate()
        server.wait(20)


def test_the_explorer_of_notebook_02_is_alive(chromium: str, lab: Lab, artefacts: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright is installed: pip install playwright")
    errors: list[str] = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.on("pageerror", lambda problem: errors.append(str(problem)))
        try:
            run_all_cells(page, lab)
            use_the_explorer(page, artefacts)
        except Exception:
            page.screenshot(path=str(artefacts / "failed.png"))
            raise
        finally:
            browser.close()
    assert errors == []


def run_all_cells(page: Any, lab: Lab) -> None:
    page.goto(lab.url("lab/tree/02_packing.ipynb?reset"))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.wait_for_kernel()
    page.wait_for_function("() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
    page.get_by_role("menuitem", name="Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(EXPLORER_SHOWN)
    page.wait_for_function(ALL_CELLS_DONE)


def settled(page: Any) -> dict[str, Any]:
    """Wait until the plot stands still: a slow browser still draws frames sent before the pause."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    state = page.evaluate(STATE)
    while time.monotonic() < deadline:
        page.wait_for_timeout(2000)
        before, state = state, page.evaluate(STATE)
        if state == before:
            return state
    pytest.fail(f"the plot still moves {PATIENCE_SECONDS} seconds after the pause")


def use_the_explorer(page: Any, artefacts: Path) -> None:
    readout = page.locator(".widget-html-content b").first
    readout.scroll_into_view_if_needed()
    page.screenshot(path=str(artefacts / "explorer-ready.png"))
    before = page.evaluate(STATE)
    run = page.locator(".widget-toggle-button")
    run.click()
    page.wait_for_function(
        "old => document.querySelector('.widget-html-content b').innerText !== old", arg=readout.inner_text()
    )
    page.wait_for_timeout(1500)
    running = page.evaluate(STATE)
    assert running["places"] != before["places"] and running["curve"] > before["curve"]

    slider = page.locator(".widget-slider", has_text="points n").locator(".noUi-handle")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"want => ({STATE})().points === want", arg=before["points"] + 5 * 4)
    page.wait_for_function(f"() => ({STATE})().curve > 20")
    page.screenshot(path=str(artefacts / "explorer-running.png"))

    run.click()
    page.wait_for_function("() => document.querySelector('.widget-toggle-button').innerText.trim() === 'run'")
    paused = settled(page)
    assert f"step {MAX_STEPS - 1}:" not in paused["readout"], "the run ended by itself before it was paused"

    page.locator("button", has_text="reset").click()
    page.wait_for_function("() => /^step 0$/.test(document.querySelector('.widget-html-content b').innerText)")
    after = page.evaluate(STATE)
    assert after["curve"] == 1 and after["places"] != paused["places"]
    assert re.search(r"smallest angle [\d.]+°, bound [\d.]+°", after["readout"])
    page.screenshot(path=str(artefacts / "explorer-reset.png"))
