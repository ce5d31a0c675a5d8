"""Raw columns to ROWS: which column is the id, the text, the picture, the time, the rest.

Everything works on whole columns; only rejected rows and times are looked at one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_array
from pipeline.config import Columns
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.base import SourceBatch
from pipeline.ingestion.times import parse_times
from pipeline.storage import QUARANTINE, ROWS, STRINGS

RAW_LIMIT = 1 << 20  # characters kept of a bad row: any honest row, whole
# Behind the location of a row that was read again out of a broken one: it outranks no other.
REREAD = " (out of a broken row)"
_ABSOLUTE = r"^(/|[A-Za-z][A-Za-z0-9+.-]*://)"


def needed_columns(columns: Columns) -> list[tuple[str, str]]:
    """List the columns a configuration names, each with its field: ('columns.text', 'title')."""
    single = {"id": columns.id, "image": columns.image, "image_bytes": columns.image_bytes}
    pairs = [(f"columns.{field}", value) for field, value in single.items() if value]
    pairs += [("columns.text", name) for name in columns.text_columns]
    if columns.timestamp:
        pairs.append(("columns.timestamp", columns.timestamp))
    if columns.attributes != "*":
        pairs += [("columns.attributes", name) for name in columns.attributes]
    return pairs


def check_columns(columns: Columns, present: Sequence[str], *, where: str) -> None:
    """Hold the configured names to the columns that exist.

    Raises:
        ConfigError: one is missing or the input has a name twice.
    """
    twice = sorted({name for name in present if list(present).count(name) > 1})
    if twice:
        raise ConfigError(f"{where}: column name used twice: {', '.join(twice)}; rename one")
    for field, name in needed_columns(columns):
        if name not in present:
            raise ConfigError(
                f"{where}: {field} names '{name}', which is not there; "
                f"the columns are: {', '.join(present) or '(none)'}{_delimiter_of(present)}"
            )


def _delimiter_of(present: Sequence[str]) -> str:
    """What to set where the only column is a header that something else parts; else ''."""
    parts = ("\t", ";", "|", ",")
    found = [part for part in parts if len(present) == 1 and part in present[0]]
    return f"; set this source's delimiter: {json.dumps(found[0])}" if found else ""


def attribute_names(columns: Columns, present: Iterable[str]) -> list[str]:
    """Columns kept as attributes: never the id, a text column or the picture itself."""
    taken = {columns.id, columns.image_bytes, *columns.text_columns}
    chosen = present if columns.attributes == "*" else columns.attributes
    return [name for name in chosen if name not in taken]


def build_batch(
    raw: pa.Table,
    *,
    locations: pa.Array,
    origin: str | None,
    columns: Columns,
    source: str,
    image_root: str,
    attributes: pa.Array | None = None,
    show: Callable[[int], str] | None = None,
) -> SourceBatch:
    """Map raw columns (strings, but the picture's bytes) to ROWS; rows without id are rejected.

    Empty strings count as null in every column.

    Args:
        raw: n rows with at least the columns named in `columns`.
        locations: n strings 'file:row'.
        origin: `DataFile.identity` of the file.
        image_root: folder or URL that relative picture paths start from.
        attributes: a ready map, where the caller has it; else made from `raw`.
        show: a row for the quarantine; None: its columns in `raw`.
    """
    column = {name: _fill(as_array(raw[name])) for name in raw.column_names}
    if attributes is None:
        names = attribute_names(columns, raw.column_names)
        attributes = _maps(names, [column[name] for name in names], rows=raw.num_rows)
    key = (
        _blank_to_null(pc.utf8_trim_whitespace(column[columns.id]))
        if columns.id
        else pc.replace_substring(locations, REREAD, "")  # 'file:row', which nothing else has
    )
    others = {"key": key, "location": locations, "attributes": attributes}
    if origin is not None:
        row = pc.replace_substring_regex(locations, pattern=r"^.*:(\d+).*?$", replacement=r"\1")
        others["origin"] = pc.binary_join_element_wise(origin, row, ":")
    if columns.image_bytes:
        others["image_bytes"] = column[columns.image_bytes]
    if columns.timestamp:
        others["timestamp"] = parse_times(column[columns.timestamp])
    table = make_rows(
        {name: column[name] for name in columns.text_columns},
        named=columns.text_names,
        images=column[columns.image] if columns.image else None,
        image_root=image_root,
        **others,
    )
    if key.null_count == 0:
        return SourceBatch(table, QUARANTINE.empty_table())
    bad = pc.is_null(key)
    rows = np.flatnonzero(bad).tolist()
    shown = map(show, rows) if show else map(show_value, raw.take(pa.array(rows)).to_pylist())
    entries = [
        (locations[row].as_py(), "missing id", text) for row, text in zip(rows, shown, strict=True)
    ]
    return SourceBatch(table.filter(pc.invert(bad)), reject_rows(source, entries))


def make_rows(
    fields: Mapping[str, pa.Array],
    *,
    named: bool,
    images: pa.Array | None,
    image_root: str,
    **others: pa.Array,
) -> pa.Table:
    """Make ROWS of text columns, picture paths and the `others` by name; empty strings are null.

    Args:
        named: several texts are joined with the names of their columns.
    """
    names, texts = list(fields), [_fill(column) for column in fields.values()]
    rows = len(others["key"])
    columns = {
        "text": _serialise(names, texts, named=named) if texts else None,
        "image_uri": None if images is None else _uris(images, root=image_root),
        "joined": pa.repeat(len(texts) > 1, rows),
        "fields": _maps(names, texts, rows=rows),
        "attributes": _maps([], [], rows=rows),
        **others,
    }
    filled = [columns.get(field.name) for field in ROWS]
    return pa.table(
        [
            pa.nulls(rows, field.type) if column is None else column
            for field, column in zip(ROWS, filled, strict=True)
        ],
        schema=ROWS,
    )


def reject_rows(source: str, entries: Sequence[tuple[str, str, str | None]]) -> pa.Table:
    """Make quarantine rows of (location, reason, raw); raw is cut to `RAW_LIMIT`."""
    rows = [
        {
            "source": source,
            "location": printable_text(location),
            "reason": printable_text(reason),
            "raw": None if raw is None else printable_text(raw)[:RAW_LIMIT],
        }
        for location, reason, raw in entries
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE)


def with_partitions(raw: pa.Table, partitions: Mapping[str, str]) -> pa.Table:
    """The columns of a file with those that its folders `name=value` say, where it lacks them."""
    for name, value in partitions.items():
        if name not in raw.column_names:
            raw = raw.append_column(name, pa.repeat(pa.scalar(value), raw.num_rows))
    return raw


def printable_text(text: str | bytes) -> str:
    """Return text that is valid UTF-8; bytes that are not become \\xNN."""
    data = (
        text.encode("utf-8", "surrogateescape")
        if isinstance(text, str) and _odd_values(text)
        else text
    )
    return data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data


def show_value(row: dict[str, object]) -> str:
    """Show a row as compact JSON without its nulls and binary values."""
    kept = {k: v for k, v in row.items() if v is not None and not isinstance(v, bytes)}
    return orjson.dumps(kept, default=str).decode()


def _odd_values(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _fill(column: pa.Array) -> pa.Array:
    """Make empty strings null: CSV cannot tell them apart, so no format does."""
    return _blank_to_null(column) if column.type == pa.string() else column


def _blank_to_null(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.binary_length(column), 0), pa.scalar(None, pa.string()), column)


def _serialise(names: Sequence[str], values: Sequence[pa.Array], *, named: bool) -> pa.Array:
    """Join text columns as 'name: value; name: value', empty ones skipped; one column stays.

    Not `named`: as 'value; value'.
    """
    if len(values) == 1:
        return values[0]
    parts = [_blank_to_null(pc.utf8_trim_whitespace(value)) for value in values]
    if named:
        parts = [
            pc.binary_join_element_wise(f"{name}: ", part, "")
            for name, part in zip(names, parts, strict=True)
        ]
    # Without the leading "" Arrow 26 drops a row whose parts are all null.
    joined = pc.binary_join_element_wise("", *parts, "; ", null_handling="skip")
    return _blank_to_null(pc.utf8_slice_codeunits(joined, 2))


def _uris(paths: pa.Array, *, root: str) -> pa.Array:
    paths = _blank_to_null(pc.utf8_trim_whitespace(paths))
    below = pc.binary_join_element_wise(root.rstrip("/"), paths, "/")
    return pc.if_else(pc.match_substring_regex(paths, _ABSOLUTE), paths, below)


def _maps(names: Sequence[str], values: Sequence[pa.Array], *, rows: int) -> pa.Array:
    """Zip columns into one map per row, in column order, empty values left out."""
    if not values:
        return pa.MapArray.from_arrays(
            pa.array(np.zeros(rows + 1, np.int32)),
            pa.array([], pa.string()),
            pa.array([], pa.string()),
        )
    width = len(values)
    valid = np.stack([value.is_valid().to_numpy(zero_copy_only=False) for value in values], axis=1)
    # Item (row i, column j) sits at j * rows + i once the columns are laid end to end.
    order = np.arange(width * rows).reshape(width, rows).T[valid]
    columns = np.broadcast_to(np.arange(width), (rows, width))[valid]
    offsets = np.concatenate([[0], np.cumsum(valid.sum(axis=1))]).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.array(offsets),
        pa.array(names, pa.string()).take(pa.array(columns)),
        pa.concat_arrays(list(values)).take(pa.array(order)),
        type=STRINGS,
    )
