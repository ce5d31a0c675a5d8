"""Writers of result files, one format per file; `contents` says what goes into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, assert_never, get_args

import pyarrow as pa

Format = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)


class Exporter(Protocol):
    """Writes record batches to one file."""

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: str) -> int:
        """Write `batches`, all of `schema`, to `path`; return the number of rows written.

        `path` is a local path or an fsspec URL. Parent folders are created. The file appears
        under its name only when complete; if `batches` raises, an earlier file stays as it was.

        Raises:
            PipelineError: the place cannot be written.
        """
        ...


def open_exporter(format: Format) -> Exporter:  # noqa: A002  (the word users know from --format)
    """Return the exporter of `format`, importing only its own module."""
    match format:
        case "parquet":
            from pipeline.exporters.parquet import ParquetExporter

            return ParquetExporter()
        case "csv":
            from pipeline.exporters.csv_file import CsvExporter

            return CsvExporter()
        case "jsonl":
            from pipeline.exporters.jsonl import JsonlExporter

            return JsonlExporter()
    assert_never(format)
