"""What mini-batches of points see of all pairs: the theory of stochastic packing (HyperFace, Algorithm 2).

A random batch of b of n points holds K = b (b - 1) / 2 of the N = n (n - 1) / 2 pairs, each with probability K / N. A
sum over pairs is therefore seen in proportion; the closest pair is not. The batch's closest pair is the pair of rank r
(1 is the closest of all) with probability P(r), so that the expectation of the hard maximum over the batch is the
weighted sum over all pairs sum_r P(r) cos_(r), a soft maximum with a gradient on all of the closest N / K pairs or so.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pair_probability(n: int, batch_size: int) -> float:
    """Return the probability b (b - 1) / (n (n - 1)) that a given pair of `n` points is in a random batch of b.

    It is also the factor between the gradient of a sum over pairs and its expectation over batches. Raises ValueError
    unless 2 <= batch_size <= n.
    """
    if not 2 <= batch_size <= n:
        raise ValueError(f"batch_size must be between 2 and n = {n}, found {batch_size}.")
    return batch_size * (batch_size - 1) / (n * (n - 1))


def closest_pair_rank_probabilities(n: int, batch_size: int, ranks: int | None = None) -> Tensor:
    """Return P(r), r = 1 ... `ranks`: how probably the pair of rank r is the closest of a random batch.

    The batch's K pairs are taken as a random subset of all N, whose smallest rank has
    P(r) = C(N - r, K - 1) / C(N, K), so P(1) = K / N and P(r + 1) / P(r) = 1 - (K - 1) / (N - r): nearly the geometric
    q (1 - q)^(r - 1) with q = K / N, of mean rank (N + 1) / (K + 1). Exact on average over all orders of the pairs; for
    the order given by points it neglects that pairs sharing a point are drawn together. `ranks` is all of them by
    default, the result float64 (ranks,). Raises ValueError unless 2 <= batch_size <= n and 1 <= ranks <= N.
    """
    first = pair_probability(n, batch_size)
    pairs, drawn = math.comb(n, 2), math.comb(batch_size, 2)
    count = pairs if ranks is None else ranks
    if not 1 <= count <= pairs:
        raise ValueError(f"ranks must be between 1 and the {pairs} pairs of {n} points, found {ranks}.")
    rank = torch.arange(1, count, dtype=torch.float64)
    # From rank N - K + 1 on, closer pairs would not leave enough others to fill the batch.
    ratios = (1 - (drawn - 1) / (pairs - rank)).clamp_(min=0)
    return first * torch.cat([torch.ones(1, dtype=torch.float64), ratios]).cumprod(dim=0)


def expected_batch_maximum(cosines: Tensor, n: int, batch_size: int) -> float:
    """Return sum_r P(r) cos_(r), the expected largest cosine of a random batch, from the `cosines` of all pairs of n.

    `cosines` has shape (n (n - 1) / 2,), in any order. Raises ValueError for another number of them.
    """
    if cosines.shape != (math.comb(n, 2),):
        raise ValueError(f"cosines must have shape ({math.comb(n, 2)},) for {n} points, found {tuple(cosines.shape)}.")
    ordered = cosines.double().sort(descending=True).values
    return float(ordered @ closest_pair_rank_probabilities(n, batch_size).to(ordered))
