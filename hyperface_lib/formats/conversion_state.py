"""How far a conversion came: kept as JSON with its result, so that the same call goes on after an interrupt."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from hyperface_lib.atomic import write_json
from hyperface_lib.formats.record_writer import RecordLayout

Kind = Literal["records", "lmdb", "folder", "shards"]
SUFFIX_OF = {"records": ".rec", "lmdb": ".lmdb"}
FORMAT = "hyperface conversion 1"


@dataclass
class Conversion:
    """What a conversion is and how far it came; lies as JSON with its result.

    skipped: the number of each unreadable image in the source's order, and why it was left out.
    """

    source: str
    fingerprint: str
    kind: Kind
    record_layout: RecordLayout
    images: int
    identities: int
    skipped: dict[int, str] = field(default_factory=dict)
    complete: bool = False


def place_of_state(target: Path, kind: Kind) -> Path:
    """Return where the state of a conversion lies: in its folder, or beside its file."""
    if kind == "records":
        return target.with_suffix(".conversion.json")
    return target.with_name(f"{target.name}.conversion.json") if kind == "lmdb" else target / "conversion.json"


def claim(target: Path, note: Path, wanted: Conversion) -> Conversion:
    """Return how far this conversion came; refuse a destination that is another's."""
    if not note.exists():
        taken = [target] if target.is_file() else []
        if target.is_dir():
            taken = [entry for entry in target.iterdir() if not entry.name.startswith(".")]
        if taken:
            raise ValueError(f"{target}: a new name or an unfinished conversion was expected, found {taken[0].name}.")
        note.parent.mkdir(parents=True, exist_ok=True)
        save_state(note, wanted)
        return wanted
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError("another format")
        values["skipped"] = {int(number): str(reason) for number, reason in values["skipped"].items()}
        there = Conversion(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{note} was expected to describe a conversion, found: {problem}.") from problem
    for name in ("fingerprint", "kind", "record_layout"):
        if getattr(there, name) != getattr(wanted, name):
            raise ValueError(
                f"{target}: images of {wanted.source} with {name} {getattr(wanted, name)} were expected, "
                f"found those of {there.source} with {getattr(there, name)}: choose another name."
            )
    return there


def save_state(note: Path, state: Conversion) -> None:
    """Write how far a conversion came, whole or not at all."""
    values = asdict(state)
    values["skipped"] = {str(number): reason for number, reason in sorted(state.skipped.items())}
    write_json(note, {"format": FORMAT, **values})
