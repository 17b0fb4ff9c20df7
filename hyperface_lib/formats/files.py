"""What every reader asks first: that there is a file, that it is a file, and that it is text where text is read."""

from __future__ import annotations

from pathlib import Path


def require_file(path: str | Path, kind: str) -> Path:
    """Return `path`; `kind` names what it should be, such as "a pair list".

    Raises FileNotFoundError when nothing is there, and ValueError when it is a folder or a device.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: {kind} was expected, found nothing there.")
    if not path.is_file():
        raise ValueError(f"{path}: {kind} was expected, found {not_a_file(path)}.")
    return path


def not_a_file(path: Path) -> str:
    """Name what is there instead of a file."""
    return "a folder" if path.is_dir() else "a device or a pipe"


def read_text(path: str | Path, kind: str, encoding: str = "utf-8") -> str:
    """Return the text of a file. Raises as `require_file`, and ValueError naming the first byte that is no UTF-8."""
    path = require_file(path, kind)
    try:
        return path.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {kind} in UTF-8 text was expected, found byte {error.start} undecodable.") from None
