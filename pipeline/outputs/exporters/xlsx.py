"""Workbooks: one sheet, a frozen header, a block of rows per group with a line between."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from pipeline.errors import ConfigError, PipelineError
from pipeline.outputs.exporters import cells
from pipeline.outputs.visible import make_visible
from pipeline.storage import writing_stream

ROWS = 1_048_575  # below the header: a sheet has no more
CELL = 32_767  # characters of a cell
WIDEST = 60  # characters a column is shown wide
GROUP = "group"
_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</)")


@dataclass(frozen=True)
class XlsxExporter:
    """Writes .xlsx with openpyxl; text is text, never a formula; longer cells are cut with '…'."""

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: str) -> int:
        """See `Exporter.write`.

        Raises:
            ConfigError: openpyxl is not installed.
            PipelineError: there are more rows than a sheet has.
        """
        try:
            from openpyxl import Workbook
            from openpyxl.cell import WriteOnlyCell
            from openpyxl.styles import Border, Font, Side
        except ImportError as error:
            raise ConfigError(f"{path}: xlsx needs a package: pip install openpyxl") from error
        book = Workbook(write_only=True)
        sheet = book.create_sheet("gemel")
        sheet.freeze_panes = "A2"
        bold, line = Font(bold=True), Border(top=Side(style="thin"))

        # openpyxl looks a style up by its hash for each cell that is given one: four are made once.
        styles: dict[tuple[bool, bool], Any] = {}
        for first, head in product((False, True), repeat=2):
            model = WriteOnlyCell(sheet)
            if first:
                model.border = line
            if head:
                model.font = bold
            styles[first, head] = model._style

        def cell(value: Any, *, first: bool, head: bool = False) -> Any:
            made = WriteOnlyCell(sheet, value=value)
            if isinstance(value, str):
                made.data_type = "s"
            made._style = styles[first, head]
            return made

        _set_widths(sheet, schema.names)
        sheet.append([cell(_text(name), first=False, head=True) for name in schema.names])
        rows, last = 0, None
        for batch in batches:
            columns = [_values(batch[name]) for name in schema.names]
            groups = batch[GROUP].to_pylist() if GROUP in schema.names else [None] * len(batch)
            kept = batch["action"].to_pylist() if "action" in schema.names else [None] * len(batch)
            for values, group, action in zip(zip(*columns, strict=True), groups, kept, strict=True):
                new = group != last and group is not None
                sheet.append([cell(v, first=new, head=action == "keep") for v in values])
                last, rows = group, rows + 1
                if rows > ROWS:
                    raise PipelineError(f"{path}: a sheet has {ROWS:,} rows at most; choose csv")
        made = io.BytesIO()
        book.save(made)
        with writing_stream(path) as sink:
            sink.write(_without_clock(made))
        return rows


def _without_clock(made: io.BytesIO) -> bytes:
    """The workbook without the time it was made: equal rows are equal bytes."""
    told = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(told, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            data = old.read(name)
            if name == "docProps/core.xml":
                data = _TIMES.sub(rb"\g<1>2000-01-01T00:00:00Z\g<2>", data)
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return told.getvalue()


def _set_widths(sheet: Any, names: list[str]) -> None:
    from openpyxl.utils import get_column_letter

    narrow = {"group": 7, "action": 9, "probability": 11, "size": 6}
    for at, name in enumerate(names, 1):
        width = narrow.get(name, min(max(len(name) + 2, 24), WIDEST))
        sheet.column_dimensions[get_column_letter(at)].width = width


def _values(column: pa.Array) -> list[Any]:
    """The cells of a column: numbers and truth values stay, the rest is text."""
    kind = column.type
    if pt.is_timestamp(kind):
        return list(cells.iso(column).to_pylist())
    if cells.is_nested(kind):
        column = cells.as_json(column)
    elif cells.is_binary(kind):
        column = cells.encode_binary(column)
    elif pt.is_float32(kind):
        return [None if value is None else round(value, 6) for value in column.to_pylist()]
    elif pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind):
        return list(column.to_pylist())
    return [None if value is None else _text(value) for value in column.cast("string").to_pylist()]


def _text(value: str) -> str:
    """Text that a workbook can hold: without control characters, and not too long."""
    clean = value if value.isprintable() else make_visible(value)
    return clean if len(clean) <= CELL else clean[: CELL - 1] + "…"
