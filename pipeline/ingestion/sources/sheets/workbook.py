"""Workbooks: the rows of a sheet by python-calamine or openpyxl, and their cells as text."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, datetime, time
from importlib.util import find_spec
from typing import Any

from pipeline.errors import ConfigError, PipelineError
from pipeline.ingestion.sources.files import DataFile, open_file

_OPENPYXL = (".xlsx", ".xlsm")
Cells = list[Any]


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
    if not data.getbuffer().nbytes:
        raise OSError("the file is empty")
    try:
        if find_spec("python_calamine"):
            return _by_calamine(data, name, file)
        if file.path.lower().endswith(_OPENPYXL) and find_spec("openpyxl"):
            return _by_openpyxl(data, name, file)
    except (PipelineError, OSError):
        raise
    except Exception as error:  # each library has errors of its own
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
