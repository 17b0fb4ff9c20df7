"""The pipeline on two tiny notebooks: order, resume, and what is said when something is wrong."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import yaml
from nbformat.v4 import new_markdown_cell, new_notebook

from hyperface_lib import pipeline
from hyperface_lib.assets import notebooks_folder
from hyperface_lib.pipeline import execute, html, keys, run

FIRST = [
    'n = 3\nrun = "ci"\ntitle = "a"\nnames = ["x", "y"]',
    'import os\nfrom pathlib import Path\nfolder = Path(os.environ["HYPERFACE_RUNS"]) / run',
    '(folder / "first.txt").write_text(str(n))\nprint(Path.cwd().name)',
]
SECOND = [
    'k = 2\nrun = "ci"\nrate = 0.5\ngallery = "rendered"',
    "# reads what the first wrote\nimport os\nfrom pathlib import Path",
    'total = k + int((Path(os.environ["HYPERFACE_RUNS"]) / run / "first.txt").read_text())\nprint(total)',
    '# the thirteenth\nif k == 13:\n    raise ValueError("unlucky")\nif k == 14:\n    os._exit(1)',
    "from IPython.display import display\n"
    'display({"application/vnd.plotly.v1+json": {"data": [{"y": [1, 2]}], "layout": {}}}, raw=True)',
]


def write_notebook(path: Path, cells: list[str]) -> None:
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_markdown_cell("# title"), *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    notebook.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, path)


def write_profile(data: Path, name: str, **values: Any) -> None:
    (data / "profiles").mkdir(parents=True, exist_ok=True)
    (data / "profiles" / f"{name}.yaml").write_text(yaml.safe_dump({"description": "tiny", **values}))


def build_world(root: Path) -> None:
    (root / "notebooks").mkdir(parents=True)
    write_notebook(root / "notebooks" / "01_first.ipynb", FIRST)
    write_notebook(root / "notebooks" / "02_second.ipynb", SECOND)
    write_profile(root / "data", "ci", notebooks={"01_first": {"n": 5}}, shared={"rate": 0.25})


def enter(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for name in ("notebooks", "data", "runs"):
        monkeypatch.setenv(f"HYPERFACE_{name.upper()}", str(root / name))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which the two notebooks have been run once, from a folder that is not theirs."""
    root = tmp_path_factory.mktemp("finished")
    build_world(root)
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, root)
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        result = pipeline.execute_plan(pipeline.plan_run("ci"))
    assert statuses(result) == ["done", "done"]
    return root


@pytest.fixture
def world(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "world"
    shutil.copytree(finished, root)
    enter(monkeypatch, root)
    return root


def statuses(result: pipeline.PipelineResult) -> list[str]:
    return [step.status for step in result.steps]


def outputs(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


class TestRunning:
    def test_parameters_of_the_profile_reach_the_notebooks_and_results_the_next(self, world: Path) -> None:
        assert (world / "runs/ci/first.txt").read_text() == "5"
        assert "7" in outputs(world / "runs/ci/notebooks/02_second.ipynb")
        assert "notebooks" in outputs(world / "runs/ci/notebooks/01_first.ipynb"), (
            "the working folder is the notebooks'"
        )

    def test_finished_steps_are_kept(self, world: Path) -> None:
        assert statuses(pipeline.execute_plan(pipeline.plan_run("ci"))) == ["kept", "kept"]

    def test_a_changed_parameter_runs_its_notebook_and_those_after(self, world: Path) -> None:
        assert statuses(pipeline.execute_plan(pipeline.plan_run("ci", parameters={"k": 3}))) == ["kept", "done"]
        assert "8" in outputs(world / "runs/ci/notebooks/02_second.ipynb")

    def test_a_removed_result_is_made_again(self, world: Path) -> None:
        (world / "runs/ci/first.txt").unlink()
        assert statuses(pipeline.execute_plan(pipeline.plan_run("ci", last="1"))) == ["done"]
        assert (world / "runs/ci/first.txt").read_text() == "5"

    def test_the_failing_cell_is_named_and_its_notebook_kept(self, world: Path) -> None:
        result = pipeline.execute_plan(pipeline.plan_run("ci", parameters={"k": 13}))
        assert statuses(result) == ["kept", "failed"]
        assert result.failed is not None
        failure = result.failed.failure
        assert failure == pipeline.Failure(5, "if k == 13:", "ValueError: unlucky")
        assert str(failure) == "cell 5 ('if k == 13:'): ValueError: unlucky"
        assert "18" in outputs(result.failed.executed), "what ran before the failure is kept"
        assert result.failed.html is not None
        assert "unlucky" in result.failed.html.read_text()

    def test_a_dead_kernel_is_a_failure_in_words(self, world: Path) -> None:
        result = pipeline.execute_plan(pipeline.plan_run("ci", first="2", parameters={"k": 14}))
        assert result.failed is not None
        assert "kernel died" in str(result.failed.failure)

    def test_an_interrupted_run_goes_on_where_it_stopped(self, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(step: pipeline.Step, executed: Path) -> None:
            executed.write_text("half a notebook")
            raise KeyboardInterrupt

        plan = pipeline.plan_run("ci", parameters={"k": 4})
        with monkeypatch.context() as patch:
            patch.setattr(execute, "_papermill", interrupted)
            with pytest.raises(KeyboardInterrupt):
                pipeline.execute_plan(plan)
        assert statuses(pipeline.execute_plan(plan)) == ["kept", "done"]

    def test_two_processes_cannot_share_a_run_folder(self, world: Path) -> None:
        from filelock import FileLock

        with FileLock(world / "runs/ci/.lock"), pytest.raises(RuntimeError, match="another process"):
            pipeline.execute_plan(pipeline.plan_run("ci"))

    def test_a_run_may_start_in_the_middle(self, world: Path) -> None:
        assert statuses(pipeline.execute_plan(pipeline.plan_run("ci", first="02"))) == ["kept"]

    def test_an_embedder_that_the_generator_does_not_take_is_refused_first(
        self, world: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hyperface_lib import embedding, synthesis

        (world / "notebooks/02_second.ipynb").rename(world / "notebooks/03_second.ipynb")
        asked = SimpleNamespace(name="dlib", fingerprint="d")
        takes = SimpleNamespace(embedder_name="reference", embedder_fingerprint="r")
        monkeypatch.setattr(embedding, "load_embedder", lambda spec: asked)
        monkeypatch.setattr(synthesis, "load_generator", lambda spec: takes)
        plan = pipeline.plan_run("ci")
        step = pipeline.Step(plan.steps[0].notebook, {"embedder": "dlib"})
        with pytest.raises(ValueError, match=r"of embedder 'reference' \(fingerprint r\), not of 'dlib'.*--to 02"):
            pipeline.execute_plan(replace(plan, steps=(step, plan.steps[1])))
        pipeline.refuse_unconditioned(replace(plan, steps=(step,)))


class TestKeys:
    def key(self, **parameters: Any) -> str:
        return keys.step_key(pipeline.plan_run("ci", last="1", parameters=parameters).steps[0], "up")

    def test_prose_and_outputs_have_no_part(self, world: Path) -> None:
        before = self.key()
        path = world / "notebooks/01_first.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[0].source = "# another title"
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="said")]
        nbformat.write(notebook, path)
        assert self.key() == before
        notebook.cells[-1].source += "\n"
        nbformat.write(notebook, path)
        assert self.key() != before

    def test_parameters_upstream_and_shipped_nets_have(self, world: Path) -> None:
        step = pipeline.plan_run("ci", last="1").steps[0]
        found = {self.key(), self.key(n=6), self.key(title="b"), keys.step_key(step, "other")}
        (world / "data/recognisers").mkdir()
        (world / "data/recognisers/reference.safetensors").write_bytes(b"weights")
        assert len(found | {self.key()}) == 5

    def test_an_input_folder_has(self, world: Path, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        plan = pipeline.plan_run("ci", parameters={"gallery": f"folder:{tmp_path / 'in'}"})
        before = keys.step_key(plan.steps[1], "up")
        (tmp_path / "in" / "a.jpg").write_bytes(b"1")
        assert keys.step_key(plan.steps[1], "up") != before


class TestPlanning:
    def given(self, **arguments: Any) -> list[dict[str, Any]]:
        return [dict(step.parameters) for step in pipeline.plan_run("ci", **arguments).steps]

    def test_parameters_go_where_they_are_known(self, world: Path) -> None:
        assert self.given(run="mine", parameters={"n": 9, "k": 1}) == [
            {"run": "mine", "n": 9},
            {"run": "mine", "rate": 0.25, "k": 1},
        ]
        assert self.given(run=str(world / "deep" / "run"))[0]["run"] == str(world / "deep" / "run")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"parameters": {"m": 1}}, "'m' is known to none of 01_first, 02_second; they know gallery, k, n"),
            ({"parameters": {"k": 1}, "last": "01"}, "'k' is known to none of 01_first"),
            ({"parameters": {"n": "many"}}, r"'n' expects a value like 3 \(int\), found 'many' \(str\)"),
            ({"parameters": {"n": 2.5}}, r"found 2\.5 \(float\)"),
            ({"parameters": {"n": True}}, r"found True \(bool\)"),
            ({"parameters": {"names": "x"}}, "'names' expects"),
            ({"first": "07"}, "expected one of 01_first, 02_second, found '07'"),
            ({"first": "2", "last": "1"}, "before the last"),
            ({"run": "a b"}, "run name"),
        ],
    )
    def test_what_no_notebook_knows_is_refused(self, world: Path, arguments: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            self.given(**arguments)

    def test_a_whole_number_will_do_for_a_fraction_and_a_tuple_for_a_list(self, world: Path) -> None:
        assert self.given(parameters={"rate": 1, "names": ("a",)})[1]["rate"] == 1

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"notebooks": {"02_sekond": {}}}, "'02_sekond' does not exist; found 01_first, 02_second"),
            ({"notebooks": {"01_first": {"k": 1}}}, "01_first has no parameter 'k'; it has n, run, title, names"),
            ({"shared": {"z": 1}}, "shared parameter 'z'"),
            ({"surprise": 1}, r"keys .*found \['surprise'\]"),
            ({"notebooks": [1]}, "to be a mapping"),
            ({"requires": [{"path": "x"}]}, "path, what and source"),
        ],
    )
    def test_a_wrong_profile_is_refused(self, world: Path, values: dict[str, Any], words: str) -> None:
        write_profile(world / "data", "ci", **values)
        with pytest.raises(ValueError, match=words):
            pipeline.plan_run("ci")

    def test_an_unknown_or_unreadable_profile_is_refused(self, world: Path) -> None:
        with pytest.raises(ValueError, match="expected one of ci, found 'huge'"):
            pipeline.plan_run("huge")
        (world / "data/profiles/bad.yaml").write_text("a: [")
        with pytest.raises(ValueError, match=r"bad\.yaml: expected YAML"):
            pipeline.plan_run("bad")
        (world / "data/profiles/bad.yaml").write_text("!!python/object/apply:os.getcwd []")
        with pytest.raises(ValueError, match=r"bad\.yaml: expected YAML"):
            pipeline.plan_run("bad")

    def test_a_file_that_is_no_notebook_is_named(self, world: Path) -> None:
        (world / "notebooks/03_third.ipynb").write_text("{")
        with pytest.raises(ValueError, match=r"03_third\.ipynb: expected a notebook"):
            pipeline.plan_run("ci")

    def test_requirements_are_checked_before_anything_runs(self, world: Path) -> None:
        needed = [{"path": "{data}/external/net.onnx", "what": "a recogniser", "source": "its makers"}]
        write_profile(world / "data", "paper", requires=needed)
        plan = pipeline.plan_run("paper")
        with pytest.raises(FileNotFoundError, match=r"a recogniser at .*net\.onnx.*--dry-run"):
            pipeline.execute_plan(plan)
        (world / "data/external").mkdir()
        assert plan.profile.missing(), "an empty folder is not the file"
        (world / "data/external/net.onnx").write_bytes(b"stand-in")
        assert not plan.profile.missing()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n=500", ("n", 500)),
        ("rate=1e-3", ("rate", 0.001)),
        ("on=true", ("on", True)),
        ("on=False", ("on", False)),
        ("x=None", ("x", None)),
        ("name=packed", ("name", "packed")),
        ("name=no", ("name", "no")),
        ("name=", ("name", "")),
        ("path=a=b", ("path", "a=b")),
        ("names=[a, b]", ("names", ["a", "b"])),
    ],
)
def test_parameters_of_the_command_line(text: str, expected: tuple[str, Any]) -> None:
    assert pipeline.parse_parameter(text) == expected


@pytest.mark.parametrize("text", ["n", "=3", "two words=3", "n=[1,"])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        pipeline.parse_parameter(text)


def test_the_html_copy_needs_no_network_for_its_figures(finished: Path) -> None:
    folder = finished / "runs/ci/notebooks"
    text = (folder / "02_second.html").read_text()
    assert 'src="plotly.min.js"' in text
    assert "Plotly.newPlot" in text
    assert "require.min.js" not in text
    assert (folder / "plotly.min.js").stat().st_size > 1_000_000
    assert not (finished / "runs/ci/notebooks/01_first.html").read_text().count("Plotly.newPlot")


def test_formulas_of_the_html_copy_need_no_network(tmp_path: Path) -> None:
    text = "Angles $\\theta_y$ and code `$HOME` and `$x$`.\n\n$$ L = -\\log \\frac{a}{b} \\tag{L3} $$"
    nbformat.write(new_notebook(cells=[new_markdown_cell(text)]), tmp_path / "a.ipynb")
    written = html.write_html(tmp_path / "a.ipynb").read_text()
    assert written.count("<math") == 2 and "<mfrac>" in written and "(L3)" in written and "\\tag" not in written
    assert "<code>$HOME</code>" in written and "<code>$x$</code>" in written
    assert not re.findall(r'(?:src|href)="https?:', written)
    assert "x-mathjax-config" not in written


def test_a_formula_that_cannot_be_converted_stays() -> None:
    assert html.with_mathml("see $a^b^c$ there") == "see $a^b^c$ there"


def test_every_formula_of_the_notebooks_can_be_converted() -> None:
    for file in notebooks_folder().glob("[0-9]*.ipynb"):
        for cell in nbformat.read(file, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert "$" not in re.sub(r"`[^`]*`", "", html.with_mathml(cell.source)), (file.name, cell.source)


def test_a_widget_leaves_a_note_in_the_html_copy(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("explorer.ui")])
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "VBox()"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert "make lab" in html.write_html(tmp_path / "a.ipynb").read_text()


def test_a_progress_bar_leaves_nothing_in_the_html_copy(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("embed(images, progress=True)")])
    text = "embedding:   0%|          | 0/838 [00:00<?, ?photo/s]"
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": text}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    written = html.write_html(tmp_path / "a.ipynb").read_text()
    assert "make lab" not in written and "photo/s" not in written


def test_reports_name_every_step(world: Path) -> None:
    plan = pipeline.plan_run("ci")
    result = run.PipelineResult(plan, (execute.StepResult("01_first", "failed", 1.0, world / "x", None),), 1.0)
    table = pipeline.summary_table(result)
    assert list(table.columns[0].cells) == ["01_first", "02_second", "all"]
    assert list(table.columns[1].cells)[1] == "not reached"
    assert json.dumps(result.rows())
    assert pipeline.plan_table(plan).row_count == 2


def test_the_executed_notebook_records_what_it_wrote(finished: Path) -> None:
    notebook = nbformat.read(finished / "runs/ci/notebooks/01_first.ipynb", as_version=4)
    assert notebook.metadata["hyperface"]["written"] == {"first.txt": 1}
