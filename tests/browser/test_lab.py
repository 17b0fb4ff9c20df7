"""JupyterLab in a real browser: notebooks run, their explorers answer to the mouse and the keyboard."""

import contextlib
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
from hyperface_lib.plots.explorer.picture import (
    BALL,
    BOUND,
    CONTACTS,
    GALLERY,
    NEAREST,
    NET,
    POINTS,
    POINTS_BEHIND,
    PROGRESS,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOKEN = "local-test"
# Generous: on a busy machine everything here is slow, and nothing here is about speed.
PATIENCE_SECONDS = 300
MAX_STEPS = 100_000
INSTALL = "apt-get install -y chromium"
# The live plot stands below its controls; the stored picture of it in the next cell is another plot.
LIVE = "document.querySelector('.widget-vbox .js-plotly-plot')"
# Every point, and whether it is drawn pale, as one behind: NaN stands in the one trace for those of the other.
POINTS_SHOWN = f"""() => {{
    const plot = {LIVE}, front = plot.data[{POINTS}], behind = plot.data[{POINTS_BEHIND}];
    const pale = Array.from(front.x).map(Number.isNaN), eye = plot._fullLayout.scene._scene.getCamera().eye;
    const merge = axis => pale.map((one, i) => (one ? behind : front)[axis][i]);
    return {{x: merge('x'), y: merge('y'), z: merge('z'), pale: pale, eye: eye}};
}}"""
STATE = f"""() => {{
    const plot = {LIVE}, steps = plot.data[{PROGRESS}].x;
    return {{points: plot.data[{POINTS}].x.length, curve: steps.length, step: steps[steps.length - 1],
            angles: Object.fromEntries(Array.from(steps).map((step, index) => [step, plot.data[{PROGRESS}].y[index]])),
            bound: plot.data[{BOUND}].y[0],
            counted: Array.from(plot.data[{NEAREST}].y).reduce((sum, count) => sum + count, 0),
            ball: plot.data[{BALL}].visible, net: plot.data[{NET}].visible,
            gallery: plot.data[{GALLERY}].x.length, contacts: plot.data[{CONTACTS}].x.length,
            places: ({POINTS_SHOWN})().x.slice(0, 5),
            readout: document.querySelector('.widget-html-content b').parentElement.innerText}};
}}"""
EXPLORER_SHOWN = f"() => {LIVE}?.data?.length === 13 && {LIVE}.querySelector('.main-svg') !== null"
# How many different frames a second are seen in so many seconds: one that waits to be drawn holds the next look up.
FRAMES = f"""seconds => new Promise(done => {{
    const seen = new Set(), started = performance.now();
    const look = () => {{
        seen.add(({STATE})().step);
        const passed = (performance.now() - started) / 1000;
        if (passed < seconds) requestAnimationFrame(look); else done((seen.size - 1) / passed);
    }};
    look();
}})"""
TEMPERATURE = """[...document.querySelectorAll('.widget-slider')]
    .find(one => one.innerText.includes('temperature')).querySelector('.noUi-target')"""
ALL_CELLS_DONE = """() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'
    && ![...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(one => one.innerText.includes('*'))"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where the browser is; skips where there is none, but not in continuous integration."""
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
    """A JupyterLab server of its own, for copies of notebooks, because Lab saves what it has open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def copy(self, name: str, parameters: str) -> None:
        notebook = nbformat.read(notebooks_folder() / name, as_version=4)
        marked = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        explorer = next(cell for cell in notebook.cells if "PackingExplorer(" in cell.source)
        explorer.source = explorer.source.replace("seed=seed)", f"seed=seed, max_steps={MAX_STEPS})")
        marked.source += f"\n{parameters}"
        nbformat.write(notebook, self.work / Path(name).name)

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

    def end_kernels(self) -> None:
        for kernel in self.kernels():
            ending = urllib.request.Request(self.url(f"api/kernels/{kernel['id']}"), method="DELETE")
            urllib.request.urlopen(ending).close()

    def wait_for_kernel(self) -> None:
        """Ask the server, because the page says "idle" before its kernel is there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            kernels = self.kernels()
            if kernels and kernels[0]["connections"] >= 1 and kernels[0]["execution_state"] == "idle":
                return
            time.sleep(0.25)
        pytest.fail(f"the kernel was not ready after {PATIENCE_SECONDS} seconds")


@contextlib.contextmanager
def running(lab: Lab) -> Iterator[Lab]:
    """Keep its server running while it is used."""
    server = lab.start()
    try:
        yield lab
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if not (data_folder() / "runs" / "reference").is_dir():
        pytest.skip("the reference run is missing: make models")
    lab = Lab(tmp_path_factory.mktemp("lab"))
    # What comes before the explorer is not what is tested.
    lab.copy("02_packing.ipynb", "n, max_steps = 40, 60")
    lab.copy("labs/packing_geometry.ipynb", "starts, steps, n_gallery_packing = 2, 5, 20")
    with running(lab):
        yield lab


@pytest.fixture
def page(chromium: str, artefacts: Path) -> Iterator[Any]:
    """A page of a browser that must not throw; what it shows at the end is kept as a picture."""
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
        yield page
        page.screenshot(path=str(artefacts / "last.png"))
        browser.close()
    assert errors == []


def test_the_explorer_of_notebook_02_is_alive(page: Any, lab: Lab, artefacts: Path) -> None:
    run_all_cells(page, lab, "02_packing.ipynb")
    use_the_explorer(page, artefacts)


def test_the_explorer_of_the_lab_follows_every_control_while_it_runs(page: Any, lab: Lab, artefacts: Path) -> None:
    run_all_cells(page, lab, "packing_geometry.ipynb")
    page.locator(".widget-html-content b").first.scroll_into_view_if_needed()
    before = page.evaluate(STATE)
    assert before["counted"] == before["points"] == 24 and before["gallery"] > 0 and before["contacts"] > 0
    page.locator(".widget-toggle-button").click()
    page.wait_for_function(f"old => ({STATE})().step > old", arg=before["step"] + 20)
    turn_the_sphere(page)

    angles = page.evaluate(STATE)["angles"]
    for name, greyed in (("closest-pair", True), ("hinge", False)):
        step = page.evaluate(STATE)["step"]
        choice(page, "objective").select_option(name)
        page.wait_for_function(f"old => ({STATE})().step > old", arg=step + 20)
        page.wait_for_function(f"want => {TEMPERATURE}.hasAttribute('disabled') === want", arg=greyed)
    after = page.evaluate(STATE)
    common = angles.keys() & after["angles"].keys()
    assert "0" in common and len(common) > 5
    assert all(angles[step] == after["angles"][step] for step in common), "the history did not go on"

    press(page, "dimension d", "ArrowRight", 9)
    page.wait_for_function(f"old => ({STATE})().bound > old + 10 && ({STATE})().step > 20", arg=before["bound"])
    after = page.evaluate(STATE)
    assert after["contacts"] == 0, "contacts are drawn on the sphere only"
    assert not after["ball"] and not after["net"] and not any(page.evaluate(POINTS_SHOWN)["pale"])

    before = page.evaluate(STATE)
    near = closeness(before["readout"])
    press(page, "alpha", "ArrowRight", 30)
    page.wait_for_function(
        "least => parseFloat(/gallery point ([\\d.]+)/.exec("
        "document.querySelector('.widget-html-content b').parentElement.innerText)[1]) > least",
        arg=near + 0.02,
    )
    assert page.evaluate(STATE)["step"] > before["step"]
    page.screenshot(path=str(artefacts / "lab-running.png"))

    print(f"\nexplorer in the browser, n = 24, d = 12, gallery of 500: {page.evaluate(FRAMES, 3):.1f} frames a second")

    pause(page)
    paused = settled(page)
    page.locator(".widget-button", has_text="step").click()
    page.wait_for_function(f"want => ({STATE})().step === want", arg=paused["step"] + 1)
    page.locator(".widget-button", has_text="reset").click()
    page.wait_for_function(f"() => ({STATE})().step === 0")
    assert page.evaluate(STATE)["counted"] == 24
    page.screenshot(path=str(artefacts / "lab-reset.png"))


def choice(page: Any, name: str) -> Any:
    return page.locator(".widget-dropdown", has_text=name).locator("select")


def press(page: Any, name: str, key: str, times: int) -> None:
    page.locator(".widget-slider", has_text=name).locator(".noUi-handle").focus()
    for _ in range(times):
        page.keyboard.press(key)


def pause(page: Any) -> None:
    page.locator(".widget-toggle-button").click()
    page.wait_for_function("() => document.querySelector('.widget-toggle-button').innerText.trim() === 'run'")


def turn_the_sphere(page: Any) -> None:
    """Drag the sphere round while it runs: the points wait, the view stays turned, and pale is what is behind then."""
    before = page.evaluate(POINTS_SHOWN)["eye"]
    plot = page.locator(".widget-vbox .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    x, y = box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    for moved in range(10, 160, 10):
        page.mouse.move(x + moved, y)
        page.wait_for_timeout(50)
    held = settled(page)["step"]  # frames would put the view back while it is turned
    page.mouse.up()
    page.wait_for_function(f"old => ({STATE})().step > old + 20", arg=held)
    # The first frames may still be split by the old view.
    page.wait_for_function(
        f"""old => {{
            const {{x, y, z, pale, eye}} = ({POINTS_SHOWN})();
            const towards = i => x[i] * eye.x + y[i] * eye.y + z[i] * eye.z;
            return Math.hypot(eye.x - old.x, eye.y - old.y, eye.z - old.z) > 0.3
                && pale.includes(true) && pale.every((one, i) => one === (towards(i) <= {0.5 / 1.05}));
        }}""",
        arg=before,
    )


def closeness(readout: str) -> float:
    found = re.search(r"gallery point ([\d.]+)", readout)
    assert found is not None, readout
    return float(found[1])


def run_all_cells(page: Any, lab: Lab, name: str) -> None:
    lab.end_kernels()
    page.goto(lab.url(f"lab/tree/{name}?reset"))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.wait_for_kernel()
    page.wait_for_function("() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
    page.get_by_role("menuitem", name="Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(EXPLORER_SHOWN)
    page.wait_for_function(ALL_CELLS_DONE)


def settled(page: Any) -> dict[str, Any]:
    """Wait until the plot stands still: a slow browser still draws frames sent before a pause."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    state = page.evaluate(STATE)
    while time.monotonic() < deadline:
        page.wait_for_timeout(2000)
        before, state = state, page.evaluate(STATE)
        if state == before:
            return state
    pytest.fail(f"the plot still moves after {PATIENCE_SECONDS} seconds")


def use_the_explorer(page: Any, artefacts: Path) -> None:
    readout = page.locator(".widget-html-content b").first
    readout.scroll_into_view_if_needed()
    page.screenshot(path=str(artefacts / "explorer-ready.png"))
    before = page.evaluate(STATE)
    assert before["ball"] and before["net"]
    run = page.locator(".widget-toggle-button")
    run.click()
    page.wait_for_function(
        "old => document.querySelector('.widget-html-content b').innerText !== old", arg=readout.inner_text()
    )
    page.wait_for_timeout(1500)
    running = page.evaluate(STATE)
    assert running["places"] != before["places"] and running["curve"] > before["curve"]
    assert running["net"] and not running["ball"], "the ball is too slow for moving points"

    press(page, "points n", "ArrowRight", 5)
    page.wait_for_function(f"want => ({STATE})().points === want", arg=before["points"] + 5)
    page.wait_for_function(f"() => ({STATE})().curve > 20")
    page.screenshot(path=str(artefacts / "explorer-running.png"))

    pause(page)
    paused = settled(page)
    assert paused["ball"] and not any(page.evaluate(POINTS_SHOWN)["pale"])
    page.screenshot(path=str(artefacts / "explorer-paused.png"))
    assert f"step {MAX_STEPS - 1}:" not in paused["readout"], "the run ended by itself before it was paused"

    page.locator(".widget-button", has_text="reset").click()
    page.wait_for_function("() => /^step 0$/.test(document.querySelector('.widget-html-content b').innerText)")
    after = page.evaluate(STATE)
    assert after["curve"] == 1 and after["places"] != paused["places"]
    assert re.search(r"smallest angle [\d.]+°, bound [\d.]+°", after["readout"])
    page.screenshot(path=str(artefacts / "explorer-reset.png"))
