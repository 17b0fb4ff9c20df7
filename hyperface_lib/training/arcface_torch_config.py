"""Configuration files of insightface's arcface_torch as recipes: read as text, never run.

Such a file is Python that fills `config = edict()`; only assignments of plain values to `config.<name>` are taken.
What is missing has the value of arcface_torch's own base file.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperface_lib.training.recipe import NO_AUGMENTATION, Recipe

_DEFAULTS: dict[str, Any] = {
    "margin_list": (1.0, 0.5, 0.0),
    "network": "r50",
    "embedding_size": 512,
    "sample_rate": 1.0,
    "fp16": False,
    "batch_size": 128,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "gradient_acc": 1,
    "seed": 2048,
    "num_epoch": 20,
    "warmup_epoch": 0,
}
_NETWORKS = {f"r{depth}": f"iresnet{depth}" for depth in (18, 34, 50, 100, 200)}
_SCALE = 64.0  # written in arcface_torch's training script, not in its configurations
_CLIP = 5.0  # so is this
_NAMED_MARGINS = {"arcface": (1.0, 0.5, 0.0), "cosface": (1.0, 0.0, 0.4)}
# What a recipe has no use for, and why.
_ELSEWHERE = {
    "rec": "the path of the data is an argument",
    "num_classes": "the classes are counted in the data",
    "num_image": "the images are counted in the data",
    "val_targets": "verification is a callback, or `hyperface evaluate` afterwards",
    "output": "the path of the result is an argument",
    "resume": "a run goes on from its checkpoint by itself",
    "save_all_states": "a checkpoint holds the whole state",
    "verbose": "verification is a callback with its own steps",
    "frequent": "a log is a callback with its own steps",
    "num_workers": "images are decoded in threads",
    "dali": "images are decoded in threads",
}
_WITHOUT_COUNTERPART = {
    "interclass_filtering_threshold": "no filter of near classes; 0 turns it off",
    "dali_aug": "its augmentations have no counterpart of the same name; see Augmentation",
}
_PREFIXES_ELSEWHERE = ("wandb", "using_wandb", "suffix_run_name", "save_artifacts")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class ImportedConfig:
    """A recipe, the file's values by name, and what a recipe does not say: {name: why}.

    `elsewhere` has a place in the kit outside recipes, `without_counterpart` has none, `unknown` is not a name of
    arcface_torch. `notes` say where the two trainers differ for the values of this file.
    """

    recipe: Recipe
    values: dict[str, Any]
    elsewhere: dict[str, str] = field(default_factory=dict)
    without_counterpart: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def report(self) -> str:
        """Return what was left out and what differs, a line each."""
        lines = [f"{name}: {why}" for name, why in self.elsewhere.items()]
        lines += [f"{name}: not taken over, {why}" for name, why in self.without_counterpart.items()]
        lines += [f"{name}: unknown, not taken over" for name in self.unknown]
        return "\n".join([*lines, *self.notes])


def read_arcface_torch_config(path: str | Path, processes: int = 1, images: int | None = None) -> ImportedConfig:
    """Read a configuration as a recipe with the same meaning as far as there is one.

    processes: how many devices the original was meant for, since its batch size is that of one device. images: the
    number of training images, in place of the file's `num_image`; needed where the file asks for a warm-up by epochs.
    Raises FileNotFoundError, or ValueError naming the file and the line of what is not a plain value, and the value
    of what this kit cannot train (another network than r18 ... r200, another optimiser, another loss).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no configuration {path}.")
    if processes < 1:
        raise ValueError(f"processes must be 1 or more, found {processes}")
    values = _read_values(path)
    known = values | {name: value for name, value in _DEFAULTS.items() if name not in values}
    notes: list[str] = []
    batch = _number(known, "batch_size", path, int) * processes * _number(known, "gradient_acc", path, int)
    head, options = _head(path, values, known, notes)
    optimiser = known["optimizer"]
    if optimiser not in ("sgd", "adamw"):
        raise ValueError(f"{path}: optimizer must be 'sgd' or 'adamw', found {optimiser!r}")
    if known["network"] not in _NETWORKS:
        raise ValueError(f"{path}: network must be one of {', '.join(_NETWORKS)}, found {known['network']!r}")
    recipe = Recipe(
        architecture=_NETWORKS[known["network"]],
        dimension=_number(known, "embedding_size", path, int),
        head=head,
        head_options=options,
        epochs=_number(known, "num_epoch", path, float),
        batch_size=batch,
        optimiser=optimiser,
        learning_rate=_number(known, "lr", path, float),
        momentum=_number(known, "momentum", path, float),
        weight_decay=_number(known, "weight_decay", path, float),
        warmup_steps=_warmup_steps(path, known, images, batch),
        schedule="poly",
        poly_power=1.0,
        final_fraction=0.0,
        margin_from=0.0,
        margin_full=0.0,
        clip_gradient=_CLIP,
        precision="float16" if known["fp16"] else "float32",
        augmentation=replace(NO_AUGMENTATION, flip=0.5),
        seed=_number(known, "seed", path, int),
        accumulation=_number(known, "gradient_acc", path, int),
        sample_rate=_number(known, "sample_rate", path, float),
    )
    notes.append(
        f"lr {known['lr']} is used as written, for {batch} images a step; `scaled_to_batch` gives it for another number"
    )
    if recipe.warmup_steps:
        notes.append("the rate falls from the first step on here, from the end of the warm-up there")
    others = [name for name in values if name not in _DEFAULTS and name != "loss"]
    elsewhere = {name: _ELSEWHERE[name] for name in others if name in _ELSEWHERE}
    elsewhere |= {name: "logs are callbacks" for name in others if name.startswith(_PREFIXES_ELSEWHERE)}
    without = {name: _WITHOUT_COUNTERPART[name] for name in others if name in _WITHOUT_COUNTERPART}
    unknown = tuple(sorted(name for name in others if name not in elsewhere and name not in without))
    return ImportedConfig(recipe, values, elsewhere, without, unknown, tuple(notes))


def _head(path: Path, values: Mapping[str, Any], known: Mapping[str, Any], notes: list[str]) -> tuple[str, Any]:
    """Return name and options of the head; arcface_torch lets the gradient through the margin as a constant."""
    margins = known["margin_list"]
    if "loss" in values and "margin_list" not in values:
        if values["loss"] not in _NAMED_MARGINS:
            raise ValueError(f"{path}: loss must be one of {', '.join(_NAMED_MARGINS)}, found {values['loss']!r}")
        margins = _NAMED_MARGINS[values["loss"]]
    numbers = isinstance(margins, tuple | list) and all(isinstance(m, int | float) for m in margins)
    if not numbers or len(margins) != 3:
        raise ValueError(f"{path}: margin_list must be three numbers (m1, m2, m3), found {margins!r}")
    factor, radians, cosine = (float(margin) for margin in margins)
    options: dict[str, Any] = {"scale": _SCALE, "gradient": "detached"}
    if factor == 1.0 and cosine == 0.0:
        return "arcface", options | {"margin_radians": radians}
    if factor == 1.0 and radians == 0.0:
        return "cosface", options | {"margin_cosine": cosine}
    notes.append(
        f"margin_list {tuple(margins)} is the combined margin s (cos(m1 theta + m2) - m3) here; "
        f"arcface_torch itself knows (1, m2, 0) and (1, 0, m3) only"
    )
    return "combined", options | {"margin_factor": factor, "margin_radians": radians, "margin_cosine": cosine}


def _warmup_steps(path: Path, known: Mapping[str, Any], images: int | None, batch: int) -> int:
    epochs = _number(known, "warmup_epoch", path, float)
    if not epochs:
        return 0
    count = images if images is not None else known.get("num_image")
    if not isinstance(count, int):
        raise ValueError(f"{path}: warmup_epoch {epochs} needs the number of images, found no num_image")
    return round(count // batch * epochs)


def _number(values: Mapping[str, Any], name: str, path: Path, kind: Callable[[Any], Any]) -> Any:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or kind(value) != value:
        raise ValueError(f"{path}: {name} must be a {'whole ' if kind is int else ''}number, found {value!r}")
    return kind(value)


def _read_values(path: Path) -> dict[str, Any]:
    """Return the values assigned to `config.<name>`, the last one where there are several."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"{path}{'' if line is None else f', line {line}'}: expected Python text: {error}") from error
    values: dict[str, Any] = {}
    for statement in tree.body:
        where = f"{path}, line {statement.lineno}"
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement):
            continue
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            raise ValueError(f"{where}: expected an assignment to config.<name>, found other code")
        target = statement.targets[0]
        if isinstance(target, ast.Name) and target.id == "config" and _is_empty_edict(statement.value):
            continue
        if not (
            isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "config"
        ):
            raise ValueError(f"{where}: expected an assignment to config.<name>, found one to {ast.unparse(target)!r}")
        values[target.attr] = _plain(statement.value, where)
    return values


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_empty_edict(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if not isinstance(value, ast.Call) or value.args or value.keywords:
        return False
    return ast.unparse(value.func).rpartition(".")[2].lower() in ("edict", "easydict", "dict")


def _plain(value: ast.expr, where: str) -> Any:
    """Return the value of a literal, or of arithmetic on numbers, which needs no names."""
    if isinstance(value, ast.BinOp) and type(value.op) in _OPERATORS:
        left, right = _plain(value.left, where), _plain(value.right, where)
        if all(isinstance(side, int | float) and not isinstance(side, bool) for side in (left, right)):
            try:
                return _OPERATORS[type(value.op)](left, right)
            except ArithmeticError as error:
                raise ValueError(f"{where}: {ast.unparse(value)!r} has no value: {error}") from error
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"{where}: expected a plain value, found {ast.unparse(value)!r}") from error
