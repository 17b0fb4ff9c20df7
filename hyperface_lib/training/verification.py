"""Verification along the way: a measure of the network every so often, and the weights at its best."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hyperface_lib.training.callbacks import Callback

if TYPE_CHECKING:
    from hyperface_lib.training.history import StepReport
    from hyperface_lib.training.trainer import Trainer


class Verification(Callback):
    """Call `measure(network) -> float` every `every_steps` steps or `every_epochs` epochs, and after the last step.

    The network is in evaluation mode; it is the averaged one where the recipe keeps an average. (steps done, value)
    pairs go into `trainer.history.verification`; a value that is not finite is noted there and is never the best.
    `best_step`, `best_value` and `best_weights` (on the CPU) are those of the largest value, the smallest with
    `larger_is_better=False`; the earlier of equal ones. All of it is kept in the checkpoint. In a run of several
    processes the others wait.
    """

    def __init__(
        self,
        measure: Callable[[nn.Module], float],
        every_steps: int | None = None,
        every_epochs: int | None = None,
        larger_is_better: bool = True,
    ) -> None:
        if (every_steps is None) == (every_epochs is None):
            raise ValueError(
                f"verification needs one of every_steps and every_epochs, found {every_steps} and {every_epochs}"
            )
        for every in (every_steps, every_epochs):
            if every is not None and every < 1:
                raise ValueError(f"verification must be every 1 or more, found {every}")
        self.measure = measure
        self.every_steps = every_steps
        self.every_epochs = every_epochs
        self.larger_is_better = larger_is_better
        self.best_step: int | None = None
        self.best_value: float | None = None
        self.best_weights: dict[str, Tensor] = {}

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """Measure when it is due."""
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._note(trainer)

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        """Measure when it is due."""
        if self.every_epochs is not None and (epoch + 1) % self.every_epochs == 0:
            self._note(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Measure the finished network, if that has not been done."""
        self._note(trainer)

    def restore_best(self, network: nn.Module) -> None:
        """Give a network the weights at the best value. Raises ValueError if nothing has been measured."""
        if self.best_step is None:
            raise ValueError("there are no best weights yet: nothing finite has been measured")
        network.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value with its weights."""
        if self.best_step is None:
            return {}
        return {"best_step": self.best_step, "best_value": self.best_value, "best_weights": self.best_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back the best value with its weights."""
        self.best_step = state["best_step"]
        self.best_value = state["best_value"]
        self.best_weights = dict(state["best_weights"])

    def _note(self, trainer: Trainer) -> None:
        noted = trainer.history.verification
        if noted and noted[-1][0] == trainer.step:
            return
        network = trainer.network.eval()
        with torch.random.fork_rng(devices=[]):
            value = float(self.measure(network))
        noted.append((trainer.step, value))
        better = math.isfinite(value) and (
            self.best_value is None or (value > self.best_value if self.larger_is_better else value < self.best_value)
        )
        if better:
            self.best_step, self.best_value = trainer.step, value
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
