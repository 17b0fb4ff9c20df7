"""Batches as functions of (seed, step), made ahead in the background where images come from disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperface_lib.training.augmentation import augment
from hyperface_lib.training.batch_order import BatchOrder, IdentityOrder, ShuffledOrder
from hyperface_lib.training.data import ImageRows
from hyperface_lib.training.recipe import Recipe

Item = TypeVar("Item")


def share(count: int, index: int, parts: int) -> slice:
    """Return which of `count` things belong to part `index` of `parts`; sizes differ by one at most."""
    return slice(count * index // parts, count * (index + 1) // parts)


def check_shares(batch_size: int, processes: int, accumulation: int) -> None:
    """Raise ValueError unless every process has two images in every part of a batch: batch normalisation needs two."""
    least = 2 * processes * accumulation
    if processes * accumulation > 1 and batch_size < least:
        raise ValueError(
            f"a batch must leave two images to each of {processes} processes in each of {accumulation} parts, "
            f"{least} in all, found {batch_size}"
        )


@dataclass(frozen=True)
class Part:
    """What is worked through at once: this process's images (n, 3, h, w), and the labels of all processes' images.

    `held` are the numbers of images of every process, in their order, which is that of the labels.
    """

    images: Tensor
    labels: NDArray[np.int64]
    held: tuple[int, ...]


class Batches:
    """The batches of a run: each epoch has an order of its own, each image's changes are drawn for its step.

    `order` is a plain shuffle unless given; `order_of` chooses the one a recipe asks for.
    """

    def __init__(
        self,
        images: ImageRows,
        recipe: Recipe,
        process: int = 0,
        processes: int = 1,
        accumulation: int = 1,
        order: BatchOrder | None = None,
    ) -> None:
        self.images = images
        self.recipe = recipe
        self.process = process
        self.processes = processes
        self.accumulation = accumulation
        self.steps_per_epoch = recipe.steps_per_epoch(len(images))
        self._lock = threading.Lock()
        self.order = ShuffledOrder(len(images)) if order is None else order
        self._order_epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the numbers of a step's images, in rising order."""
        epoch, place = divmod(step, self.steps_per_epoch)
        with self._lock:
            if epoch != self._order_epoch:
                self._order = self.order.epoch(np.random.default_rng([self.recipe.seed, 1, epoch]))
                self._order_epoch = epoch
            order = self._order
        return np.sort(order[place * self.recipe.batch_size : (place + 1) * self.recipe.batch_size])

    def whole(self, step: int) -> Tensor:
        """Return all images of a step, changed."""
        return self._changed(step, self.rows(step), None)

    def parts(self, step: int, labels: NDArray[np.int64]) -> list[Part]:
        """Return what this process works through in a step, one part after the other."""
        rows = self.rows(step)
        cuts = [np.arange(len(rows))[share(len(rows), part, self.accumulation)] for part in range(self.accumulation)]
        mine = [cut[share(len(cut), self.process, self.processes)] for cut in cuts]
        places = np.concatenate(mine)
        images = self._changed(step, rows, None if len(places) == len(rows) else places)
        result, first = [], 0
        for cut, own in zip(cuts, mine, strict=True):
            held = tuple(len(cut[share(len(cut), other, self.processes)]) for other in range(self.processes))
            result.append(Part(images[first : first + len(own)], labels[rows[cut]], held))
            first += len(own)
        return result

    def _changed(self, step: int, rows: NDArray[np.int64], places: NDArray[np.int64] | None) -> Tensor:
        epoch, place = divmod(step, self.steps_per_epoch)
        generator = np.random.default_rng([self.recipe.seed, 2, epoch, place])
        images = self.images.rows(rows if places is None else rows[places])
        return augment(images, self.recipe.augmentation, generator, places, len(rows))


def order_of(recipe: Recipe, labels: NDArray[np.int64]) -> BatchOrder:
    """Return the order a recipe asks for. Raises ValueError where the labels have too few identities for it."""
    if not recipe.images_per_identity:
        return ShuffledOrder(len(labels))
    batches = recipe.steps_per_epoch(len(labels))
    return IdentityOrder(labels, recipe.batch_size, recipe.images_per_identity, batches)


class Ahead(Generic[Item]):
    """Make things numbered 0, 1, 2, ... in order, `ahead` of them before they are asked for, in a thread.

    What is made is a function of its number alone, so that being ahead changes nothing but the waiting. An error of
    `make` is raised where the thing is asked for. With `ahead` 0 there is no thread.
    """

    def __init__(self, make: Callable[[int], Item], ahead: int, end: int) -> None:
        self._make = make
        self._ahead = ahead
        self._end = end
        self._waiting: dict[int, Future[Item]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches") if ahead > 0 else None

    def __getitem__(self, number: int) -> Item:
        if self._pool is None:
            return self._make(number)
        wanted = range(number, min(number + self._ahead + 1, max(self._end, number + 1)))
        for one in wanted:
            if one not in self._waiting:
                self._waiting[one] = self._pool.submit(self._make, one)
        for one in [one for one in self._waiting if one not in wanted]:
            self._waiting.pop(one).cancel()
        return self._waiting.pop(number).result()

    def close(self) -> None:
        """Let go of the thread; what it still makes is thrown away."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._waiting.clear()


def labels_on(labels: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return labels as a tensor on a device."""
    return torch.from_numpy(labels).to(device)
