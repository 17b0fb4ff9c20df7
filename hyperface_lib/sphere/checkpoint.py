"""A packing put aside and taken up again: the state of a run in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hyperface_lib.atomic import atomic_path

_KEY = "packing"


def save_state(path: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write the state of a run and what was asked for to `path`, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={_KEY: json.dumps(config, sort_keys=True)})


def load_state(path: Path, config: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """Return the state at `path`, or None where there is no file.

    Raises ValueError when the file is not a packing's, or belongs to one that was asked for differently (`config`): the
    sentence names the argument that differs.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            stored = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, json.JSONDecodeError) as problem:
        raise ValueError(
            f"{path}: expected the checkpoint of a packing, found a file that cannot be read."
        ) from problem
    if not isinstance(stored, dict):
        raise ValueError(f"{path}: expected the checkpoint of a packing, found a file of another kind.")
    wanted = json.loads(json.dumps(config))
    for name in {**wanted, **stored}:
        if stored.get(name) != wanted.get(name):
            raise ValueError(
                f"{path}: the checkpoint is of a packing with {name} = {stored.get(name)}, "
                f"found {wanted.get(name)} asked for now; give another path or remove the file."
            )
    return tensors
