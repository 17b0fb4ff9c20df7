"""The first nodes of an ONNX graph, read from the file's own encoding: enough to see how a network was exported.

An ONNX file is a protocol-buffer message: field 7 is the graph, whose field 1 repeats the nodes; in a node, field 3
is the name and field 4 the operation. Reading just these needs no package and no copy of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GRAPH, _NODE, _NAME, _OPERATION = 7, 1, 3, 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Node:
    """A node's name and operation."""

    name: str
    operation: str


def first_nodes(path: str | Path, count: int) -> list[Node]:
    """Return the first `count` nodes of the graph. Raises ValueError if the file is not encoded like ONNX."""
    content = memoryview(Path(path).read_bytes())
    nodes: list[Node] = []
    try:
        for field, graph in _fields(content):
            if field != _GRAPH:
                continue
            for inner, node in _fields(graph):
                if inner == _NODE:
                    parts = dict(_fields(node))
                    nodes.append(Node(_text(parts.get(_NAME)), _text(parts.get(_OPERATION))))
                    if len(nodes) == count:
                        return nodes
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not encoded like an ONNX file: {error}") from error
    return nodes


def _text(value: memoryview | None) -> str:
    return "" if value is None else bytes(value).decode("utf-8")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the length-delimited fields of a message; other kinds are passed over."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            _, place = _varint(message, place)
        elif kind == _FIXED64:
            place += 8
        elif kind == _FIXED32:
            place += 4
        elif kind == _BYTES:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise IndexError("a field is longer than the file")
            yield key >> 3, message[place : place + length]
            place += length
        else:
            raise IndexError(f"unknown field kind {kind}")


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise IndexError("a number is too long")
