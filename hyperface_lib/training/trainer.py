"""The training loop: steps that are functions of (seed, step), so that a run that was interrupted ends the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from hyperface_lib.embedding.devices import autocast, resolve_device, training_dtype
from hyperface_lib.training.augmentation import augment
from hyperface_lib.training.callbacks import Callback
from hyperface_lib.training.checkpoints import read_checkpoint, write_checkpoint
from hyperface_lib.training.recipe import Recipe
from hyperface_lib.training.schedules import learning_rate_at, margin_fraction_at


@dataclass(frozen=True)
class StepReport:
    """What one step did. `accuracy` is that of the batch by nearest centre, without margin (nan if unknown)."""

    step: int
    loss: float
    learning_rate: float
    margin_fraction: float
    accuracy: float
    target_degrees: float


@dataclass
class History:
    """The curves of a run, one entry a step."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    target_degrees: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def append(self, report: StepReport) -> None:
        """Add one step."""
        self.loss.append(report.loss)
        self.accuracy.append(report.accuracy)
        self.target_degrees.append(report.target_degrees)
        self.learning_rate.append(report.learning_rate)


class NotFiniteError(RuntimeError):
    """A loss, gradient or weight became infinite or not a number; the message names it and the step."""


class Trainer:
    """Train a backbone and a head on images in memory (or mapped into it).

    `images` is uint8 RGB (n, h, w, 3), `labels` integers (n,), -1 for unknown. With `checkpoint` the run writes its
    state there every `checkpoint_seconds` and, started again with the same recipe, continues with the same curve; the
    values of the recipe named in `may_change` may differ then (a run can be made longer or shorter by its epochs).
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        images: NDArray[np.uint8],
        labels: ArrayLike,
        recipe: Recipe,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 120.0,
        device: str | torch.device = "auto",
        progress: bool = False,
        may_change: Sequence[str] = (),
    ) -> None:
        self.labels: NDArray[np.int64] = np.asarray(labels, dtype=np.int64)
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 (n, h, w, 3), found {images.dtype} {images.shape}")
        if self.labels.shape != (len(images),):
            raise ValueError(f"labels must be ({len(images)},) to match the images, found {self.labels.shape}")
        if len(images) < 2:
            raise ValueError(f"training needs at least two images, found {len(images)}")
        self.device = resolve_device(device)
        self.backbone = backbone.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = head.to(self.device)
        self.images = images
        self.recipe = recipe
        self.callbacks = list(callbacks)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = progress
        self.may_change = tuple(may_change)
        self.history = History()
        self.step = 0
        self.stopped = False
        self.steps_per_epoch = recipe.steps_per_epoch(len(images))
        self.total_steps = recipe.total_steps(len(images))
        self.dtype = training_dtype(self.device, recipe.precision)
        self.optimiser = self._make_optimiser()
        self._order_epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        if self.checkpoint is not None and self.checkpoint.exists():
            self._load(self.checkpoint)

    def configuration(self) -> dict[str, Any]:
        """Return everything that shapes the run as plain values."""
        return {
            "recipe": self.recipe.to_dict(),
            "images": len(self.images),
            "classes": int(getattr(self.head, "classes", self.labels.max() + 1)),
            "steps": self.total_steps,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
        }

    def fit(self, until_step: int | None = None) -> History:
        """Run to the end of the recipe (or to `until_step`, or until a callback calls `stop`) and return the curves.

        Raises NotFiniteError when a loss, a gradient or a weight is no longer finite.
        """
        last = self.total_steps if until_step is None else min(until_step, self.total_steps)
        self.stopped = False
        started = written = time.monotonic()
        before = self.history.seconds
        for callback in self.callbacks:
            callback.on_start(self)
        with tqdm(total=self.total_steps, initial=self.step, disable=not self.progress, desc="training") as bar:
            while self.step < last and not self.stopped:
                report = self._one_step()
                self.history.seconds = before + time.monotonic() - started
                bar.update(1)
                if report.step % 10 == 0:
                    bar.set_postfix(loss=f"{report.loss:.3f}", refresh=False)
                for callback in self.callbacks:
                    callback.on_step_end(self, report)
                if self.step % self.steps_per_epoch == 0:
                    for callback in self.callbacks:
                        callback.on_epoch_end(self, self.step // self.steps_per_epoch - 1)
                if self.checkpoint is not None and time.monotonic() - written > self.checkpoint_seconds:
                    self.save(self.checkpoint)
                    written = time.monotonic()
        if self.checkpoint is not None:
            self.save(self.checkpoint)
        if self.step >= self.total_steps:
            for callback in self.callbacks:
                callback.on_end(self)
        return self.history

    def stop(self) -> None:
        """Ask the run to end after the present step."""
        self.stopped = True

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images and labels of a step: a function of (seed, step) alone."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._order_epoch:
            self._order = np.random.default_rng([self.recipe.seed, 1, epoch]).permutation(len(self.images))
            self._order_epoch = epoch
        rows = np.sort(self._order[place * self.recipe.batch_size : (place + 1) * self.recipe.batch_size])
        generator = np.random.default_rng([self.recipe.seed, 2, epoch, place])
        images = augment(np.asarray(self.images[rows]), self.recipe.augmentation, generator)
        return images.to(self.device), torch.from_numpy(self.labels[rows]).to(self.device)

    def save(self, path: str | Path) -> None:
        """Write the whole state of the run to `path` in one step."""
        write_checkpoint(
            path,
            {
                "step": self.step,
                "recipe": self.recipe.to_dict(),
                "image_count": len(self.images),
                "backbone": self.backbone.state_dict(),
                "head": self.head.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "history": vars(self.history),
            },
        )

    def _load(self, path: Path) -> None:
        state = read_checkpoint(path)
        if state["image_count"] != len(self.images):
            raise ValueError(
                f"{path} belongs to a run on {state['image_count']} images, this run has {len(self.images)}; "
                f"remove it to start afresh"
            )
        stored, mine = state["recipe"], self.recipe.to_dict()
        different = sorted(key for key in mine if stored.get(key) != mine[key] and key not in self.may_change)
        if different:
            raise ValueError(
                f"{path} belongs to a run with other settings ({', '.join(different)}); remove it to start afresh"
            )
        self.backbone.load_state_dict(state["backbone"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = History(**state["history"])
        self.step = state["step"]

    def _make_optimiser(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        parameters = [p for module in (self.backbone, self.head) for p in module.parameters() if p.requires_grad]
        if recipe.optimiser == "adamw":
            return torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
        return torch.optim.SGD(
            parameters, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
        )

    def _one_step(self) -> StepReport:
        rate = learning_rate_at(self.recipe, self.step, self.total_steps)
        fraction = margin_fraction_at(self.recipe, self.step, self.total_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        if hasattr(self.head, "margin_fraction"):
            self.head.margin_fraction = fraction  # type: ignore[assignment]
        self.backbone.train()
        self.head.train()
        images, labels = self.batch(self.step)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng([self.recipe.seed, 3, self.step]).integers(2**62)))
            with autocast(self.device, self.dtype):
                features = self.backbone(images)
            loss = self.head(features, labels)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise NotFiniteError(f"step {self.step}: the loss is {value}; {self._first_bad(features)}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._check_gradients()
        self.optimiser.step()
        accuracy, degrees = self._angles()
        report = StepReport(self.step, value, rate, fraction, accuracy, degrees)
        self.history.append(report)
        self.step += 1
        return report

    def _angles(self) -> tuple[float, float]:
        record = getattr(self.head, "angles", None)
        if record is None or len(record.target_degrees) == 0:
            return float("nan"), float("nan")
        target, other = record.target_degrees, record.nearest_other_degrees
        accuracy = float((target < other).float().mean()) if len(other) else 1.0
        return accuracy, float(target.mean())

    def _check_gradients(self) -> None:
        """Clip the backbone's gradient, and refuse to step on one that is not finite."""
        limit = self.recipe.clip_gradient if self.recipe.clip_gradient is not None else float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.backbone.parameters(), limit)
        head_norms = [p.grad.norm() for p in self.head.parameters() if p.grad is not None]
        total = norm + sum(head_norms) if head_norms else norm
        if not bool(torch.isfinite(total)):
            raise NotFiniteError(f"step {self.step}: {self._first_bad(None)}")

    def _first_bad(self, features: Tensor | None) -> str:
        for prefix, module in (("backbone", self.backbone), ("head", self.head)):
            for name, parameter in module.named_parameters():
                if not bool(torch.isfinite(parameter).all()):
                    return f"the first tensor that is not finite is the weight {prefix}.{name}"
        if features is not None and not bool(torch.isfinite(features).all()):
            return "the backbone's features are not finite while all weights are"
        for prefix, module in (("backbone", self.backbone), ("head", self.head)):
            for name, parameter in module.named_parameters():
                if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
                    return f"the first tensor that is not finite is the gradient of {prefix}.{name}"
        return "all weights and features are finite"
