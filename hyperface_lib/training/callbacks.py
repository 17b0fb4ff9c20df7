"""What may watch a run: the base class and the two watchers that most runs want.

Of several processes only the first one runs callbacks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperface_lib.training.history import StepReport
    from hyperface_lib.training.trainer import Trainer


class Callback:
    """Watch a run; every method may be left as it is."""

    def on_start(self, trainer: Trainer) -> None:
        """Run before the first step, and again when a run is resumed."""

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """Run after every step."""

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        """Run after every epoch; `epoch` counts from 0."""

    def on_end(self, trainer: Trainer) -> None:
        """Run after the last step."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on must give back: tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` returned, before `on_start`."""


class LogFile(Callback):
    """Append one line of JSON to a file every `every` steps."""

    def __init__(self, path: str | Path, every: int = 100) -> None:
        self.path = Path(path)
        self.every = every
        self._started = 0.0
        self._from_step = 0

    def on_start(self, trainer: Trainer) -> None:
        """Write the effective configuration."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._from_step = trainer.step
        self._write({"event": "start", "step": trainer.step, "steps": trainer.total_steps, **trainer.configuration()})

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """Write loss, rate and speed."""
        if (report.step + 1) % self.every:
            return
        seconds = time.monotonic() - self._started
        done = trainer.step - self._from_step
        speed = done * trainer.recipe.batch_size / max(seconds, 1e-9)
        remaining = seconds / max(done, 1) * (trainer.total_steps - trainer.step)
        self._write(
            {
                "step": trainer.step,
                "steps": trainer.total_steps,
                "epoch": round(trainer.step / trainer.steps_per_epoch, 2),
                "loss": round(report.loss, 4),
                "accuracy": round(report.accuracy, 4),
                "target_degrees": round(report.target_degrees, 2),
                "learning_rate": round(report.learning_rate, 6),
                "margin_fraction": round(report.margin_fraction, 3),
                "images_per_second": round(speed, 1),
                "minutes_left": round(remaining / 60, 1),
            }
        )

    def _write(self, values: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")


class Every(Callback):
    """Call `action(trainer)` every `steps` steps and once at the end."""

    def __init__(self, steps: int, action: Callable[[Trainer], None]) -> None:
        self.steps = steps
        self.action = action

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """Call the action when it is due."""
        if trainer.step % self.steps == 0 and trainer.step < trainer.total_steps:
            self.action(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Call the action a last time."""
        self.action(trainer)
