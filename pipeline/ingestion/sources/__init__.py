"""Sources: rows out of files, in bounded batches, every bad row with its reason.

A new source is one file here, one member of `config.sources.SourceConfig` and one arm of
`open_source`.
"""

from __future__ import annotations

from typing import assert_never

from pipeline.config import (
    CsvSource,
    ImageFolderSource,
    JsonlSource,
    ParquetSource,
    SheetSource,
    SourceConfig,
)
from pipeline.ingestion.sources.base import Source, SourceBatch

__all__ = ["Source", "SourceBatch", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """Return the source a configuration describes; nothing is read yet."""
    match config:
        case CsvSource():
            from pipeline.ingestion.sources.csv_file import CsvFiles

            return CsvFiles(config)
        case JsonlSource():
            from pipeline.ingestion.sources.jsonl import JsonlFiles

            return JsonlFiles(config)
        case ParquetSource():
            from pipeline.ingestion.sources.parquet import ParquetFiles

            return ParquetFiles(config)
        case SheetSource():
            from pipeline.ingestion.sources.sheets.sheet import SheetFiles

            return SheetFiles(config)
        case ImageFolderSource():
            from pipeline.ingestion.sources.image_folder import ImageFolder

            return ImageFolder(config)
        case _:
            assert_never(config)
