"""Every probe against every gallery entry, block by block: the matrix product, and what is read off a block at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

BLOCK = 2048
"""Rows of a block on either side: 16 MB of cosines, which stay near the processor while they are read."""
TIE = 1e-6
"""Cosines nearer than this are a tie: a float32 product of equal vectors differs by less between blocks."""


class BlockReader(Protocol):
    """Takes what it needs from the cosines (r, c) of some probe rows with some entries; the block is then overwritten.

    What must not count is -inf in the block.
    """

    def take(self, rows: slice, cosines: Tensor) -> None: ...


class CountAtLeast:
    """Count for every probe the entries whose cosine is at least its level (n,), or nearer to it than `TIE`."""

    def __init__(self, levels: Tensor) -> None:
        self.levels = levels[:, None] - TIE
        self.counts = np.zeros(len(levels), dtype=np.int64)
        self._mask = torch.empty(0, dtype=torch.bool)

    def take(self, rows: slice, cosines: Tensor) -> None:
        # few probes have an entry over their level in one block, and a row's maximum is found faster than its count
        near = torch.nonzero(cosines.amax(dim=1) >= self.levels[rows, 0])[:, 0]
        if not len(near):
            return
        if len(near) > len(cosines) // 2:
            near = torch.arange(len(cosines))
        else:
            cosines = cosines[near]
        if self._mask.numel() < cosines.numel():
            self._mask = torch.empty(cosines.numel(), dtype=torch.bool)
        mask = self._mask[: cosines.numel()].view(cosines.shape)
        torch.ge(cosines, self.levels[rows][near], out=mask)
        # numpy counts truth values several times faster than a sum over them
        self.counts[near.numpy() + rows.start] += np.count_nonzero(mask.numpy(), axis=1)


class RowMaximum:
    """Keep for every probe the highest cosine met."""

    def __init__(self, probes: int) -> None:
        self.cosines = torch.full((probes,), -torch.inf)

    def take(self, rows: slice, cosines: Tensor) -> None:
        torch.maximum(self.cosines[rows], cosines.amax(dim=1), out=self.cosines[rows])


class HighestScores:
    """Keep the `keep` highest cosines of all pairs of a probe and an entry, in 8 bytes for each."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.floor = -np.inf
        self._parts: list[npt.NDArray[np.float32]] = []
        self._held = 0

    def take(self, rows: slice, cosines: Tensor) -> None:
        if self.keep < 1:
            return
        # most rows of most blocks have nothing above the floor, and their maximum says so
        candidates = cosines[cosines.amax(dim=1) > self.floor].numpy()
        found = candidates[candidates > self.floor]
        self._parts.append(found)
        self._held += len(found)
        if self._held >= 2 * self.keep:
            self._shrink()

    def falling(self) -> npt.NDArray[np.float32]:
        """Give the highest cosines, highest first: `keep` of them, or all there were."""
        self._shrink()
        return np.sort(np.concatenate([*self._parts, np.zeros(0, np.float32)]))[::-1]

    def _shrink(self) -> None:
        together = np.concatenate([*self._parts, np.zeros(0, np.float32)])
        if len(together) > self.keep:
            together = np.partition(together, len(together) - self.keep)[len(together) - self.keep :]
            self.floor = float(together.min())
        self._parts, self._held = [together], len(together)


class OwnEntries:
    """Which entries of a gallery show the person of a probe."""

    def __init__(self, probe_ids: npt.NDArray[Any], entry_ids: npt.NDArray[Any]) -> None:
        order = np.argsort(entry_ids, kind="stable")
        low = np.searchsorted(entry_ids[order], probe_ids, side="left")
        high = np.searchsorted(entry_ids[order], probe_ids, side="right")
        counts = high - low
        self.probes = np.repeat(np.arange(len(probe_ids)), counts)
        within = np.arange(len(self.probes)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.entries = order[np.repeat(low, counts) + within]
        self.mated = counts > 0

    def highest_cosines(self, probes: Tensor, entries: Tensor) -> Tensor:
        """Give each probe's cosine (n,) with the best entry of its own person, -inf without one."""
        best = torch.full((len(probes),), -torch.inf)
        for start in range(0, len(self.probes), BLOCK):
            rows, columns = (torch.from_numpy(part[start : start + BLOCK]) for part in (self.probes, self.entries))
            best.scatter_reduce_(0, rows, (probes[rows] * entries[columns]).sum(dim=1), "amax")
        return best

    def clear(self, cosines: Tensor, rows: slice, columns: slice) -> None:
        """Put -inf where a block (of these rows and columns) compares a probe with its own person."""
        first, last = np.searchsorted(self.probes, [rows.start, rows.stop])
        own_rows, own_columns = self.probes[first:last], self.entries[first:last]
        inside = (own_columns >= columns.start) & (own_columns < columns.stop)
        if inside.any():
            place = own_rows[inside] - rows.start, own_columns[inside] - columns.start
            cosines[torch.from_numpy(place[0]), torch.from_numpy(place[1])] = -torch.inf


def unit_rows(vectors: npt.ArrayLike, name: str) -> Tensor:
    """Return vectors (n, d) as float32 unit rows. Raises ValueError, naming them, for anything else."""
    array = np.asarray(vectors)
    if array.ndim != 2:
        raise ValueError(f"The {name} must be rows (n, d), found shape {array.shape}.")
    return _checked(_tensor(array), name, 0)


def scan(
    probes: Tensor,
    entries: npt.NDArray[Any] | Tensor,
    readers: Sequence[BlockReader],
    own: OwnEntries | None = None,
    name: str = "gallery",
    block: int = BLOCK,
    progress: bool = False,
) -> None:
    """Show every reader the cosines of all probes (n, d) with all entries (m, d), unit rows, block by block.

    entries may lie in a file (`np.load(..., mmap_mode="r")`), in any floating type: they are converted by the block
    and read once. Beyond what is given memory is block x (block + d) x 4 bytes, 20 MB with 512 dimensions. Cosines
    with a probe's `own` entries are shown as -inf. Raises ValueError for entries that are not unit rows of the probes'
    dimension.
    """
    buffer = torch.empty(min(block, len(probes)) * min(block, len(entries)))
    with tqdm(total=len(entries), desc=f"searching the {name}", unit="entry", disable=not progress, delay=1) as bar:
        for columns, part in _entry_blocks(entries, probes.shape[1], block, name):
            for start in range(0, len(probes), block):
                rows = slice(start, min(start + block, len(probes)))
                height, width = rows.stop - rows.start, len(part)
                cosines = buffer[: height * width].view(height, width)
                torch.mm(probes[rows], part.T, out=cosines)
                if own is not None:
                    own.clear(cosines, rows, columns)
                for reader in readers:
                    reader.take(rows, cosines)
            bar.update(len(part))


def _entry_blocks(
    array: npt.NDArray[Any] | Tensor, dimension: int, block: int, name: str
) -> Iterator[tuple[slice, Tensor]]:
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ValueError(f"The {name} must be rows of {dimension} dimensions, found shape {tuple(array.shape)}.")
    for start in range(0, len(array), block):
        part = array[start : start + block]
        columns = slice(start, start + len(part))
        if not isinstance(part, Tensor):
            part = _checked(_tensor(part), name, start)
        yield columns, part


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    # torch warns of what it could write to by mistake: a file mapped for reading is copied
    copy = None if array.flags.writeable else True
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C", copy=copy))


def _checked(rows: Tensor, name: str, start: int) -> Tensor:
    lengths = torch.linalg.vector_norm(rows, dim=1)
    wrong = torch.nonzero(~((lengths - 1).abs() < 1e-3))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"The {name} must be unit rows, found length {float(lengths[row]):.4g} in row {start + row}.")
    return rows
