"""CSV that a spreadsheet can open without running what a record says."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.types as pt

from pipeline.outputs.exporters import cells
from pipeline.storage import escape, writing_stream


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
        with writing_stream(path) as sink, pacsv.CSVWriter(sink, header) as writer:
            for batch in batches:
                columns = [_column(column) for column in batch.columns]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=header))
                rows += batch.num_rows
        return rows


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
        return escape(cells.encode_binary(column))
    return (
        column if _flat(kind) == kind and not pt.is_string(kind) else escape(column.cast("string"))
    )
