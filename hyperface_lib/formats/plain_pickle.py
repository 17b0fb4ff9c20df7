"""Pickles of lists, bytes, truth values and arrays of numbers, read without letting them call or allocate anything.

Python's own unpickler in C reserves what a pickle asks for before it looks whether the file holds it; the one in Python
does not, and where the objects are large, as encoded images are, it is as fast.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any, ClassVar

import numpy as np

_NUMBERS = frozenset("?bBhHiIlLqQfd")
_ARRAY = "numpy.ndarray"


class PlainPickleError(ValueError):
    """What is wrong with a pickle, worded to follow "found"."""


def load_plain(content: bytes) -> Any:
    """Return what a pickle of Python 2 or 3 holds. Raises PlainPickleError: cut off, no pickle, anything not plain."""
    if not content:
        raise PlainPickleError("an empty file")
    try:
        try:
            return _PlainUnpickler(io.BytesIO(content)).load()
        except UnicodeDecodeError:  # written by Python 2
            return _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    except PlainPickleError:
        raise
    except Exception as error:
        # A pickle ends with a full stop.
        if isinstance(error, EOFError | struct.error) or not content.endswith(b"."):
            raise PlainPickleError(f"{len(content)} bytes that end in the middle of a pickle") from error
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise PlainPickleError(f"bytes {content[:8]!r} that are no whole pickle: {reason}") from error


class _PlainUnpickler(pickle._Unpickler):  # type: ignore[misc, name-defined, unused-ignore]
    """Stands in for each function that a pickle of plain arrays calls with one that takes nothing else."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined, unused-ignore]

    def load_bytearray8(self: Any) -> None:
        """Read a byte array as bytes, without reserving its length first."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(length))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def find_class(self, module: str, name: str) -> Any:
        found = _STAND_INS.get((module, name))
        if found is None:
            raise PlainPickleError(f"a pickle that asks for {module}.{name}"[:120])
        return found


def _new_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """Stand in for numpy's `_reconstruct`: an empty array, filled by the state that follows."""
    if kind != _ARRAY or shape not in ((0,), [0]):
        raise PlainPickleError("an array made in another way than numpy's")
    return np.empty(0, np.uint8)


def _dtype(code: Any, *_: Any) -> np.dtype[Any]:
    """Stand in for `numpy.dtype`: numbers and truth values only."""
    text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
    if not isinstance(text, str) or len(text) > 3:
        raise PlainPickleError("an array of something else than numbers")
    dtype = np.dtype(text)
    if dtype.char not in _NUMBERS:
        raise PlainPickleError(f"an array of {dtype}, not of numbers")
    # The state that follows is set on a copy.
    return np.dtype(text, copy=True)  # type: ignore[call-overload, no-any-return, unused-ignore]


def _scalar(dtype: Any, content: Any) -> Any:
    """Stand in for numpy's `scalar`."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(dtype, np.dtype) or not isinstance(raw, bytes) or len(raw) != dtype.itemsize:
        raise PlainPickleError("a number of another size than its type's")
    return np.frombuffer(raw, dtype)[0]


def _array_of_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """Stand in for numpy's `_frombuffer`, which pickles of protocol 5 call."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand in for `_codecs.encode`: how pickles for Python 2 write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise PlainPickleError(f"text to be encoded as {str(encoding)[:40]!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
for _core in ("core", "_core"):  # numpy 1 and numpy 2
    _STAND_INS[f"numpy.{_core}.multiarray", "_reconstruct"] = _new_array
    _STAND_INS[f"numpy.{_core}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"numpy.{_core}.numeric", "_frombuffer"] = _array_of_buffer
