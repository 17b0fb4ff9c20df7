"""Data sets of a run folder: gone on with when nothing has changed, drawn anew when something has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hyperface_lib.runs import IdentityVectors
from hyperface_lib.synthesis.dataset import PARAMETERS, generate_dataset
from hyperface_lib.synthesis.protocol import Generator


def renew_dataset(
    references: IdentityVectors, generator: Generator, out: str | os.PathLike[str], **settings: Any
) -> dict[str, Any] | None:
    """Call `generate_dataset`, after emptying a folder that holds a data set of other parameters.

    For folders that belong to a run, where the latest parameters are the ones meant: `generate_dataset` alone refuses.
    A folder without the parameters of a data set is left as it is. Raises ValueError as `generate_dataset` does.
    """
    references.require(generator)
    folder = Path(out)
    if (folder / PARAMETERS).is_file() and not _goes_on(references, generator, folder, settings):
        shutil.rmtree(folder)
    return generate_dataset(references, generator, folder, **settings)


def _goes_on(references: IdentityVectors, generator: Generator, folder: Path, settings: dict[str, Any]) -> bool:
    try:
        # No identity is drawn; only the folder's parameters are compared.
        generate_dataset(references, generator, folder, **{**settings, "identities": range(0), "progress": False})
    except ValueError:
        return False
    return True
