"""The curves of a run as event files for TensorBoard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperface_lib.training.callbacks import Callback

if TYPE_CHECKING:
    from hyperface_lib.training.history import StepReport
    from hyperface_lib.training.trainer import Trainer


class TensorBoardLog(Callback):
    """Write loss, rates and angles every `every` steps, each verification, and the configuration, into a folder.

    Steps are counted by how many are done. A run that goes on replaces what was written of the steps it makes again.
    Raises ImportError where the package tensorboard is missing.
    """

    def __init__(self, folder: str | Path, every: int = 50) -> None:
        if every < 1:
            raise ValueError(f"a log must be written every 1 or more steps, found {every}")
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError as problem:
            raise ImportError("this log needs the package tensorboard: pip install tensorboard") from problem
        self.folder = Path(folder)
        self.every = every
        self._writer: Any = None
        self._verified = 0

    def on_start(self, trainer: Trainer) -> None:
        """Open the event file and write the effective configuration."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=trainer.step + 1 if trainer.step else None)
        self._verified = len(trainer.history.verification)
        # Four spaces make a block of code of it, which keeps the columns.
        text = "\n".join(f"    {line}" for line in trainer.describe().splitlines())
        self._writer.add_text("configuration", text, trainer.step)

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        """Write the numbers of the step when they are due."""
        if trainer.step % self.every == 0:
            for name in ("loss", "accuracy", "target_degrees", "learning_rate", "margin_fraction"):
                value = getattr(report, name)
                if math.isfinite(value):
                    self._writer.add_scalar(f"training/{name}", value, trainer.step)
            self._writer.flush()
        self._write_verification(trainer)

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        """Write a verification made by another callback."""
        self._write_verification(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Write what is left and close the file."""
        self._write_verification(trainer)
        self._writer.close()

    def _write_verification(self, trainer: Trainer) -> None:
        for step, value in trainer.history.verification[self._verified :]:
            self._writer.add_scalar("verification", value, step)
            self._verified += 1
