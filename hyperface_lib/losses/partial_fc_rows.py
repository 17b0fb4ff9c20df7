"""Many rows of which an optimiser sees a few at a time, with the state it keeps for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class SampledRows(nn.Module):
    """All rows (rows, d), and the parameter `active` that holds those selected by `index`.

    `select` puts rows into the parameter and what the optimiser remembers of them (momentum; Adam's moments) into the
    optimiser's state; after every step of the optimiser both are written back. So SGD, AdamW and any other optimiser
    whose state has the parameter's shape, or no shape, works unchanged. A row that is not selected rests: no momentum
    moves it, no weight decay shrinks it, its moments do not fade. What has no shape (AdamW's count of steps) is
    shared by all rows.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.all: Tensor
        self.index: Tensor
        self.register_buffer("all", rows.detach().clone())
        self.register_buffer("index", torch.zeros(0, dtype=torch.long, device=rows.device), persistent=False)
        self.active = nn.Parameter(self.all[:0].clone())
        self.moments: dict[str, Tensor] = {}
        self.shared: dict[str, Any] = {}
        self._optimizer: torch.optim.Optimizer | None = None
        self._stepped = True

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Let rows bring their state along into `optimizer`. Raises ValueError if it does not hold `active`."""
        if not any(self.active is parameter for group in optimizer.param_groups for parameter in group["params"]):
            raise ValueError("the optimizer must hold the head's parameters, found none of its sampled centres")
        if self._optimizer is not None and self._optimizer is not optimizer:
            raise ValueError("the sampled centres are attached to another optimizer already")
        if self._optimizer is None:
            self._optimizer = optimizer
            optimizer.register_step_post_hook(lambda *_: self._store())

    @property
    def waiting(self) -> bool:
        """Whether a gradient has been left for the next step, so that the rows it belongs to must stay."""
        return not self._stepped and self.active.grad is not None

    def select(self, index: Tensor) -> Tensor:
        """Make the rows `index` (sorted, without doubles) active and return them for one forward pass.

        Rows with a gradient that waits stay active too. Raises RuntimeError before `attach`: the optimiser's state
        would be taken for that of other rows. The backward pass raises it if other rows are active by then.
        """
        if self._optimizer is None:
            raise RuntimeError("call attach(optimizer) before training: an optimizer must know the sampled centres")
        gradient = None
        if self.waiting:
            assert self.active.grad is not None
            index = torch.cat([self.index, index]).unique()
            gradient = self.all.new_zeros(len(index), self.all.shape[1])
            gradient[torch.searchsorted(index, self.index)] = self.active.grad
        self._stepped = False
        if not torch.equal(index, self.index):
            self.active.grad = None
            self.active.data, self.index = self.all[index], index
            self.active.grad = gradient
            if self.moments or self.shared:
                state = self._optimizer.state[self.active]
                for name, value in self.shared.items():
                    state.setdefault(name, value)
                state.update({name: rows[index] for name, rows in self.moments.items()})
        return self._leaf()

    def _leaf(self) -> Tensor:
        """Return a leaf with the active rows' values, whose gradient is handed to the parameter.

        The parameter itself is in no graph: a graph that is still alive would hold on to its former shape.
        """
        index = self.index

        def hand_over(leaf: Tensor) -> None:
            if not torch.equal(self.index, index):
                raise RuntimeError("one backward pass must follow each forward pass, found other centres active since")
            assert leaf.grad is not None
            self.active.grad = leaf.grad if self.active.grad is None else self.active.grad + leaf.grad
            leaf.grad = None

        leaf = self.active.detach().requires_grad_()
        leaf.register_post_accumulate_grad_hook(hand_over)
        return leaf

    @torch.no_grad()
    def _store(self) -> None:
        """Write the active rows and their state back."""
        assert self._optimizer is not None
        self._stepped = True
        self.all[self.index] = self.active.data
        for name, value in self._optimizer.state.get(self.active, {}).items():
            if not isinstance(value, Tensor) or value.ndim == 0:
                self.shared[name] = value
            elif value.shape != self.active.shape:
                raise ValueError(
                    f"sampled centres need an optimizer whose state is kept by row, found {name} {tuple(value.shape)}"
                )
            else:
                if name not in self.moments:
                    self.moments[name] = value.new_zeros(self.all.shape)
                self.moments[name][self.index] = value

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}all"] = self.all
        destination |= {f"{prefix}moments.{name}": rows for name, rows in self.moments.items()}
        destination |= {f"{prefix}shared.{name}": torch.as_tensor(value) for name, value in self.shared.items()}

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if f"{prefix}all" not in state_dict:
            missing_keys.append(f"{prefix}all")
            return
        moments, shared = {}, {}
        for key in (key for key in state_dict if key.startswith(prefix)):
            kind, _, name = key[len(prefix) :].partition(".")
            value = state_dict[key]
            if kind in ("all", "moments") and value.shape != self.all.shape:
                error_msgs.append(f"{key} must be {tuple(self.all.shape)}, found {tuple(value.shape)}")
            elif kind == "moments":
                moments[name] = value.to(self.all.device, copy=True)
            elif kind == "shared":
                shared[name] = value.clone()
            elif kind != "all":
                unexpected_keys.append(key)
        if error_msgs:
            return
        with torch.no_grad():
            self.all.copy_(state_dict[f"{prefix}all"])
            self.index, self.active.grad = self.index[:0], None
            self.active.data = self.all[:0].clone()
        self.moments, self.shared, self._stepped = moments, shared, True
