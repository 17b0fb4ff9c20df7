"""The toy in training: a small network and a loss that may be exchanged while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hyperface_lib.losses.margins import unit_rows
from hyperface_lib.plots.margins.settings import MarginSettings
from hyperface_lib.plots.margins.toy import AUGMENTATION_NOISE, toy_network, toy_people

_BATCH = 128
_LEARNING_RATE = 0.004
_SUB_CENTER_SPREAD = 0.3


@dataclass(frozen=True)
class ToyRecord:
    """What one step leaves: its loss, angles in degrees on the batch, and the share nearest to their own centre."""

    step: int
    loss: float
    target_degrees: float
    other_degrees: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class ToyState:
    """Where everything stands: features (n, d) and centres (k, d) as unit rows, angles of all samples in degrees.

    `centre_labels` (k,) says whose centre each is. `vectors` (n, classes) is True where a class is a support vector
    of a sample: its cosine is above the target's with the margin.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    centres: NDArray[np.float32]
    centre_labels: NDArray[np.int64]
    target_degrees: NDArray[np.float64]
    other_degrees: NDArray[np.float64]
    vectors: NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """The share of samples nearest to their own centre."""
        return float((self.target_degrees < self.other_degrees).mean())


class ToyTraining:
    """A network from toy people to `dimension` dimensions, trained under one loss; the same for one seed.

    Loss and margins may change at any time: network and class centres go on as they are.
    """

    def __init__(
        self,
        dimension: int,
        loss: str,
        settings: MarginSettings,
        *,
        classes: int = 6,
        each: int = 40,
        seed: int = 0,
    ) -> None:
        if dimension not in (2, 3):
            raise ValueError(f"the toy lives in 2 or 3 dimensions, found {dimension}")
        self.dimension = dimension
        self.seed = seed
        self.people = toy_people(classes, each, seed=0)
        self.start(loss, settings)

    def start(self, loss: str, settings: MarginSettings) -> None:
        """Start from a random network and random centres, no step taken."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            head = settings.head(loss, self.dimension, self.people.classes)
            self.network = toy_network(self.dimension)
        self._batches = torch.Generator().manual_seed(self.seed)
        self._take_up(loss, settings, head)
        self.steps = 0
        self.history: list[ToyRecord] = []

    def change(self, loss: str, settings: MarginSettings) -> None:
        """Go on under another loss or other margins. Raises ValueError, and changes nothing, where that cannot be."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + self.steps)
            head = settings.head(loss, self.dimension, self.people.classes)
            _hand_over(self.head, head)
        self._take_up(loss, settings, head)

    def _take_up(self, loss: str, settings: MarginSettings, head: nn.Module) -> None:
        self.loss, self.settings, self.head = loss, settings, head
        parameters = [*self.network.parameters(), *head.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=_LEARNING_RATE)

    def take(self, steps: int) -> None:
        """Take `steps` steps. Raises RuntimeError if the loss is no longer finite."""
        self.network.train()
        self.head.train()
        for _ in range(steps):
            chosen = torch.randperm(len(self.people.labels), generator=self._batches)[:_BATCH]
            labels = self.people.labels[chosen]
            inputs = self.people.inputs[chosen]
            noise = torch.randn(inputs.shape, generator=self._batches)
            features = self.network(inputs + AUGMENTATION_NOISE * noise)
            loss = self.head(features, labels)
            if not torch.isfinite(loss):
                raise RuntimeError(f"the loss of {self.loss} is not finite at step {self.steps}")
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            self.steps += 1
            self.history.append(self._record(float(loss.detach()), features.detach(), labels))

    def _record(self, loss: float, features: Tensor, labels: Tensor) -> ToyRecord:
        degrees = _class_degrees(self.head, features)
        target, other = _split(degrees, labels)
        accuracy = float((target < other).float().mean())
        return ToyRecord(self.steps, loss, float(target.mean()), float(other.mean()), accuracy)

    @torch.no_grad()
    def state(self) -> ToyState:
        """Return where every sample and centre stands."""
        self.network.eval()
        self.head.eval()  # a look must not enter a head's running statistics
        raw, labels = self.network(self.people.inputs), self.people.labels
        degrees = _class_degrees(self.head, raw)
        target, other = _split(degrees, labels)
        centres, centre_labels = _centres(self.head)
        return ToyState(
            unit_rows(raw).numpy(),
            labels.numpy(),
            centres.numpy(),
            centre_labels.numpy(),
            target.double().numpy(),
            other.double().numpy(),
            _support_vectors(self.head, degrees, raw.norm(dim=1), labels).numpy(),
        )


def _class_degrees(head: nn.Module, features: Tensor) -> Tensor:
    """Angles in degrees (n, classes) to the nearest centre of every class."""
    centres, owners = _centres(head)
    cosines = unit_rows(features) @ centres.T
    classes = int(owners.max()) + 1
    per_class = cosines.reshape(len(cosines), classes, -1).amax(dim=2)
    return torch.rad2deg(torch.acos(per_class.clamp(-1, 1)))


def _centres(head: nn.Module) -> tuple[Tensor, Tensor]:
    """The centres of a head as unit rows, sub-centres of a class one after another, and the class of each."""
    weight = head.get_parameter("weight").detach()
    each = weight.shape[1] if weight.ndim == 3 else 1
    return unit_rows(weight.reshape(-1, weight.shape[-1])), torch.arange(len(weight)).repeat_interleave(each)


def _split(degrees: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Angles to the own class, and to the nearest other one."""
    index = labels[:, None]
    return degrees.gather(1, index).squeeze(1), degrees.scatter(1, index, torch.inf).amin(dim=1)


def _support_vectors(head: nn.Module, degrees: Tensor, norms: Tensor, labels: Tensor) -> Tensor:
    """Mask (n, classes): the classes nearer to a sample than its own with the margin (Wang et al. 1812.11317)."""
    cosines = torch.cos(torch.deg2rad(degrees))
    own = cosines.gather(1, labels[:, None]).squeeze(1)
    rule = getattr(head, "row_rule", None)
    bar = own
    if rule is not None:
        row = rule(own, norms)
        bar = row.target if row.negatives is None else row.negatives.threshold
    mask = cosines > bar[:, None]
    return mask.scatter(1, labels[:, None], False)


@torch.no_grad()
def _hand_over(before: nn.Module, after: nn.Module) -> None:
    """Give the class centres of one head to another, which may have another number of them for each class.

    A head of the same kind also gets what the first has learned or counted besides.
    """
    if type(before) is type(after):
        after.load_state_dict(before.state_dict())
        return
    old, new = before.get_parameter("weight"), after.get_parameter("weight")
    if old.ndim == new.ndim:
        new.copy_(old)
    elif new.ndim == 3:
        spread = _SUB_CENTER_SPREAD * old.norm(dim=1).mean() * torch.randn_like(new)
        spread[:, 0] = 0
        new.copy_(old[:, None] + spread)
    else:
        new.copy_(unit_rows(old).mean(dim=1))
