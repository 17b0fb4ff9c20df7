"""The training loop: steps that are functions of (seed, step), so that a run that was interrupted ends the same."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from hyperface_lib.embedding.devices import autocast, resolve_device, training_dtype
from hyperface_lib.losses.partial_fc import PartialHead
from hyperface_lib.training.callbacks import Callback
from hyperface_lib.training.checkpoint_state import restore_callbacks, restore_run, run_state
from hyperface_lib.training.checkpoints import read_checkpoint, write_checkpoint
from hyperface_lib.training.data import ImageRows, as_image_rows
from hyperface_lib.training.data_batches import Ahead, Batches, Part, check_shares, labels_on, order_of
from hyperface_lib.training.distributed import join_processes
from hyperface_lib.training.ema import AveragedNetwork
from hyperface_lib.training.history import History, StepReport, summarise_angles
from hyperface_lib.training.not_finite import NotFiniteError, name_what_is_not_finite
from hyperface_lib.training.optimisers import SMALLEST_SCALE, make_optimiser, make_scaler, overflow_together
from hyperface_lib.training.recipe import Recipe, aligned
from hyperface_lib.training.schedules import learning_rate_at, margin_fraction_at

__all__ = ["History", "NotFiniteError", "StepReport", "Trainer"]


class Trainer:
    """Train a backbone and a head on images in memory or on disk, in one process or in those `torchrun` started.

    `images` is uint8 RGB (n, h, w, 3), a memory map of that, or whatever else `as_image_rows` takes; `labels` are
    integers (n,), -1 for unknown. The head is called as head(features (n, d), labels (n,)) and returns a scalar; where
    it has an attribute `margin_fraction` the trainer sets it, where it has a record `angles` the trainer reports it.

    With `checkpoint` the run writes its state there every `checkpoint_seconds` (and, if given, every
    `checkpoint_steps`) and, started again with the same recipe, continues with the same curve; the values of the recipe
    named in `may_change` may differ then (a run can be made longer or shorter by its epochs). `ahead` batches are made
    in the background, 2 for images on disk and none for those in memory if it is None.

    A batch is divided by accumulation and by processes; both leave the loss of a head that is a mean over samples as
    it is, while batch normalisation sees what is worked through at once (`synchronise_batch_norm` lets the processes of
    CUDA devices share it). Accumulation shows losses over pairs or ranks of samples a part of the batch at a time;
    processes show every head the whole part. Only the first process writes, shows progress and runs callbacks.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        images: NDArray[np.uint8] | ImageRows | Sequence[Any],
        labels: ArrayLike,
        recipe: Recipe,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 120.0,
        device: str | torch.device = "auto",
        progress: bool = False,
        may_change: Sequence[str] = (),
        checkpoint_steps: int | None = None,
        ahead: int | None = None,
    ) -> None:
        rows = as_image_rows(images)
        self.labels: NDArray[np.int64] = np.asarray(labels, dtype=np.int64)
        if self.labels.shape != (len(rows),):
            raise ValueError(f"labels must be ({len(rows)},) to match the images, found {self.labels.shape}")
        if len(rows) < 2:
            raise ValueError(f"training needs at least two images, found {len(rows)}")
        self.device = resolve_device(device)
        self.processes = join_processes(self.device)
        self.images, self.recipe = images, recipe
        self.callbacks = list(callbacks)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_seconds, self.checkpoint_steps = checkpoint_seconds, checkpoint_steps
        self.progress = progress
        self.may_change = tuple(may_change)
        self.history = History()
        self.step, self.stopped = 0, False
        self.waiting_states: dict[str, dict[str, Any]] = {}
        order = order_of(recipe, self.labels)
        self.batches = Batches(rows, recipe, self.processes.rank, self.processes.count, recipe.accumulation, order)
        self.ahead = ahead if ahead is not None else 0 if rows.in_memory else 2
        self.steps_per_epoch = recipe.steps_per_epoch(len(rows))
        self.total_steps = recipe.total_steps(len(rows))
        self.dtype = training_dtype(self.device, recipe.precision)
        check_shares(min(recipe.batch_size, len(rows)), self.processes.count, recipe.accumulation)
        self.backbone = self._placed(backbone)
        self.head = head.to(self.device)
        self.sharded = isinstance(head, PartialHead)
        self.optimiser = make_optimiser(recipe, self.backbone, self.head)
        if isinstance(head, PartialHead):
            head.attach(self.optimiser)
        self.scaler = make_scaler(self.device, self.dtype)
        self.average = AveragedNetwork(self.backbone, recipe.ema_decay) if recipe.ema_decay else None
        if self.checkpoint is not None and self.checkpoint.exists():
            restore_run(self, read_checkpoint(self.checkpoint), self.checkpoint)
        if not self.sharded:
            self.processes.copy_from_first(self.head)
        self._spread = self.processes.spread(self.backbone, self.device)

    @property
    def network(self) -> nn.Module:
        """The network to verify and to save: the averaged one if the recipe keeps an average, else the backbone."""
        return self.backbone if self.average is None else self.average.network

    def configuration(self) -> dict[str, Any]:
        """Return everything that shapes the run as plain values."""
        return {
            "recipe": self.recipe.to_dict(),
            "images": len(self.labels),
            "classes": int(getattr(self.head, "classes", self.labels.max() + 1)),
            "steps": self.total_steps,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "processes": self.processes.count,
        }

    def describe(self) -> str:
        """Return the effective configuration as aligned text, one value a line."""
        return aligned(self.recipe.all_values() | {k: v for k, v in self.configuration().items() if k != "recipe"})

    def fit(self, until_step: int | None = None) -> History:
        """Run to the end of the recipe (or to `until_step`, or until a callback calls `stop`) and return the curves.

        Raises NotFiniteError when a loss, a gradient or a weight is no longer finite, ProcessLostError when another
        process of the run has ended.
        """
        last = self.total_steps if until_step is None else min(until_step, self.total_steps)
        self.stopped = False
        started = written = time.monotonic()
        before = self.history.seconds
        watchers = self.callbacks if self.processes.leads else []
        restore_callbacks(watchers, self.waiting_states)
        self.waiting_states = {}
        for callback in watchers:
            callback.on_start(self)
        shown = self.progress and self.processes.leads
        parts = Ahead(lambda step: self.batches.parts(step, self.labels), self.ahead, last)
        try:
            with tqdm(total=self.total_steps, initial=self.step, disable=not shown, desc="training") as bar:
                while self.step < last and not self.stopped:
                    with self.processes.watching(self.step):
                        report = self._one_step(parts[self.step])
                    self.history.seconds = before + time.monotonic() - started
                    bar.update(1)
                    if report.step % 10 == 0:
                        bar.set_postfix(loss=f"{report.loss:.3f}", refresh=False)
                    for callback in watchers:
                        callback.on_step_end(self, report)
                    if self.step % self.steps_per_epoch == 0:
                        for callback in watchers:
                            callback.on_epoch_end(self, self.step // self.steps_per_epoch - 1)
                    with self.processes.watching(self.step):
                        if self._agree_what_next(time.monotonic() - written) and self.checkpoint is not None:
                            self.save(self.checkpoint)
                            written = time.monotonic()
        finally:
            parts.close()
        if self.checkpoint is not None:
            self.save(self.checkpoint)
        if self.step >= self.total_steps:
            noted = len(self.history.verification)
            for callback in watchers:
                callback.on_end(self)
            (more,) = self.processes.agree([len(self.history.verification) > noted], self.device)
            if self.checkpoint is not None and more:
                self.save(self.checkpoint)
        return self.history

    def stop(self) -> None:
        """Ask the run to end after the present step."""
        self.stopped = True

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images and labels of a step, of all processes: a function of (seed, step) alone."""
        rows = self.batches.rows(step)
        return self.batches.whole(step).to(self.device), labels_on(self.labels[rows], self.device)

    def save(self, path: str | Path) -> None:
        """Write the whole state of the run to `path` in one step; every process calls this where a head is sharded."""
        state = run_state(self)
        if self.processes.leads:
            write_checkpoint(path, state)

    def _placed(self, backbone: nn.Module) -> nn.Module:
        if self.recipe.synchronise_batch_norm and self.processes.several:
            if self.device.type != "cuda":
                raise ValueError(f"synchronise_batch_norm needs CUDA devices, found {self.device.type}")
            backbone = nn.SyncBatchNorm.convert_sync_batchnorm(backbone)
        return backbone.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _agree_what_next(self, since_written: float) -> bool:
        """Let all processes stop together; return whether a checkpoint is due."""
        by_steps = self.checkpoint_steps is not None and self.step % self.checkpoint_steps == 0
        due = by_steps or since_written > self.checkpoint_seconds
        stopped, due_everywhere = self.processes.agree([self.stopped, due], self.device)
        self.stopped = bool(stopped)
        return bool(due_everywhere)

    def _one_step(self, parts: list[Part]) -> StepReport:
        rate = learning_rate_at(self.recipe, self.step, self.total_steps)
        fraction = margin_fraction_at(self.recipe, self.step, self.total_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        if hasattr(self.head, "margin_fraction"):
            self.head.margin_fraction = fraction  # type: ignore[assignment]
        self.backbone.train()
        self.head.train()
        self.optimiser.zero_grad(set_to_none=True)
        known = [int((part.labels >= 0).sum()) for part in parts]
        total = 0.0
        records: list[tuple[Tensor, Tensor]] = []
        for index, (part, count) in enumerate(zip(parts, known, strict=True)):
            # The mean over the batch is the mean of the parts' means, each by its number of labelled images.
            weight = 1.0 if len(parts) == 1 else count / max(1, sum(known))
            with self._messages(index == len(parts) - 1):
                total += weight * self._forward_backward(part, index, weight)
            record = getattr(self.head, "angles", None)
            if record is not None and count:
                records.append((record.target_degrees, record.nearest_other_degrees))
        self._prepare_gradients()
        if self.scaler is None:
            self.optimiser.step()
        else:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        if self.average is not None:
            self.average.follow(self.backbone, self.step)
        accuracy, degrees = summarise_angles(records)
        report = StepReport(self.step, total, rate, fraction, accuracy, degrees)
        self.history.append(report)
        self.step += 1
        return report

    def _forward_backward(self, part: Part, index: int, weight: float) -> float:
        """Add the gradients of one part of the batch; return its loss."""
        images, labels = part.images.to(self.device), labels_on(part.labels, self.device)
        rank = self.processes.rank
        with torch.random.fork_rng(devices=[]):
            self._seed(3, *((index, rank) if index or rank else ()))
            with autocast(self.device, self.dtype):
                own = self._spread(images)
            if self.processes.several:
                self._seed(4, index)  # what a head draws must be the same everywhere
            if self.sharded:
                first = sum(part.held[:rank])
                features = own.float() if self.processes.several else own
                loss = self.head(features, labels[first : first + len(own)])
            else:
                features = self.processes.gather_features(own, part.held)
                loss = self.head(features, labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NotFiniteError(f"step {self.step}: the loss is {value}; {self._first_bad(images, features)}")
        loss = loss if weight == 1.0 else loss * weight
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        return value

    def _seed(self, *stream: int) -> None:
        key = [self.recipe.seed, stream[0], self.step, *stream[1:]]
        torch.manual_seed(int(np.random.default_rng(key).integers(2**62)))

    def _messages(self, last: bool) -> AbstractContextManager[Any]:
        """Let the processes add up their gradients once a step, with its last part."""
        if isinstance(self._spread, nn.parallel.DistributedDataParallel) and not last:
            return self._spread.no_sync()
        return contextlib.nullcontext()

    def _prepare_gradients(self) -> None:
        """Clip the backbone's gradient, and refuse to step on one that is not finite.

        float16 gradients may overflow now and then: the scaler leaves such a step out and halves its scale.
        """
        if self.scaler is not None:
            if self.sharded and self.processes.several:
                overflow_together(self.head, lambda bad: self.processes.anywhere(bad, self.device))
            self.scaler.unscale_(self.optimiser)
        gradients = [p.grad for p in self.backbone.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        head_norms = [p.grad.norm() for p in self.head.parameters() if p.grad is not None]
        bad = not bool(torch.isfinite(norm + sum(head_norms) if head_norms else norm))
        if self.sharded:
            bad = self.processes.anywhere(bad, self.device)
        if bad and (self.scaler is None or self.scaler.get_scale() < SMALLEST_SCALE):
            raise NotFiniteError(f"step {self.step}: {self._first_bad(None, None)}")
        # Not before: a norm that is no number would spoil every gradient, and the first bad one could not be named.
        limit = self.recipe.clip_gradient
        torch.nn.utils.clip_grads_with_norm_(self.backbone.parameters(), math.inf if limit is None else limit, norm)

    def _first_bad(self, images: Tensor | None, features: Tensor | None) -> str:
        return name_what_is_not_finite({"backbone": self.backbone, "head": self.head}, images, features)
