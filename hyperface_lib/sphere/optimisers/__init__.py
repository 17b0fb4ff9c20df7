"""How packing moves the points: one class each, chosen by name."""

from __future__ import annotations

from hyperface_lib.sphere.optimisers.adamw import AdamW
from hyperface_lib.sphere.optimisers.base import Optimiser
from hyperface_lib.sphere.optimisers.lbfgs import LBFGS
from hyperface_lib.sphere.optimisers.riemannian_adam import RiemannianAdam

OPTIMISERS: dict[str, type[RiemannianAdam] | type[AdamW] | type[LBFGS]] = {
    "riemannian-adam": RiemannianAdam,
    "adamw": AdamW,
    "lbfgs": LBFGS,
}


def create_optimiser(name: str) -> Optimiser:
    """Return a new optimiser by name; raises ValueError listing the names for one it does not know."""
    if name not in OPTIMISERS:
        raise ValueError(f"method must be one of auto, {', '.join(OPTIMISERS)}, found {name!r}.")
    return OPTIMISERS[name]()


__all__ = ["LBFGS", "OPTIMISERS", "AdamW", "Optimiser", "RiemannianAdam", "create_optimiser"]
