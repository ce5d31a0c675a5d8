"""Sheets of workbooks: .xlsx, .ods and their like, by python-calamine or openpyxl."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from importlib.util import find_spec
from itertools import islice
from typing import Any
from zipfile import BadZipFile

import pyarrow as pa

from pipeline.config import SheetSource
from pipeline.errors import ConfigError, PipelineError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.files import (
    READ_ERRORS,
    DataFile,
    check_files,
    find_files,
    left_out,
    open_file,
)
from pipeline.ingestion.sources.tabular import build_batch, check_columns, reject_rows

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_OPENPYXL = (".xlsx", ".xlsm")
Cells = list[Any]


class SheetFiles:
    """Every row below the header of a sheet; rows are numbered as the sheet shows them."""

    def __init__(self, config: SheetSource) -> None:
        self.name = config.name
        self.config = config

    def check(self) -> None:
        """See `Source.check`."""
        check_files(self.name, self._files(), self._look)

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        return left_out(self.config, suffixes=SUFFIXES)

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def _files(self) -> list[DataFile]:
        if self.config.columns.image_bytes:
            raise ConfigError(
                f"source {self.name}: columns.image_bytes needs Parquet; a sheet has no bytes"
            )
        return find_files(self.config, suffixes=SUFFIXES)

    def _look(self, file: DataFile) -> None:
        self._header(file, self._rows(file))

    def _header(self, file: DataFile, rows: Iterator[tuple[int, Cells]]) -> list[str]:
        header = next((cells for _, cells in rows), None)
        if header is None:
            raise OSError("the sheet is empty")
        names = [cell_text(cell) or f"column_{at}" for at, cell in enumerate(header, 1)]
        check_columns(self.config.columns, names, where=f"source {self.name}: {file.path}")
        return names

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        for file in self._files():
            try:
                found = self._rows(file)
                header = self._header(file, found)
            except READ_ERRORS as error:
                entry = (file.name, file.refused(error), None)
                yield SourceBatch.of_rejected(reject_rows(self.name, [entry]))
                continue
            while chunk := list(islice(found, rows)):
                yield self._batch(chunk, header=header, file=file)

    def _batch(
        self, chunk: list[tuple[int, Cells]], *, header: list[str], file: DataFile
    ) -> SourceBatch:
        width = len(header)
        cells = [
            [cell_text(cell) for cell in row[:width]] + [None] * (width - len(row))
            for _, row in chunk
        ]
        return build_batch(
            pa.table(
                [pa.array([row[at] for row in cells], pa.string()) for at in range(width)],
                names=header,
            ),
            locations=pa.array([f"{file.name}:{number}" for number, _ in chunk], pa.string()),
            columns=self.config.columns,
            source=self.name,
            image_root=self.config.image_root or file.folder,
        )

    def _rows(self, file: DataFile) -> Iterator[tuple[int, Cells]]:
        """The rows that are not blank, each with its number."""
        for number, cells in enumerate(read_sheet(file, self.config.sheet), 1):
            if any(cell_text(cell) is not None for cell in cells):
                yield number, cells


def read_sheet(file: DataFile, name: str | None) -> Iterable[Cells]:
    """All rows of a sheet.

    Args:
        name: of the sheet; None: the first one.

    Raises:
        ConfigError: no library for it is installed, or there is no such sheet.
        OSError: the file is damaged, or none of its kind.
    """
    with open_file(file) as stream:
        data = io.BytesIO(stream.read())
    try:
        if find_spec("python_calamine"):
            return _by_calamine(data, name, file)
        if file.path.lower().endswith(_OPENPYXL) and find_spec("openpyxl"):
            return _by_openpyxl(data, name, file)
    except (PipelineError, OSError):
        raise
    except (BadZipFile, Exception) as error:
        raise OSError(f"the workbook is damaged: {error}") from error
    raise ConfigError(
        f"{file.path}: reading workbooks needs a package; pip install python-calamine"
    )


def _by_calamine(data: io.BytesIO, name: str | None, file: DataFile) -> Iterable[Cells]:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(data)
    chosen = _chosen(name, list(book.sheet_names), file)
    rows: list[Cells] = book.get_sheet_by_name(chosen).to_python(skip_empty_area=False)
    return rows


def _by_openpyxl(data: io.BytesIO, name: str | None, file: DataFile) -> Iterable[Cells]:
    from openpyxl import load_workbook

    book = load_workbook(data, read_only=True, data_only=True)
    chosen = _chosen(name, list(book.sheetnames), file)
    return [list(row) for row in book[chosen].iter_rows(values_only=True)]


def _chosen(name: str | None, there: list[str], file: DataFile) -> str:
    if name is None and there:
        return there[0]
    if name in there:
        return str(name)
    raise ConfigError(f"{file.path} has no sheet {name!r}; its sheets are: {', '.join(there)}")


def cell_text(cell: Any) -> str | None:
    """A cell as text: whole numbers without '.0', times as ISO 8601; None: it is empty."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        whole = (cell.hour, cell.minute, cell.second) == (0, 0, 0)
        return cell.date().isoformat() if whole else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
