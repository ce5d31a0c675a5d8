"""Sheet files: every row of a sheet of .xlsx, .ods and their like."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from pipeline.arrays import chunks
from pipeline.config import SheetSource
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.files import (
    READ_ERRORS,
    DataFile,
    check_files,
    find_files,
    left_out,
)
from pipeline.ingestion.sources.sheets.workbook import Cells, cell_text, read_sheet
from pipeline.ingestion.sources.tabular import build_batch, check_columns, reject_rows

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")


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
            while chunk := _chunk(found, rows):
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
            origin=file.identity,
            columns=self.config.columns,
            source=self.name,
            image_root=self.config.image_root or file.folder,
        )

    def _rows(self, file: DataFile) -> Iterator[tuple[int, Cells]]:
        """The rows that are not blank, each with its number."""
        for number, cells in enumerate(read_sheet(file, self.config.sheet), 1):
            if any(cell_text(cell) is not None for cell in cells):
                yield number, cells


def _chunk(found: Iterator[tuple[int, Cells]], rows: int) -> list[tuple[int, Cells]]:
    """Take the next rows, at most `rows` and about `chunks.LIMIT` characters."""
    chunk: list[tuple[int, Cells]] = []
    size = 0
    for number, cells in islice(found, rows):
        chunk.append((number, cells))
        size += sum(len(cell) for cell in cells if isinstance(cell, str))
        if size > chunks.LIMIT:
            break
    return chunk
