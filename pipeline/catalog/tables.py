"""The catalog's tables in Delta Lake: atomic commits, versions, readable by every engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import CatalogError
from pipeline.schemas import TABLES, conform


class Tables:
    """Read and write the tables of one catalog."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def replace(self, table: str, batches: pa.Table | Iterable[pa.RecordBatch]) -> int:
        """Make `batches` the content of `table`; return the new version. Older ones stay."""
        return self._write(table, batches, mode="overwrite")

    def append(self, table: str, rows: pa.Table) -> int:
        """Add `rows` to `table`; return the new version."""
        return self._write(table, rows, mode="append")

    def _write(self, table: str, data: pa.Table | Iterable[pa.RecordBatch], mode: str) -> int:
        from deltalake import DeltaTable, write_deltalake

        schema = TABLES[table]
        if isinstance(data, pa.Table):
            data = conform(data, schema).to_batches()
        path = self.root / table
        path.mkdir(parents=True, exist_ok=True)
        reader = pa.RecordBatchReader.from_batches(schema, data)
        # A newer Gemel may have more columns: old versions keep theirs.
        evolve = {"overwrite": "overwrite", "append": "merge"}[mode]
        write_deltalake(str(path), reader, mode=mode, schema_mode=evolve)  # type: ignore[call-overload]
        return int(DeltaTable(str(path)).version())

    def dataset(self, table: str, version: int | None = None) -> ds.Dataset:
        """The table, not yet read, at `version` (default: the newest).

        Raises:
            CatalogError: the table or the version does not exist.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            delta = DeltaTable(str(self.root / table), version=version)
        except (DeltaError, OSError) as error:
            raise CatalogError(
                f"the catalog has no table {table!r}"
                + (f" at version {version}" if version is not None else "")
                + f" below {self.root}: run `gemel run` first, or check --catalog"
            ) from error
        # Arrow reads the files itself: Delta's own file system runs threads that can outlive the
        # interpreter and abort a finished command.
        schema = pa.schema(delta.schema().to_arrow())
        return ds.dataset(delta.file_uris(), schema=schema, format="parquet")

    def read(
        self, table: str, *, version: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """Read a table, or some of its columns.

        Raises:
            CatalogError: the table or the version does not exist.
        """
        return self.dataset(table, version).to_table(columns=columns)

    def exists(self, table: str) -> bool:
        """Whether the table has been written."""
        return (self.root / table / "_delta_log").is_dir()
