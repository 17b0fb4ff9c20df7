"""What a recogniser was trained by, as far as it is stated: the line across which nothing is ranked or averaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

NOT_STATED = "not stated"
_LONGEST_TEXT = 160


@dataclass(frozen=True)
class Recipe:
    """How a recogniser was trained, whatever it was trained on: only rows of one recipe compare training sets.

    Every field is text as its source states it, "not stated" otherwise; the recipe named "not stated" is no recipe.
    """

    name: str = NOT_STATED
    backbone: str = NOT_STATED
    loss: str = NOT_STATED
    epochs: str = NOT_STATED
    batch_size: str = NOT_STATED
    optimiser: str = NOT_STATED
    augmentation: str = NOT_STATED

    @property
    def is_stated(self) -> bool:
        """Whether rows that carry this recipe are known to share it."""
        return self.name != NOT_STATED

    def __str__(self) -> str:
        if not self.is_stated:
            return f"recipe {NOT_STATED}"
        parts = {one.name.replace("_", " "): getattr(self, one.name) for one in fields(self)[1:]}
        known = [f"{name} {value}" for name, value in parts.items() if value != NOT_STATED]
        unknown = [name for name, value in parts.items() if value == NOT_STATED]
        if not known:
            return f"recipe {self.name}"
        return f"recipe {self.name}: {'; '.join(known)}" + (f"; {NOT_STATED}: {', '.join(unknown)}" if unknown else "")


def recipe_of_metadata(metadata: Mapping[str, Any]) -> Recipe:
    """Read the recipe that the kit's own recogniser files carry; without one the recipe is "not stated".

    The name holds six digits of a hash over everything but the seed, so that two files share a recipe only when all of
    it agrees.
    """
    given = metadata.get("recipe")
    if not isinstance(given, Mapping) or not given:
        return Recipe()
    settings = {str(name): value for name, value in given.items() if name != "seed"}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    steps = settings.get("max_steps")
    return Recipe(
        name=f"kit-{digest[:6]}",
        backbone=_text(settings.get("architecture")),
        loss=_joined(settings.get("head"), settings.get("head_options")),
        epochs=f"{_text(steps)} steps" if steps is not None else _text(settings.get("epochs")),
        batch_size=_text(settings.get("batch_size")),
        optimiser=_joined(
            settings.get("optimiser"),
            {name: settings[name] for name in ("learning_rate", "schedule") if name in settings},
        ),
        augmentation=_joined(None, settings.get("augmentation")),
    )


def _text(value: Any) -> str:
    return NOT_STATED if value is None else " ".join(str(value).split())[:_LONGEST_TEXT]


def _joined(first: Any, options: Any) -> str:
    named = options.items() if isinstance(options, Mapping) else ()
    parts = [f"{str(name).replace('_', ' ')} {value}" for name, value in named]
    return _text(", ".join([*([] if first is None else [str(first)]), *parts]) or None)
