"""Texts of Arrow values that no cast writes well: nested ones, bytes, numbers with an exponent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.ingestion.sources.tabular import printable_text

_CONTROLS = r"[\x00-\x08\x0e-\x1a\x1c-\x1f]"  # in no text: all but white space and the escape
_CONTROL = re.compile(_CONTROLS.encode())


def nested_as_text(column: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return lists, structs and maps as compact JSON, null where they hold nothing.

    The second array marks those that hold a string which is not UTF-8.
    """
    bad = np.zeros(len(column), dtype=bool)
    try:
        values = column.to_pylist()
        return pa.array([_json(value) for value in values], pa.string()), bad
    except ValueError:  # odd strings, and times that Python has no type for
        texts = []
        for row, scalar in enumerate(column):
            odd: list[str] = []
            texts.append(_json(_plain(scalar, odd)))
            bad[row] = bool(odd)
        return pa.array(texts, pa.string()), bad


def texts_of_bytes(column: pa.Array, *, hexadecimal: bool) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return strings or bytes as strings.

    Args:
        hexadecimal: bytes that are no text, and those of a type of one width, are written 0x and
            hexadecimals, and are fine; else the second array marks them, and their odd bytes are
            written \\\\xNN.
    """
    bad = np.zeros(len(column), dtype=bool)
    data = column.cast(pa.binary())
    if hexadecimal and pa.types.is_fixed_size_binary(
        column.type
    ):  # a UUID or a hash, some of which happen to spell something
        written = [value if value is None else f"0x{value.hex()}" for value in data.to_pylist()]
        return pa.array(written, pa.string()), bad
    try:
        texts = data.cast(pa.string())
        if not hexadecimal or not pc.any(pc.match_substring_regex(texts, _CONTROLS)).as_py():
            return texts, bad
    except pa.ArrowInvalid:
        pass
    values = data.to_pylist()
    if hexadecimal:
        return pa.array([None if v is None else _shown(v) for v in values], pa.string()), bad
    texts = [None if value is None else printable_text(value) for value in values]
    bad = np.array([value is not None and not _is_utf8(value) for value in values], dtype=bool)
    return pa.array(texts, pa.string()), bad


def spell_out(column: pa.Array, *, sign: str, spell: Callable[[Any], str]) -> pa.Array:
    """Return numbers as strings: as a cast writes them, those it writes with `sign` by `spell`."""
    plain = column.cast(pa.string())
    odd = pc.fill_null(pc.match_substring(plain, sign), False)
    if not pc.any(odd).as_py():
        return plain
    texts = [spell(value) for value in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(plain, odd, pa.array(texts, pa.string()))


def _json(value: Any) -> str | None:
    if not value:
        return None
    return orjson.dumps(value, default=_shown).decode()


def _shown(value: Any) -> str:
    """Bytes as the text they are or as hexadecimals; other values as Python writes them."""
    if not isinstance(value, bytes):
        return str(value)
    return value.decode() if _is_utf8(value) and not _CONTROL.search(value) else f"0x{value.hex()}"


def _plain(scalar: pa.Scalar, odd: list[str]) -> Any:
    """A value that JSON can hold; strings that are not UTF-8 are added to `odd`."""
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(scalar.value, odd)
    if pa.types.is_map(kind):
        return [[_plain(part, odd) for part in entry.values()] for entry in scalar.values]
    if pa.types.is_struct(kind):
        return {name: _plain(scalar[name], odd) for name in scalar}
    if pa.types.is_nested(kind):
        return [_plain(part, odd) for part in scalar.values]
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        odd.append(printable_text(scalar.as_buffer().to_pybytes()))
        return odd[-1]
    except ValueError:
        return scalar.cast(pa.string()).as_py()


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
