"""Checkpoints that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hyperface_lib.atomic import atomic_path


def write_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) to `path` in one step."""
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint without running any code from it. Raises ValueError if the file is none of ours."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is not a readable training checkpoint: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or "step" not in state:
        raise ValueError(f"{path} is not a training checkpoint of this kit: it has no 'step'")
    return state
