"""Where packing starts."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperface_lib.sphere.arrays import normalise

# Equal points exert no force on each other, so copies of a gallery vector must be moved apart a little (radians).
_JITTER = 0.05
_TIE_BREAK = 1e-3


def random_points(n: int, dimension: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return `n` points uniform on the sphere, drawn on the CPU: the same for every device and dtype."""
    generator = torch.Generator().manual_seed(seed)
    return normalise(torch.randn(n, dimension, generator=generator, dtype=torch.float64)).to(dtype)


def gallery_points(gallery: Tensor, n: int, seed: int = 0) -> Tensor:
    """Return `n` unit points drawn from the rows of `gallery` (m, d).

    Without replacement while n <= m; beyond that every row once more in a new order, each copy turned by about
    0.05 radians. All are turned by 0.001 radians, which separates equal gallery rows.
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-n // len(gallery))
    order = torch.cat([torch.randperm(len(gallery), generator=generator) for _ in range(rounds)])[:n]
    noise = normalise(torch.randn(n, gallery.shape[1], generator=generator, dtype=torch.float64))
    size = torch.full((n, 1), _TIE_BREAK, dtype=torch.float64)
    size[len(gallery) :] = _JITTER
    return normalise(normalise(gallery.cpu().double())[order] + size * noise).to(gallery.dtype)
