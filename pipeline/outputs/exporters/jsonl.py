"""One JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.types as pt

from pipeline.outputs.exporters import cells
from pipeline.storage import writing_stream

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class JsonlExporter:
    """Writes UTF-8 objects whose keys follow the schema; null is written, not left out.

    Times are ISO 8601, maps are objects with sorted keys, binary is base64. JSON has no NaN or
    infinity: they become null.
    """

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: str) -> int:
        """Write one object per row; see `Exporter.write`."""
        rows = 0
        with writing_stream(path) as sink:
            for batch in batches:
                columns = [_values(column) for column in batch.columns]
                for row in zip(*columns, strict=True):
                    line = dict(zip(schema.names, row, strict=True))
                    sink.write(orjson.dumps(line, default=cells.json_default, option=_OPTIONS))
                rows += batch.num_rows
        return rows


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pt.is_timestamp(kind):
        return list(cells.iso(column).to_pylist())
    if pt.is_float32(kind):
        # By way of the shortest decimal: 0.9, where a plain cast gives 0.8999999761581421.
        return list(column.cast(pa.string()).cast(pa.float64()).to_pylist())
    return cells.values(column)
