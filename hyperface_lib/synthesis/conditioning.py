"""What the denoiser is told: who (an identity vector), how (a nuisance vector), and which of the two to believe."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from hyperface_lib.atomic import write_json

FORMAT = "hyperface conditioning 1"
# A factor further out than this was never seen in training; the network is not asked to extrapolate.
LARGEST_STANDARD_SCORE = 4.0
_CONFIG = "config.json"
_STATISTICS = "statistics.safetensors"


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Turn identity vectors and nuisance vectors into the denoiser's condition.

    names: the k entries of a nuisance vector. mean, scale: (k,) the statistics of the training pictures; scale is 0
    for an entry that never varied, so that the generator ignores what it never saw. bank: (m, k) nuisance vectors of
    real training pictures, to draw from. dimension: of the identity vectors.
    """

    dimension: int
    names: tuple[str, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    bank: NDArray[np.float16]

    def __post_init__(self) -> None:
        length = len(self.names)
        for name, array, shape in (
            ("mean", self.mean, (length,)),
            ("scale", self.scale, (length,)),
            ("bank", self.bank, (len(self.bank), length)),
        ):
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"conditioning: expected finite {name} of shape {shape}, found shape {array.shape}")
        if len(self.bank) == 0:
            raise ValueError("conditioning: expected at least one nuisance vector in the bank, found none")

    @classmethod
    def fitted(
        cls,
        nuisance_vectors: NDArray[np.floating],
        names: Sequence[str],
        dimension: int,
        bank_size: int = 1024,
        seed: int = 0,
    ) -> Self:
        """Measure mean and spread of training nuisance vectors (n, k) and keep a random `bank_size` of them."""
        vectors = np.asarray(nuisance_vectors, np.float64)
        mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
        # An entry that is on in one picture of a thousand would get scores of thirty: twenty is the most here.
        divisor = np.maximum(spread, 0.05 * np.abs(vectors - mean).max(axis=0))
        varies = spread > 1e-6
        scale = np.where(varies, 1.0 / np.where(varies, divisor, 1.0), 0.0)
        chosen = np.random.default_rng(seed).permutation(len(vectors))[:bank_size]
        return cls(
            dimension,
            tuple(names),
            mean.astype(np.float32),
            scale.astype(np.float32),
            vectors[np.sort(chosen)].astype(np.float16),
        )

    @property
    def nuisance_length(self) -> int:
        """The number k of entries of a nuisance vector."""
        return len(self.names)

    @property
    def length(self) -> int:
        """The length of a condition: identity, nuisance, and a keep flag for each."""
        return self.dimension + self.nuisance_length + 2

    def standardise(self, nuisance_vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Turn nuisance vectors (n, k) into standard scores (n, k), clipped. Raises ValueError for another k or NaN."""
        vectors = np.asarray(nuisance_vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.nuisance_length:
            raise ValueError(
                f"nuisance vectors: expected (n, {self.nuisance_length}) as the generator was trained with, "
                f"found {vectors.shape}"
            )
        if not np.isfinite(vectors).all():
            raise ValueError("nuisance vectors: expected finite numbers, found NaN or infinity")
        scores = (vectors - self.mean) * self.scale
        return np.clip(scores, -LARGEST_STANDARD_SCORE, LARGEST_STANDARD_SCORE).astype(np.float32)

    def draw(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Draw a nuisance vector (k,) from the bank for every seed; the same seed draws the same one."""
        rows = [int(np.random.default_rng((int(seed), 1)).integers(len(self.bank))) for seed in seeds]
        return self.bank[rows].astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write config.json and statistics.safetensors into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"mean": self.mean, "scale": self.scale, "bank": self.bank}, folder / _STATISTICS)
        write_json(folder / _CONFIG, {"format": FORMAT, "dimension": self.dimension, "names": list(self.names)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises FileNotFoundError or ValueError naming the file."""
        config = read_json(folder / _CONFIG)
        if config.get("format") != FORMAT:
            raise ValueError(f"{folder / _CONFIG}: expected format {FORMAT!r}, found {config.get('format')!r}")
        file = folder / _STATISTICS
        if not file.is_file():
            raise FileNotFoundError(f"{file}: expected the statistics of the nuisance, found none")
        try:
            tensors = load_file(file)
            return cls(
                int(config["dimension"]),
                tuple(str(name) for name in config["names"]),
                tensors["mean"].astype(np.float32),
                tensors["scale"].astype(np.float32),
                tensors["bank"].astype(np.float16),
            )
        except (SafetensorError, KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{file}: expected mean, scale and bank of the nuisance, found: {problem}") from problem


def condition(
    identities: Tensor, scores: Tensor, keep_identity: Tensor | None = None, keep_nuisance: Tensor | None = None
) -> Tensor:
    """Join unit identities (n, d), standard scores (n, k) and keep flags (n,) bool into conditions (n, d + k + 2).

    Identities are scaled by sqrt(d), so that their entries have unit variance like the scores. What is not kept is
    replaced by zeros, and its flag says so: that is how one network learns both branches of classifier-free guidance
    (Ho & Salimans 2022).
    """
    count, dimension = identities.shape
    flags = []
    for keep in (keep_identity, keep_nuisance):
        flag = identities.new_ones(count) if keep is None else keep.to(identities.dtype)
        flags.append(flag[:, None])
    return torch.cat([identities * math.sqrt(dimension) * flags[0], scores * flags[1], *flags], dim=1)


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object. Raises FileNotFoundError or ValueError naming the file."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a JSON file, found none")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"{file}: expected JSON, found: {problem}") from problem
    if not isinstance(values, dict):
        raise ValueError(f"{file}: expected a JSON object, found {type(values).__name__}")
    return values
