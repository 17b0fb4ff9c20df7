"""How packing moves the points: one class each, chosen by name."""

from __future__ import annotations

from collections.abc import Callable

from hyperface_lib.sphere.optimisers.adamw import AdamW
from hyperface_lib.sphere.optimisers.base import Move, Optimiser
from hyperface_lib.sphere.optimisers.lbfgs import LBFGS
from hyperface_lib.sphere.optimisers.minibatch import MiniBatch
from hyperface_lib.sphere.optimisers.riemannian_adam import RiemannianAdam
from hyperface_lib.sphere.optimisers.rmsprop import RMSProp
from hyperface_lib.sphere.optimisers.sgd import RiemannianSGD

OPTIMISERS: dict[str, Callable[[], Optimiser]] = {
    "riemannian-adam": RiemannianAdam,
    "adamw": AdamW,
    "lbfgs": LBFGS,
    "sgd": RiemannianSGD,
    "rmsprop": RMSProp,
    "minibatch-adam": MiniBatch,
}


def create_optimiser(name: str) -> Optimiser:
    """Return a new optimiser by name; raises ValueError listing the names for one it does not know."""
    if name not in OPTIMISERS:
        raise ValueError(f"method must be one of auto, {', '.join(OPTIMISERS)}, found {name!r}.")
    return OPTIMISERS[name]()


__all__ = [
    "LBFGS",
    "OPTIMISERS",
    "AdamW",
    "MiniBatch",
    "Move",
    "Optimiser",
    "RMSProp",
    "RiemannianAdam",
    "RiemannianSGD",
    "create_optimiser",
]
