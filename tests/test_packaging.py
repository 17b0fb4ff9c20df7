"""The repository's own files agree with each other and say nothing of the machine they were made on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from hyperface_lib import __version__
from hyperface_lib.assets import notebooks_folder
from hyperface_lib.build.environment import environment_text
from hyperface_lib.pipeline import plan_run

PROFILES = ("ci", "laptop", "long", "paper")


@pytest.fixture
def project(checkout: Path) -> dict:
    return tomllib.loads((checkout / "pyproject.toml").read_text())["project"]


def declared(project: dict) -> dict[str, Requirement]:
    lines = project["dependencies"] + [line for lines in project["optional-dependencies"].values() for line in lines]
    return {Requirement(line).name: Requirement(line) for line in lines}


def locked(checkout: Path) -> list[Requirement]:
    lines = (checkout / "requirements.lock").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_environment_yml_is_what_pyproject_says(checkout: Path) -> None:
    expected = environment_text((checkout / "pyproject.toml").read_text())
    assert (checkout / "environment.yml").read_text() == expected, "pyproject.toml has changed: run `make environment`"


def test_a_new_dependency_reaches_environment_yml(checkout: Path) -> None:
    text = (checkout / "pyproject.toml").read_text()
    changed = environment_text(text.replace('"torch>=', '"new-thing>=3",\n    "torch>='))
    assert "new-thing>=3" in yaml.safe_load(changed)["dependencies"]
    assert yaml.safe_load(changed)["dependencies"][-1] == {"pip": ["-e .[notebooks,photos,formats,dev]"]}


def test_the_lock_pins_every_declared_dependency(project: dict, checkout: Path) -> None:
    pins = {one.name: one for one in locked(checkout)}
    for name, requirement in declared(project).items():
        assert name in pins, f"{name} is not locked: run `make lock`"
        version = str(next(iter(pins[name].specifier)).version)
        assert requirement.specifier.contains(version), f"{name}=={version} does not satisfy {requirement}"


def test_the_lock_pins_exactly_and_names_no_index(checkout: Path) -> None:
    text = (checkout / "requirements.lock").read_text()
    assert not re.search(r"https?:|file:|index-url|find-links|@", text)
    assert all([one.operator for one in requirement.specifier] == ["=="] for requirement in locked(checkout))
    assert "torch==2.13.0" in text.splitlines()


def test_versions_agree(project: dict, checkout: Path) -> None:
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text())
    assert project["version"] == __version__ == citation["version"]


def test_the_papers_are_cited(checkout: Path) -> None:
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text())
    identifiers = {entry["value"] for paper in citation["references"] for entry in paper["identifiers"]}
    assert identifiers == {"arXiv:2411.08470", "arXiv:1801.07698", "arXiv:1812.11317"}
    assert citation["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (checkout / "LICENSE").read_text()


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_fits_the_notebooks(name: str) -> None:
    plan = plan_run(name)
    assert plan.profile.description
    assert [step.name for step in plan.steps] == sorted(file.stem for file in notebooks_folder().glob("[0-9]*.ipynb"))


def test_there_is_no_other_profile(checkout: Path) -> None:
    assert {path.stem for path in (checkout / "data" / "profiles").glob("*.yaml")} == set(PROFILES)


def test_the_papers_profile_finds_what_was_put_where_it_says(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(checkout / "data" / "profiles", tmp_path / "profiles")
    monkeypatch.setenv("HYPERFACE_DATA", str(tmp_path))
    needed = plan_run("paper").profile.missing()
    assert {one.path.relative_to(tmp_path / "external").parts[0] for one in needed} == {
        "arc2face",
        "gallery",
        "insightface",
    }
    for one in needed:
        stand_in = one.path if one.path.suffix else one.path / "stand-in"
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_bytes(b"x")
    plan = plan_run("paper")
    assert plan.profile.missing() == []
    named = [value for step in plan.steps for value in step.parameters.values() if str(tmp_path) in str(value)]
    assert named
    assert all(Path(str(value).partition(":")[2]).exists() for value in named)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing: install it with `apt-get install make`")
@pytest.mark.parametrize("target", ["run", "test", "install", "lab", "bench", "models", "test-gpu", "lock"])
def test_every_documented_command_is_a_make_target(target: str, checkout: Path) -> None:
    done = subprocess.run(["make", "-n", target], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing: install it with `apt-get install make`")
def test_installing_happens_again_only_when_the_lock_or_pyproject_changed(tmp_path: Path, checkout: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(checkout / name, tmp_path / name)
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()

    def plan() -> str:
        return subprocess.run(
            ["make", "-n", "install"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert "pip" in plan(), "an existing environment without the stamp must be filled"
    (tmp_path / ".venv" / ".installed").touch()
    assert "pip" not in plan()
    os.utime(tmp_path / "requirements.lock")
    os.utime(tmp_path / ".venv" / ".installed", (1_000_001, 1_000_001))
    assert "pip" in plan()
