"""The numbers in a TensorFlow Lite file, in the order in which its network uses them.

The file is a FlatBuffer: tables of offsets, little-endian, each beginning with how far before it
its own list of fields stands (https://flatbuffers.dev/internals, and TensorFlow's schema.fbs).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["constants"]

# Places of the fields in schema.fbs.
_MODEL_SUBGRAPHS, _MODEL_BUFFERS = 2, 4
_GRAPH_TENSORS, _GRAPH_OPERATORS = 0, 3
_OPERATOR_INPUTS = 1
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER = 0, 1, 2
_BUFFER_DATA = 0
_FLOAT32 = 0


def constants(data: bytes) -> Iterator[NDArray[np.float32]]:
    """The float32 tensors stored in the file, shaped, operator after operator of its first graph.

    Only for files whose checksum is known: the offsets in them are believed.
    """
    model = _offset(data, 0)
    graph = _tables(data, _field(data, model, _MODEL_SUBGRAPHS))[0]
    buffers = _tables(data, _field(data, model, _MODEL_BUFFERS))
    tensors = _tables(data, _field(data, graph, _GRAPH_TENSORS))
    for operator in _tables(data, _field(data, graph, _GRAPH_OPERATORS)):
        for number in _numbers(data, _field(data, operator, _OPERATOR_INPUTS), "<i4"):
            tensor = tensors[number]
            kind, buffer = (_field(data, tensor, f) for f in (_TENSOR_TYPE, _TENSOR_BUFFER))
            if buffer is None or (kind is not None and data[kind] != _FLOAT32):
                continue
            at = _field(data, buffers[struct.unpack_from("<I", data, buffer)[0]], _BUFFER_DATA)
            if at is None:
                continue  # computed, not stored
            shape = _numbers(data, _field(data, tensor, _TENSOR_SHAPE), "<i4")
            yield _numbers(data, at, "u1").view("<f4").astype(np.float32).reshape(shape)


def _offset(data: bytes, at: int) -> int:
    """Where the offset written here leads."""
    return at + int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a table has a field, or None where it has its default."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * number
    if place >= struct.unpack_from("<H", data, fields)[0]:
        return None
    offset = struct.unpack_from("<H", data, fields + place)[0]
    return table + offset if offset else None


def _numbers(data: bytes, field: int | None, kind: str) -> NDArray[Any]:
    """The vector of numbers that a field leads to."""
    if field is None:
        return np.empty(0, kind)
    at = _offset(data, field)
    return np.frombuffer(data, kind, struct.unpack_from("<I", data, at)[0], at + 4)


def _tables(data: bytes, field: int | None) -> list[int]:
    """Where the tables are of the vector that a field leads to."""
    if field is None:
        return []
    at = _offset(data, field)
    count = struct.unpack_from("<I", data, at)[0]
    return [_offset(data, at + 4 + 4 * index) for index in range(count)]
