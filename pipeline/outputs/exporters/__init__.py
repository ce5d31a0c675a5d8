"""Writers of result files, one format per file; `contents` says what goes into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Protocol, assert_never

import pyarrow as pa

from pipeline.config import ExportSettings, Format
from pipeline.errors import ConfigError


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


def check_exports(exports: Iterable[ExportSettings]) -> None:
    """Find the exports that plainly cannot be written, before anything else is done.

    Raises:
        ConfigError: a path is a folder, lies below a file or in a folder that is not writable,
            needs a package that is not installed, or is written twice.
    """
    from pipeline.storage import writing_obstacle

    seen: set[str] = set()
    wrong = []
    for number, export in enumerate(exports):
        found = "another export is written there; give each its own" if export.path in seen else ""
        found = found or writing_obstacle(export.path)
        if export.format == "xlsx" and not find_spec("openpyxl"):
            found = "xlsx needs a package: pip install openpyxl, or choose csv"
        seen.add(export.path)
        if found:
            wrong.append(f"  exports.{number}.path: {found} (found {export.path!r})")
    if wrong:
        raise ConfigError("\n".join([f"{len(wrong)} export(s) cannot be written:", *wrong]))


def open_exporter(
    format: Format,  # noqa: A002  (the word users know from --format)
    *,
    spreadsheet_safe: bool = False,
) -> Exporter:
    """Return the exporter of `format`, importing only its own module; see `CsvExporter`."""
    match format:
        case "parquet":
            from pipeline.outputs.exporters.parquet import ParquetExporter

            return ParquetExporter()
        case "csv":
            from pipeline.outputs.exporters.csv_file import CsvExporter

            return CsvExporter(spreadsheet_safe)
        case "jsonl":
            from pipeline.outputs.exporters.jsonl import JsonlExporter

            return JsonlExporter()
        case "xlsx":
            from pipeline.outputs.exporters.xlsx import XlsxExporter

            return XlsxExporter()
    assert_never(format)
