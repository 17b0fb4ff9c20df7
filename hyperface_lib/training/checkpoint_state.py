"""The state of a run as plain values, and a run set to such a state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hyperface_lib.losses.partial_fc import reshard_states
from hyperface_lib.training.history import History
from hyperface_lib.training.recipe import Recipe

if TYPE_CHECKING:
    from hyperface_lib.training.callbacks import Callback
    from hyperface_lib.training.trainer import Trainer

# 1, which had no number yet, held the same without averages, scales and the states of callbacks.
FORMAT = 2


def run_state(trainer: Trainer) -> dict[str, Any]:
    """Return the whole state of a run. Where a head is sharded every process must call this."""
    head = trainer.head.state_dict()
    heads = trainer.processes.collect(_on_cpu(head)) if trainer.sharded else [head]
    state = {
        "format": FORMAT,
        "step": trainer.step,
        "recipe": trainer.recipe.to_dict(),
        "image_count": len(trainer.images),
        "backbone": trainer.backbone.state_dict(),
        "head": heads[0] if len(heads) == 1 else None,
        "optimiser": trainer.optimiser.state_dict(),
        "history": vars(trainer.history),
        "callbacks": callback_states(trainer.callbacks) or trainer.waiting_states,
    }
    if len(heads) > 1:
        state["head_shards"] = heads
    if trainer.average is not None:
        state["average"] = trainer.average.network.state_dict()
    if trainer.scaler is not None:
        state["scaler"] = trainer.scaler.state_dict()
    return state


def restore_run(trainer: Trainer, state: dict[str, Any], path: Path) -> None:
    """Set a run to a state read from `path`. Raises ValueError if the state is not one of this very run."""
    _check_belongs(trainer, state, path)
    try:
        trainer.backbone.load_state_dict(state["backbone"])
        trainer.head.load_state_dict(_own_head(trainer, state))
        trainer.optimiser.load_state_dict(state["optimiser"])
        if trainer.average is not None:
            trainer.average.network.load_state_dict(state["average"])
        if trainer.scaler is not None:
            trainer.scaler.load_state_dict(state["scaler"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} does not fit this run's networks ({reason[:300]}); it may come from another version of the kit; "
            f"remove it to start afresh"
        ) from error
    trainer.history = History(**state["history"])
    trainer.step = int(state["step"])
    trainer.waiting_states = dict(state.get("callbacks", {}))
    (first,) = trainer.processes.agree([trainer.step], trainer.device)
    if int(first) != trainer.step:
        raise ValueError(
            f"{path} is at step {trainer.step} in process {trainer.processes.rank} and at step {int(first)} in the "
            f"first: all processes must see the same file"
        )


def callback_states(callbacks: Sequence[Callback]) -> dict[str, dict[str, Any]]:
    """Return what callbacks want to keep, by their kind and their place among their kind."""
    found = {}
    for key, callback in _named(callbacks):
        state = callback.state_dict()
        if state:
            found[key] = state
    return found


def restore_callbacks(callbacks: Sequence[Callback], states: dict[str, dict[str, Any]]) -> None:
    """Give callbacks back what they kept."""
    for key, callback in _named(callbacks):
        if key in states:
            callback.load_state_dict(states[key])


def _named(callbacks: Sequence[Callback]) -> list[tuple[str, Callback]]:
    seen: dict[str, int] = {}
    result = []
    for callback in callbacks:
        kind = type(callback).__name__
        seen[kind] = seen.get(kind, 0) + 1
        result.append((f"{kind} {seen[kind]}", callback))
    return result


def _check_belongs(trainer: Trainer, state: dict[str, Any], path: Path) -> None:
    if int(state.get("format", 1)) > FORMAT:
        raise ValueError(f"{path} is of format {state['format']}, this version of the kit reads up to {FORMAT}")
    missing = [key for key in ("recipe", "image_count", "backbone", "head", "optimiser", "history") if key not in state]
    if missing:
        raise ValueError(f"{path} is not a training checkpoint of this kit: it has no {', '.join(missing)}")
    if state["image_count"] != len(trainer.images):
        raise ValueError(
            f"{path} belongs to a run on {state['image_count']} images, this run has {len(trainer.images)}; "
            f"remove it to start afresh"
        )
    try:
        stored = Recipe.from_dict(state["recipe"]).all_values()
    except ValueError as error:
        raise ValueError(f"{path} holds a recipe that this version of the kit cannot read: {error}") from error
    mine = trainer.recipe.all_values()
    different = sorted(key for key in mine if stored[key] != mine[key] and key not in trainer.may_change)
    if different:
        raise ValueError(
            f"{path} belongs to a run with other settings ({', '.join(different)}); remove it to start afresh"
        )


def _own_head(trainer: Trainer, state: dict[str, Any]) -> dict[str, Any]:
    """Return the head's state for this process, cut anew where the number of processes is another."""
    shards = state.get("head_shards") or [state["head"]]
    if not trainer.sharded or len(shards) == trainer.processes.count:
        return shards[trainer.processes.rank if trainer.sharded else 0]
    return reshard_states(shards, trainer.processes.count)[trainer.processes.rank]


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in state.items()}
