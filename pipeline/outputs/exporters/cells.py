"""Columns as the text formats show them: times as ISO 8601, binary as base64, nested as JSON."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt


def iso(column: pa.Array) -> pa.Array:
    """Timestamps as ISO 8601 strings with all digits of their unit; `Z` when they have a zone."""
    if column.type.tz is None:
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%S")
    utc = column.cast(pa.timestamp(column.type.unit, tz="UTC"))
    return pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")


def is_nested(kind: pa.DataType) -> bool:
    """Tell whether a type needs JSON in a flat file."""
    return bool(pt.is_nested(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Tell whether a type holds bytes rather than text."""
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind))


def encode_binary(column: pa.Array) -> pa.Array:
    """Bytes as base64 text."""
    return pa.array(
        [None if cell is None else base64.b64encode(cell).decode() for cell in column.to_pylist()],
        pa.string(),
    )


def values(column: pa.Array) -> list[Any]:
    """A nested column as Python values; a map becomes an object with sorted keys."""
    if pt.is_map(column.type):
        return [None if cell is None else dict(sorted(cell)) for cell in column.to_pylist()]
    return list(column.to_pylist())


def as_json(column: pa.Array) -> pa.Array:
    """A nested column as JSON text."""
    cells = values(column)
    return pa.array(
        [
            None
            if cell is None
            else orjson.dumps(cell, default=json_default, option=orjson.OPT_UTC_Z).decode()
            for cell in cells
        ],
        pa.string(),
    )


def json_default(value: object) -> str:
    """What JSON has no form for: bytes inside lists or maps as base64, the rest as `str`."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
