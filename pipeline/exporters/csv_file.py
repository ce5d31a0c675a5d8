"""CSV that a spreadsheet can open without running what a record says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.types as pt

from pipeline.exporters import cells
from pipeline.exporters.atomic import replacing

# OWASP, "CSV Injection": = + - @ tab, carriage return, line feed and the full-width signs start
# a formula. Programs differ in what they skip before it, so quotes and blank characters count too.
# Written as characters, not as escapes, so that RE2 and `re` read the same pattern.
_SKIPPED = "'\"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
_FORMULA = f"^[{_SKIPPED}]*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]"
# A negative number is data, not a formula: longitudes must survive the trip.
_NUMBER = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


class CsvExporter:
    """Writes UTF-8 with a header; every text is quoted, null is empty, empty text is `""`.

    Text that a spreadsheet would run as a formula gets one leading single quote, which `unescape`
    takes off again. Maps and lists become JSON text, binary base64, times ISO 8601.
    """

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: str) -> int:
        """Write one line per row; see `Exporter.write`."""
        flat = pa.schema([pa.field(field.name, _flat(field.type)) for field in schema])
        # Names of columns come from the user's files as well.
        header = pa.schema(
            [pa.field(name, kind) for name, kind in zip(_names(flat), flat.types, strict=True)]
        )
        rows = 0
        with replacing(path) as sink, pacsv.CSVWriter(sink, header) as writer:
            for batch in batches:
                columns = [_column(column) for column in batch.columns]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=header))
                rows += batch.num_rows
        return rows


def escape(column: pa.Array) -> pa.Array:
    """Prefix every text that would run as a formula with a single quote."""
    runs = pc.and_not(
        pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, _NUMBER)
    )
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)


def unescape(cell: str) -> str:
    """Give back the text that `escape` was given."""
    rest = cell[1:]
    escaped = cell[:1] == "'" and re.match(_FORMULA, rest) and not _is_number(rest)
    return rest if escaped else cell


def _is_number(cell: str) -> bool:
    # In Python `$` also stands before a final line feed, in RE2 only at the end.
    return not cell.endswith("\n") and re.match(_NUMBER, cell) is not None


def _names(schema: pa.Schema) -> list[str]:
    return list(escape(pa.array(schema.names, pa.string())).to_pylist())


def _flat(kind: pa.DataType) -> pa.DataType:
    """The type a column has in the file: numbers and truth values stay, the rest is text."""
    keeps = pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind) or pt.is_date(kind)
    return kind if keeps else pa.string()


def _column(column: pa.Array) -> pa.Array:
    kind = column.type
    if pt.is_timestamp(kind):
        return cells.iso(column)
    if cells.is_nested(kind):
        return escape(cells.as_json(column))
    if cells.is_binary(kind):
        return escape(cells.encoded(column))
    return (
        column if _flat(kind) == kind and not pt.is_string(kind) else escape(column.cast("string"))
    )
