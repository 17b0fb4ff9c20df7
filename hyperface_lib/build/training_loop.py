"""Training until a budget is spent: checkpoints and looks by the clock, lines of log, stopping on demand."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from hyperface_lib.build.generator_codec import CodecTrainer
from hyperface_lib.build.generator_denoiser import DenoiserTrainer
from hyperface_lib.build.team import Team
from hyperface_lib.build.training_budget import Stopwatch
from hyperface_lib.training.checkpoints import write_checkpoint

_STEPS_A_LINE = 250


class InterruptedTrainingError(Exception):
    """Training was asked to stop; its checkpoint is written."""


@dataclass
class TrainingLoop:
    """What all trainings of a build have in common. minutes: of the clock, after which one stops; None is never."""

    team: Team
    log: logging.Logger
    checkpoint_minutes: float
    look_minutes: float
    minutes: float | None = None

    def __post_init__(self) -> None:
        self._stop = False
        self._deadline = time.monotonic() + 60 * self.minutes if self.minutes else float("inf")

    def heed_signals(self) -> None:
        """Let SIGTERM and SIGINT stop the training after its step, with a checkpoint."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.log.info("signal %d: stopping after this step", number)
        self._stop = True

    def run(
        self, trainer: CodecTrainer | DenoiserTrainer, checkpoint: Path, look: Callable[[], None], name: str
    ) -> None:
        """Step until the trainer's budget is spent; `look` is called now and then, and at the end.

        Raises InterruptedTrainingError when it was stopped.
        """
        saving = Stopwatch(60 * self.checkpoint_minutes, lambda: write_checkpoint(checkpoint, trainer.state()))
        looking = Stopwatch(60 * self.look_minutes, look)
        leads = self.team.rank == 0  # the others only compute
        recent: list[dict[str, float]] = []
        started = time.monotonic()
        while trainer.fraction < 1:
            cores = time.process_time()
            recent.append(trainer.step())
            # Summed over the team, so that all of its members count, slow down and stop alike.
            spent, stops = self.team.total(
                [time.process_time() - cores, self._stop or time.monotonic() > self._deadline]
            )
            trainer.core_seconds += spent
            if stops:
                if leads:
                    write_checkpoint(checkpoint, trainer.state())
                raise InterruptedTrainingError
            if len(recent) == _STEPS_A_LINE:
                means = {key: float(np.mean([one[key] for one in recent])) for key in recent[0]}
                speed = len(recent) * trainer.recipe.batch_size / (time.monotonic() - started)
                self.log.info(
                    "%s: step %d, %.1f %% of the budget, %.0f img/s, %s",
                    name,
                    trainer.step_number,
                    100 * trainer.fraction,
                    speed,
                    shown(means),
                )
                recent, started = [], time.monotonic()
            if leads:
                saving.tick()
                looking.tick()
        if leads:
            write_checkpoint(checkpoint, trainer.state())
            look()


def build_logger(file: Path) -> logging.Logger:
    """Return the logger that tells a file and the terminal what the build does."""
    log = logging.getLogger("hyperface.build.generator")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    for handler in (logging.FileHandler(file, encoding="utf-8"), logging.StreamHandler()):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
    return log


def shown(values: Mapping[str, Any]) -> str:
    """Return the numbers of a record in one line."""
    return " ".join(f"{name} {value:.4g}" for name, value in values.items() if isinstance(value, int | float))
