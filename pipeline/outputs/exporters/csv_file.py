"""CSV as it is, or such that a spreadsheet can open it without running what a record says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.types as pt

from pipeline.outputs.exporters import cells
from pipeline.storage import escape, writing_stream

# Columns of ids: never altered, or nothing could be joined with them.
IDS = frozenset(
    {"record_id", "key", "left_id", "right_id", "representative", "kept", "cluster_id", "source"}
)
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class CsvExporter:
    """Writes UTF-8 with a header; every text is quoted, null is empty, empty text is `""`.

    Maps and lists become JSON text, binary base64, times ISO 8601.

    Attributes:
        spreadsheet_safe: text that a spreadsheet would run as a formula gets one leading single
            quote, which `unescape` takes off again, but for ids; the file begins with the mark by
            which spreadsheets know UTF-8.
    """

    spreadsheet_safe: bool = False

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: str) -> int:
        """Write one line per row; see `Exporter.write`."""
        flat = pa.schema([pa.field(field.name, _flat(field.type)) for field in schema])
        # Names of columns come from the user's files as well.
        names = self._safe(pa.array(flat.names, pa.string())).to_pylist()
        header = pa.schema([pa.field(n, t) for n, t in zip(names, flat.types, strict=True)])
        rows = 0
        with writing_stream(path) as sink:
            if self.spreadsheet_safe:
                sink.write(BOM)
            with pacsv.CSVWriter(sink, header) as writer:
                for batch in batches:
                    columns = [self._cells(batch[name], name) for name in schema.names]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=header))
                    rows += batch.num_rows
        return rows

    def _cells(self, column: pa.Array, name: str) -> pa.Array:
        kind = column.type
        if pt.is_timestamp(kind):
            return cells.iso(column)
        if cells.is_nested(kind):
            column = cells.as_json(column)
        elif cells.is_binary(kind):
            column = cells.encode_binary(column)
        elif _flat(kind) == kind and not pt.is_string(kind):
            return column
        text = column.cast("string")
        return text if name in IDS else self._safe(text)

    def _safe(self, text: pa.Array) -> pa.Array:
        return escape(text) if self.spreadsheet_safe else text


def _flat(kind: pa.DataType) -> pa.DataType:
    """The type a column has in the file: numbers and truth values stay, the rest is text."""
    keeps = pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind) or pt.is_date(kind)
    return kind if keeps else pa.string()
