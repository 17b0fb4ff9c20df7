"""Identity vectors and what they mean: which embedder made them, of whom, and how they are normed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hyperface_lib.atomic import atomic_path

FORMAT = "hyperface identity vectors 1"
# float32 rows divided by their own norm are within 1e-6 of one; what was stored as fp16 is within 1e-3.
UNIT_TOLERANCE = 2e-3


def fingerprint_of(thing: Any) -> tuple[str, str]:
    """Return (name, fingerprint) of the embedder that `thing` speaks of.

    `thing` is an embedder, a generator (which is conditioned on one), or identity vectors; TypeError for anything else.
    """
    for name, fingerprint in (
        ("embedder_name", "embedder_fingerprint"),
        ("name", "embedder_fingerprint"),
        ("embedder", "fingerprint"),
        ("name", "fingerprint"),
    ):
        if hasattr(thing, name) and hasattr(thing, fingerprint):
            return str(getattr(thing, name)), str(getattr(thing, fingerprint))
    raise TypeError(f"expected an embedder, with a name and a fingerprint, found {type(thing).__name__}")


@dataclass(frozen=True, eq=False)
class IdentityVectors:
    """Vectors (n, d) float32, one row an identity or an image, with the embedder that gives them their meaning.

    `norm` is "unit" (rows on the sphere, checked) or "raw" (un-normalised features: their length carries quality).
    `ids` names each row. `provenance` says how they came to be: plain JSON values. `source` is set on reading: the
    run and file they come from. Raises ValueError in one sentence for shapes, norms or values that do not fit.
    """

    vectors: NDArray[np.float32]
    ids: Sequence[str]
    embedder: str
    fingerprint: str
    norm: Literal["unit", "raw"] = "unit"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        vectors = np.ascontiguousarray(_as_array(self.vectors), dtype=np.float32)
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "ids", tuple(str(one) for one in self.ids))
        if vectors.ndim != 2 or 0 in vectors.shape:
            raise ValueError(f"identity vectors: expected a filled array (n, d), found shape {vectors.shape}")
        if len(self.ids) != len(vectors):
            raise ValueError(
                f"identity vectors: expected one id for each of {len(vectors)} rows, found {len(self.ids)}"
            )
        if self.norm not in ("unit", "raw"):
            raise ValueError(f'identity vectors: expected norm "unit" or "raw", found {self.norm!r}')
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise ValueError(
                f"identity vectors: expected finite numbers, found NaN or infinity in {len(bad)} rows, first {bad[0]}"
            )
        if self.norm == "unit":
            off = np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1)
            if off.max() > UNIT_TOLERANCE:
                worst = int(off.argmax())
                length = np.linalg.norm(vectors[worst].astype(np.float64))
                raise ValueError(f"identity vectors: expected rows of length 1, found {length:.4g} in row {worst}")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Return d, the number of coordinates of a row."""
        return int(self.vectors.shape[1])

    def require(self, embedder: Any) -> Self:
        """Return self if `embedder` (or generator, or other identity vectors) speaks of the same space.

        Raises ValueError that names both: vectors of one embedder mean nothing to another.
        """
        name, fingerprint = fingerprint_of(embedder)
        if fingerprint != self.fingerprint:
            where = f" ({self.source})" if self.source else ""
            raise ValueError(
                f"these vectors{where} were made by embedder {self.embedder!r} (fingerprint {self.fingerprint}), "
                f"but embedder {name!r} (fingerprint {fingerprint}) is needed: their spaces have nothing in common"
            )
        return self

    def with_source(self, source: str) -> Self:
        """Return the same vectors with another note of where they were read."""
        return replace(self, source=source)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a safetensors file, whole or not at all: tensor `vectors`, the rest as JSON in its metadata."""
        target = Path(path)
        meta = {
            "format": FORMAT,
            "ids": list(self.ids),
            "embedder": self.embedder,
            "fingerprint": self.fingerprint,
            "norm": self.norm,
            "provenance": dict(self.provenance),
        }
        try:
            text = json.dumps(meta, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"{target}: provenance must be plain finite JSON values, found: {problem}") from problem
        with atomic_path(target) as temporary:
            save_file({"vectors": self.vectors}, temporary, metadata={"hyperface": text})
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, checked in full.

        Raises FileNotFoundError or ValueError, one sentence naming the file, what was expected and what was found.
        """
        file = Path(path)
        if not file.is_file():
            raise FileNotFoundError(f"{file}: expected a file of identity vectors, found none")
        try:
            with safe_open(file, framework="numpy") as opened:
                meta_text = (opened.metadata() or {}).get("hyperface", "")
                names = list(opened.keys())
                vectors = opened.get_tensor("vectors") if "vectors" in names else None
        except (SafetensorError, OSError, ValueError, TypeError) as problem:
            raise ValueError(
                f"{file}: expected a safetensors file of identity vectors, found: {_first_line(problem)}"
            ) from problem
        if vectors is None or not meta_text:
            raise ValueError(f"{file}: expected tensor 'vectors' and the kit's metadata, found tensors {names}")
        try:
            meta = json.loads(meta_text)
            if meta["format"] != FORMAT:
                raise ValueError(f"format {meta['format']!r}")
            return cls(
                vectors=vectors,
                ids=meta["ids"],
                embedder=meta["embedder"],
                fingerprint=meta["fingerprint"],
                norm=meta["norm"],
                provenance=meta["provenance"],
                source=str(file),
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{file}: expected {FORMAT!r}, found: {_first_line(problem)}") from problem


def _as_array(values: Any) -> NDArray[Any]:
    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)


def _first_line(problem: BaseException) -> str:
    text = str(problem).strip() or type(problem).__name__
    return text.splitlines()[0]
