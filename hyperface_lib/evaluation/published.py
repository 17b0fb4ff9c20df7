"""Published accuracies as data: what papers and READMEs print, of which data set, trained by which recipe."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hyperface_lib.assets import asset
from hyperface_lib.evaluation.recipes import Recipe
from hyperface_lib.evaluation.table import FIVE_BENCHMARKS

KINDS = ("synthetic", "real")
EVIDENCE = {"source": "read in the source itself", "elsewhere": "read in another public text"}
RATES = {
    "ijb-b@1e-4": "IJB-B TPR@FPR=1e-4",
    "ijb-c@1e-4": "IJB-C TPR@FPR=1e-4",
    "ijb-c@1e-5": "IJB-C TPR@FPR=1e-5",
}
"""True positive rates of IJB's 1:1 protocol that stand beside accuracies, and how a table names them."""
_LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    name: the training set, of which kind, identities and images are told (None where not stated).
    accuracies: set -> 10-fold accuracy in per cent, of the field's five. true_positive_rates: key of `RATES` -> per
    cent. source: paper or README. evidence: a key of `EVIDENCE`. remarks: on the row; source_remarks: on its table.
    printed_average: what the source prints, kept to be checked and shown nowhere as an average.
    """

    name: str
    kind: str
    identities: int | None
    images: int | None
    accuracies: Mapping[str, float]
    true_positive_rates: Mapping[str, float]
    recipe: Recipe
    source: str
    evidence: str
    remarks: str = ""
    source_remarks: str = ""
    printed_average: float | None = field(default=None, repr=False)

    @property
    def average(self) -> float | None:
        """The mean over the five benchmarks in per cent, computed here; None when a set is missing."""
        if set(self.accuracies) != set(FIVE_BENCHMARKS):
            return None
        return math.fsum(self.accuracies.values()) / len(FIVE_BENCHMARKS)


def load_published(folder: str | Path | None = None) -> tuple[PublishedRow, ...]:
    """Read the published rows of every *.json in `folder`, by default those that ship with the kit (data/published).

    A file holds "source" (name, kind, evidence, remarks), "recipes" (name -> fields of `Recipe`) and "rows" (fields of
    `PublishedRow`, the recipe by its name or null). Raises FileNotFoundError for a missing or empty folder, and
    ValueError, naming file and row, for unknown fields, sets or recipes, and for values that are no per cent.
    """
    chosen = asset("published") if folder is None else Path(folder)
    files = sorted(chosen.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"{chosen} was expected to hold published tables (*.json), found none.")
    return tuple(row for file in files for row in _read(file))


def _read(file: Path) -> list[PublishedRow]:
    if file.stat().st_size > _LARGEST_FILE_BYTES:
        raise ValueError(f"{file}: a table of at most {_LARGEST_FILE_BYTES:,} bytes was expected, found a larger file.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{file} was expected to be JSON in UTF-8 text, found: {problem}.") from None
    content = _fields(content, str(file), {"source": dict, "recipes": dict, "rows": list})
    source = _fields(
        content["source"], f"{file}, source", {"name": str, "kind": str, "evidence": str}, {"remarks": str}
    )
    if source["evidence"] not in EVIDENCE:
        raise ValueError(
            f"{file}, source: evidence must be one of {', '.join(EVIDENCE)}, found {source['evidence']!r}."
        )
    optional = {one.name: str for one in fields(Recipe)[1:]}
    recipes = {
        name: Recipe(name, **_fields(given, f"{file}, recipe {name!r}", {}, optional))
        for name, given in content["recipes"].items()
    }
    rows = [
        _row(given, f"{file}, row {number}", recipes, source) for number, given in enumerate(content["rows"], start=1)
    ]
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{file}: rows of different names were expected, found {twice!r} twice.")
    return rows


def _row(given: Any, where: str, recipes: Mapping[str, Recipe], source: Mapping[str, str]) -> PublishedRow:
    required = {"name": str, "kind": str, "accuracies": dict}
    optional = {
        "identities": int | None,
        "images": int | None,
        "true_positive_rates": dict,
        "recipe": str | None,
        "remarks": str,
        "printed_average": int | float,
    }
    values = _fields(given, where, required, optional)
    where = f"{where} ({values['name']!r})"
    if values["kind"] not in KINDS:
        raise ValueError(f"{where}: kind must be synthetic or real, found {values['kind']!r}.")
    for name in ("identities", "images"):
        if values.get(name) is not None and values[name] < 1:
            raise ValueError(f"{where}: {name} must be a positive number or null, found {values[name]}.")
    recipe = values.get("recipe")
    if recipe is not None and recipe not in recipes:
        raise ValueError(f"{where}: recipe must be null or one of {', '.join(recipes) or 'none'}, found {recipe!r}.")
    printed = values.get("printed_average")
    return PublishedRow(
        name=values["name"],
        kind=values["kind"],
        identities=values.get("identities"),
        images=values.get("images"),
        accuracies=_per_cents(values["accuracies"], where, FIVE_BENCHMARKS),
        true_positive_rates=_per_cents(values.get("true_positive_rates", {}), where, tuple(RATES)),
        recipe=Recipe() if recipe is None else recipes[recipe],
        source=source["name"],
        evidence=source["evidence"],
        remarks=values.get("remarks", ""),
        source_remarks=source.get("remarks", ""),
        printed_average=None if printed is None else _per_cent(printed, f"{where}, printed_average"),
    )


def _per_cents(given: Mapping[str, Any], where: str, known: tuple[str, ...]) -> dict[str, float]:
    for name in given:
        if name not in known:
            raise ValueError(f"{where}: sets among {', '.join(known)} were expected, found {name!r}.")
    return {name: _per_cent(given[name], f"{where}, {name}") for name in known if name in given}


def _per_cent(value: Any, where: str) -> float:
    # A bool is an int in Python, and NaN compares false with everything.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"{where}: a number of per cent from 0 to 100 was expected, found {value!r}.")
    return float(value)


def _fields(
    given: Any, where: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the fields of a JSON object after checking names and types; `optional` may be left out."""
    known = {**required, **(optional or {})}
    if not isinstance(given, dict):
        raise ValueError(f"{where}: a JSON object was expected, found {type(given).__name__}.")
    for name in required:
        if name not in given:
            raise ValueError(f"{where}: the field {name!r} was expected, found {', '.join(given) or 'none'}.")
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{where}: fields among {', '.join(known)} were expected, found {name!r}.")
        if isinstance(value, bool) or not isinstance(value, known[name]):
            raise ValueError(
                f"{where}: {name} must be {_words(known[name])}, found {value!r:.60} ({type(value).__name__})."
            )
    return given


def _words(kind: Any) -> str:
    words: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", dict: "an object", list: "a list"}
    return " or ".join(words.get(one, "null") for one in getattr(kind, "__args__", (kind,)))
