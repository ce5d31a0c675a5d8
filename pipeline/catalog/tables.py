"""The catalog's tables in Delta Lake: atomic commits, versions, readable by every engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import CatalogError
from pipeline.schemas import TABLES, conform

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOG_CLEANUP = "delta.enableExpiredLogCleanup"


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

    def replace_run(self, table: str, rows: pa.Table, *, run: str) -> int:
        """Make `rows` what `table` holds of one run, so that doing it twice is doing it once."""
        where = f"run = '{run}'" if self.exists(table) else None
        return self._write(table, rows, mode="overwrite" if where else "append", where=where)

    def _write(
        self,
        table: str,
        data: pa.Table | Iterable[pa.RecordBatch],
        mode: str,
        where: str | None = None,
    ) -> int:
        from deltalake import DeltaTable, write_deltalake

        schema = TABLES[table]
        if isinstance(data, pa.Table):
            data = conform(data, schema).to_batches()
        path = self.root / table
        path.mkdir(parents=True, exist_ok=True)
        reader = pa.RecordBatchReader.from_batches(schema, data)
        # A newer Gemel may have more columns: old versions keep theirs.
        evolve = "overwrite" if mode == "overwrite" and where is None else "merge"
        write_deltalake(str(path), reader, mode=mode, schema_mode=evolve, predicate=where)  # type: ignore[call-overload]
        return int(DeltaTable(str(path)).version())

    def update(self, table: str, rows: pa.Table, *, key: str) -> int:
        """Replace the rows of `table` that share a `key` with `rows`; return the new version."""
        delta = self._open(table, None)
        merge = delta.merge(
            conform(rows, TABLES[table]),
            predicate=f"old.{key} = new.{key}",
            source_alias="new",
            target_alias="old",
            merge_schema=True,
        )
        merge.when_matched_update_all().execute()
        return int(delta.version())

    def vacuum(
        self, table: str, *, keep: Sequence[int], hours: int = 0, dry_run: bool = False
    ) -> list[str]:
        """Delete the files that neither the newest version nor one of `keep` needs; name them.

        For who holds the write lock: a file that another process is still to commit would go too.

        Args:
            hours: files that were dropped within so many hours stay, for readers under way.
        """
        delta = self._open(table, None)

        def call(dry: bool) -> list[str]:
            return delta.vacuum(
                retention_hours=hours,
                enforce_retention_duration=False,
                dry_run=dry,
                full=True,
                keep_versions=sorted(keep),
            )

        # Delta deletes the log of a month ago, and kept versions with it, unless it is told not to.
        if not dry_run and delta.metadata().configuration.get(LOG_CLEANUP) != "false":
            delta.alter.set_table_properties({LOG_CLEANUP: "false"})
        # It names files again that went long ago, and each vacuum is two commits.
        gone = [name for name in call(True) if (self.root / table / name).exists()]
        if gone and not dry_run:
            call(False)
        return gone

    def dataset(self, table: str, *, version: int) -> ds.Dataset:
        """The table at `version`, not yet read.

        There is no newest version to fall back on: it may be a held or failed run's. The versions
        that belong together are those that one row of `runs` names.

        Raises:
            CatalogError: the table or the version does not exist.
        """
        return _dataset(self._open(table, version))

    def read(self, table: str, *, version: int, columns: list[str] | None = None) -> pa.Table:
        """Read a table at `version`, or some of its columns.

        Raises:
            CatalogError: the table or the version does not exist.
        """
        return self.dataset(table, version=version).to_table(columns=columns)

    def runs(self) -> pa.Table:
        """The table `runs`, read as it stands: it says which versions count.

        Raises:
            CatalogError: it has not been written.
        """
        return _dataset(self._open("runs", None)).to_table()

    def version(self, table: str) -> int | None:
        """The newest version of `table`; None where it has not been written."""
        return int(self._open(table, None).version()) if self.exists(table) else None

    def labels(self) -> pa.Table | None:
        """The verdicts, read as they stand: no run writes them; None before the first."""
        return _dataset(self._open("labels", None)).to_table() if self.exists("labels") else None

    def _open(self, table: str, version: int | None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(str(self.root / table), version=version)
        except (DeltaError, OSError) as error:
            raise CatalogError(
                f"the catalog has no table {table!r}"
                + (f" at version {version}" if version is not None else "")
                + f" below {self.root}: run `gemel run` first, or check --catalog"
            ) from error

    def exists(self, table: str) -> bool:
        """Whether the table has been written."""
        return (self.root / table / "_delta_log").is_dir()


def _dataset(delta: DeltaTable) -> ds.Dataset:
    # Arrow reads the files itself: Delta's own file system runs threads that can outlive the
    # interpreter and abort a finished command.
    schema = pa.schema(delta.schema().to_arrow())
    return ds.dataset(delta.file_uris(), schema=schema, format="parquet")
