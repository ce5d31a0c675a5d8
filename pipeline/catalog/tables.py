"""The catalog's tables in Delta Lake: atomic commits, versions, readable by every engine.

The Parquet files are written here and handed to Delta's log: its own writer takes five times the
size of its input in memory, keeps no order, and writes no checksums.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.catalog.commit_seal import check_seal, seal
from pipeline.catalog.damage import advice
from pipeline.errors import CatalogError, DamagedTableError
from pipeline.storage import (
    SCHEMA_VERSION,
    TABLES,
    DamageError,
    Place,
    WrittenPart,
    check_footer,
    conform,
    write_parts,
)

if TYPE_CHECKING:
    from deltalake import DeltaTable

_WRITE: dict[str, Any] = {"compression": "zstd", "compression_level": 1}

LOG_CLEANUP = "delta.enableExpiredLogCleanup"
SCHEMA = f"Gemel, schema version {SCHEMA_VERSION}"  # the description of each Delta table


class Tables:
    """Read and write the tables of one catalog."""

    def __init__(self, root: Place) -> None:
        self.root = root

    def replace(self, table: str, batches: pa.Table | Iterable[pa.RecordBatch]) -> int:
        """Make `batches` the content of `table`, in their order; return the new version.

        Older versions stay. Batches are written as they come: few are in memory at a time.
        """
        return self._commit(table, self._written(table, batches), mode="overwrite")

    def append(self, table: str, rows: pa.Table) -> int:
        """Add `rows` to `table`; return the new version."""
        return self._commit(table, self._written(table, rows), mode="append")

    def replace_run(self, table: str, rows: pa.Table, *, run: str) -> int:
        """Make `rows` what `table` holds of one run, so that doing it twice is doing it once."""
        if not self.exists(table):
            return self.append(table, rows)
        held = self._scan(table, self._open(table, None))
        if not held.count_rows(filter=pc.field("run") == run):
            return self.append(table, rows)
        others = held.to_table(filter=pc.field("run") != run)
        return self.replace(table, pa.concat_tables([others.select(rows.schema.names), rows]))

    def update(self, table: str, rows: pa.Table, *, key: str) -> int:
        """Replace the rows of a small `table` that share a `key` with `rows`; return the version.

        Raises:
            CatalogError: another process wrote to the table at the same time.
        """
        delta = self._open(table, None)
        kept = conform(self._scan(table, delta).to_table(), TABLES[table])
        fresh = conform(rows, TABLES[table])
        place = pc.index_in(kept[key], value_set=fresh[key].combine_chunks())
        both = pa.concat_tables([kept, fresh])
        where = pc.coalesce(
            pc.add(pc.cast(place, pa.int64()), len(kept)), pa.array(range(len(kept)), pa.int64())
        )
        files = self._written(table, both.take(where))
        return self._commit(table, files, mode="overwrite", delta=delta)

    def _written(self, table: str, data: pa.Table | Iterable[pa.RecordBatch]) -> list[WrittenPart]:
        schema = TABLES[table]
        batches = conform(data, schema).to_batches() if isinstance(data, pa.Table) else data
        # The number puts the files of several commits in their order.
        stem = f"part-{self._last(table) + 1:08d}-{uuid4().hex[:8]}"
        return list(write_parts(self.root / table, stem, batches, schema, **_WRITE))

    def _commit(
        self, table: str, files: list[WrittenPart], *, mode: Any, delta: DeltaTable | None = None
    ) -> int:
        """Make written files the table, or a part of it, in one step."""
        from deltalake import Schema
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import AddAction, create_table_with_add_actions

        place, schema = self.root / table, Schema.from_arrow(TABLES[table])
        now = int(time.time() * 1000)
        actions: list[AddAction] = [
            AddAction(
                part.place.name, part.bytes, {}, now, True, json.dumps({"numRecords": part.rows})
            )
            for part in files
        ]
        try:
            with self.root.errors():
                if not self.exists(table):
                    create_table_with_add_actions(
                        place.path,
                        schema,
                        actions,
                        # Delta deletes its log of a month ago, and kept versions with it.
                        description=SCHEMA,
                        configuration={LOG_CLEANUP: "false"},
                        storage_options=place.delta_options,
                        commit_properties=seal(table, [part.place for part in files]),
                    )
                    return 0
                delta = delta or self._open(table, None)
                before = self._files(table, delta) if mode == "append" else []
                delta.create_write_transaction(
                    [*actions],
                    mode=mode,
                    schema=schema,
                    commit_properties=seal(table, [*before, *(part.place for part in files)]),
                )
        except CommitFailedError as error:
            raise CatalogError(
                f"another process wrote to the table {table!r} below {self.root} at the same time; "
                "nothing of this write is visible: try again"
            ) from error
        return self._version(table, since=int(delta.version()), files=files)

    def _version(self, table: str, *, since: int, files: list[WrittenPart]) -> int:
        """The version that a commit made: the next, unless others wrote in between."""
        last = self._last(table)
        if last <= since + 1 or not files:
            return last
        made = files[0].place
        later = range(since + 1, last + 1)
        return next(v for v in later if made in self._files(table, self._open(table, v)))

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
            DamagedTableError: one of its files is missing, cut short or altered.
        """
        return self._scan(table, self._open(table, version))

    def read(self, table: str, *, version: int, columns: list[str] | None = None) -> pa.Table:
        """Read a table at `version`, or some of its columns.

        Raises:
            CatalogError: the table or the version does not exist.
            DamagedTableError: one of its files is missing, cut short or altered.
        """
        found = self.dataset(table, version=version)
        try:
            return found.to_table(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(table, version, str(error)) from error

    def files(self, table: str, *, version: int) -> list[Place]:
        """The Parquet files of a table at `version`."""
        return self._files(table, self._open(table, version))

    def runs(self) -> pa.Table:
        """The table `runs`, read as it stands: it says which versions count.

        Raises:
            CatalogError: it has not been written.
        """
        return self._newest("runs")

    def version(self, table: str) -> int | None:
        """The newest version of `table`; None where it has not been written."""
        return int(self._open(table, None).version()) if self.exists(table) else None

    def labels(self) -> pa.Table | None:
        """The verdicts, read as they stand: no run writes them; None before the first."""
        return self._newest("labels") if self.exists("labels") else None

    def _newest(self, table: str) -> pa.Table:
        delta = self._open(table, None)
        try:
            return self._scan(table, delta).to_table()
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(table, int(delta.version()), str(error)) from error

    def _open(self, table: str, version: int | None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        place = self.root / table
        said = f" at version {version}" if version is not None else ""
        try:
            with place.errors():
                delta = DeltaTable(place.path, version=version, storage_options=place.delta_options)
                check_seal(self.root / table, int(delta.version()), self._files(table, delta))
        except (TableNotFoundError, FileNotFoundError) as error:
            raise self._absent(table, said) from error
        except (DeltaError, CatalogError, DamageError, ValueError) as error:
            if not self.exists(table) or (version is not None and version > self._last(table)):
                raise self._absent(table, said) from error
            raise self._damaged(table, version, f"its Delta log: {error}") from error
        if (found := delta.metadata().description) != SCHEMA:
            raise CatalogError(
                f"the table {table!r} below {self.root} is {found or 'of an unknown version'}, and "
                f"this is {SCHEMA!r}: use the Gemel that wrote it, or move the catalog away and "
                "run again"
            )
        return delta

    def _absent(self, table: str, said: str) -> CatalogError:
        return CatalogError(
            f"the catalog has no table {table!r}{said} below {self.root}: run `gemel run` first, "
            "or check --catalog"
        )

    def _last(self, table: str) -> int:
        """The number of the last commit in the log of a table; -1 where there is none."""
        names = (self.root / table / "_delta_log").names()
        return max(
            (int(n[:20]) for n in names if n.endswith(".json") and n[:20].isdigit()), default=-1
        )

    def _files(self, table: str, delta: DeltaTable) -> list[Place]:
        names = sorted(delta.file_uris())
        return [self.root / table / uri.rsplit("/", 1)[-1] for uri in names]

    def _scan(self, table: str, delta: DeltaTable) -> ds.Dataset:
        # Arrow reads the files itself: Delta's own file system runs threads that can outlive the
        # interpreter and abort a finished command.
        files = self._files(table, delta)
        for file in files:
            try:
                check_footer(file)
            except DamageError as error:
                raise self._damaged(table, int(delta.version()), f"{file}: {error}") from error
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        return ds.dataset(
            [file.key for file in files],
            schema=pa.schema(delta.schema().to_arrow()),
            format=ds.ParquetFileFormat(default_fragment_scan_options=options),
            filesystem=self.root.arrow,
        )

    def _damaged(self, table: str, version: int | None, found: str) -> DamagedTableError:
        return DamagedTableError(
            f"the table {table!r}{'' if version is None else f' at version {version}'} below "
            f"{self.root} is damaged ({' '.join(found.split())[:300]}). "
            + advice(self.root, table, self.runs)
        )

    def exists(self, table: str) -> bool:
        """Whether the table has been written."""
        return (self.root / table / "_delta_log").exists()
