"""Records of Python, written aside as a file that a source reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError

ROW = "gemel_row"  # position in what was given, from 0


def written_records(given: Any, folder: Path) -> tuple[list[str], str | None]:
    """Paths of what was given, and the column with the position of each record in it.

    Paths stay what they are, without such a column; all else is written into `folder`.

    Raises:
        PipelineError: it is nothing that holds records.
    """
    if isinstance(given, str | Path):
        return [str(given)], None
    if hasattr(given, "__arrow_c_stream__"):
        return [_table(pa.table(given), folder)], ROW
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas before Arrow's protocol
        return [_table(pa.Table.from_pandas(given, preserve_index=False), folder)], ROW
    if not isinstance(given, Iterable) or isinstance(given, Mapping | bytes):
        raise PipelineError(
            "give a list of texts or of dicts, a table of pandas, polars or Arrow, or paths "
            f"(found {type(given).__name__})"
        )
    items = list(given)
    if items and all(isinstance(item, Path) for item in items):
        return [str(item) for item in items], None
    if not items:
        raise PipelineError("there is no record to look at")
    return [_lines(items, folder)], ROW


def _table(table: pa.Table, folder: Path) -> str:
    path = folder / "records.parquet"
    table = table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))
    pq.write_table(table, path)
    return str(path)


def _lines(items: list[Any], folder: Path) -> str:
    path = folder / "records.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for place, item in enumerate(items):
            if isinstance(item, str):
                row: dict[str, Any] = {"text": item}
            elif isinstance(item, Mapping):
                row = {str(name): value for name, value in item.items()}
            else:
                raise PipelineError(
                    f"record {place} is neither a text nor a dict (found {type(item).__name__})"
                )
            file.write(json.dumps({**row, ROW: place}, default=str) + "\n")
    return str(path)
