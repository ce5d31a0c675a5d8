"""One catalog: where its parts are, its runs, and its single writer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from filelock import FileLock, Timeout

from pipeline.catalog.tables import Tables
from pipeline.catalog.vectors import VectorStore
from pipeline.catalog.work import Work
from pipeline.errors import CatalogError
from pipeline.schemas import RUNS


@dataclass(frozen=True)
class Run:
    """One row of the runs table, its JSON decoded.

    Attributes:
        number: place in the order of the runs, given when the run is recorded; no clock decides it.
            0 for those of before there were numbers.
    """

    run: str
    started: datetime
    finished: datetime
    status: str
    config: dict[str, Any]
    versions: dict[str, int]
    summary: dict[str, Any]
    number: int = field(default=0, compare=False)


class Catalog:
    """A catalog on a local folder, made when absent unless `create` is false.

    Raises:
        CatalogError: the folder cannot be written, or is absent and must not be made.
    """

    def __init__(self, root: str | Path, *, create: bool = True) -> None:
        self.root = Path(root)
        if not create and not self.root.is_dir():
            raise CatalogError(f"there is no catalog at {self.root}; check --catalog")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError(
                f"cannot make the catalog folder {self.root}: {error.strerror}"
            ) from error
        if not create and not os.access(self.root, os.R_OK | os.X_OK):
            raise CatalogError(
                f"the catalog folder {self.root} may not be read; check its permissions"
            )
        if create and not os.access(self.root, os.W_OK):
            raise CatalogError(f"the catalog folder {self.root} is not writable")
        self.tables = Tables(self.root / "tables")

    def vectors(self, fingerprint: str) -> VectorStore:
        """The vectors of one encoder."""
        return VectorStore(self.root / "vectors" / fingerprint)

    def work(self, run: str) -> Work:
        """The scratch of a run."""
        return Work(self.root / "work" / run)

    def unfinished(self) -> list[Work]:
        """The scratch of the runs that did not come to their end, the oldest first."""
        return [Work(path) for path in sorted((self.root / "work").glob("*")) if path.is_dir()]

    def run_folder(self, run: str) -> Path:
        """Where a run's configuration, summary, report and exports are kept."""
        folder = self.root / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_run_folder(self, run: str) -> None:
        """Delete a run's configuration, summary, report and exports; its row stays."""
        shutil.rmtree(self.root / "runs" / run, ignore_errors=True)

    def stored_encoders(self) -> list[str]:
        """Fingerprints of the encoders that vectors are kept of, sorted."""
        return sorted(folder.name for folder in (self.root / "vectors").glob("*/"))

    def remove_encoder(self, fingerprint: str) -> None:
        """Delete the vectors of an encoder and the indexes over them."""
        folders = [self.root / "vectors" / fingerprint]
        for folder in (*folders, *(self.root / "indexes").glob(f"*/{fingerprint}")):
            shutil.rmtree(folder, ignore_errors=True)

    def index_folder(self, modality: str, fingerprint: str) -> Path:
        """Where the index over one encoder's vectors is kept."""
        folder = self.root / "indexes" / modality / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def writer(self) -> AbstractContextManager[None]:
        """Hold the catalog's only write lock; the system frees it when the process dies.

        Raises:
            CatalogError: another run holds it.
        """
        return self._held(
            "writer.lock",
            f"another run is writing to {self.root}; wait for it to end, or give this run a "
            "catalog of its own",
        )

    def trainer(self) -> AbstractContextManager[None]:
        """Hold the only right to fine-tune in the catalog; runs are not kept waiting by it.

        Raises:
            CatalogError: another fine-tune holds it.
        """
        return self._held(
            "training.lock", f"another fine-tune is under way in {self.root}; wait for it to end"
        )

    @contextmanager
    def _held(self, name: str, taken: str) -> Iterator[None]:
        lock = FileLock(str(self.root / name), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise CatalogError(taken) from error
        try:
            yield
        finally:
            lock.release()

    def training_folder(self, task: str) -> Path:
        """Scratch of a fine-tune; one that was killed goes on from what it left there."""
        folder = self.root / "training" / task
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def models_folder(self) -> Path:
        """Where the registry keeps its versions."""
        return self.root / "models"

    def publish(self, run: Run) -> None:
        """Add one row to `runs`: the atomic step that makes a run's tables the current ones.

        Readers see the tables of the newest row with the status published; held and failed runs
        are recorded the same way. The row of a failed run that went on is replaced: a run has one.
        """
        folder = self.run_folder(run.run)
        (folder / "config.json").write_text(json.dumps(run.config, indent=2, sort_keys=True))
        self._write_summary(run.summary)
        known = self.runs()
        number = max((earlier.number for earlier in known), default=0) + 1
        row = _row(replace(run, number=number))
        if any(earlier.run == run.run for earlier in known):
            self.tables.update("runs", row, key="run")
        else:
            self.tables.append("runs", row)

    def amend(self, summary: dict[str, Any]) -> None:
        """Replace the summary of a recorded run, which `summary` names, in one step."""
        recorded = self.run(summary["run"])
        self.tables.update("runs", _row(replace(recorded, summary=summary)), key="run")
        self._write_summary(summary)

    def change(self, runs: Sequence[Run]) -> None:
        """Replace the rows of recorded runs, all in one step."""
        self.tables.update("runs", pa.concat_tables(_row(run) for run in runs), key="run")
        for run in runs:
            self._write_summary(run.summary)

    def _write_summary(self, summary: dict[str, Any]) -> None:
        path = self.run_folder(summary["run"]) / "summary.json"
        path.write_text(json.dumps(summary, indent=2, sort_keys=True))

    def runs(self) -> list[Run]:
        """Every run, the newest first."""
        if not self.tables.exists("runs"):
            return []
        rows = conform_runs(self.tables.runs())
        rows = rows.sort_by([(name, "descending") for name in ("number", "started", "run")])
        decoded = ("config", "versions", "summary")
        return [
            Run(**{k: json.loads(v) if k in decoded else v for k, v in row.items()})
            for row in rows.to_pylist()
        ]

    def run(self, name: str | None = None) -> Run:
        """The run called `name`, or the newest published one.

        Raises:
            CatalogError: there is none.
        """
        runs = self.runs()
        for run in runs:
            if run.run == name or (name is None and run.status == "published"):
                return run
        known = ", ".join(f"{run.run} ({run.status})" for run in runs[:5]) or "none"
        wanted = f"run {name!r}" if name else "published run"
        raise CatalogError(f"the catalog {self.root} has no {wanted}; its runs: {known}")

    def published(self) -> Run | None:
        """The run that readers see; None before the first."""
        return next((run for run in self.runs() if run.status == "published"), None)

    def read(self, table: str, *, run: Run, columns: list[str] | None = None) -> pa.Table:
        """A table as `run` published it.

        Raises:
            CatalogError: the run has none: it failed.
        """
        return self.tables.read(table, version=self._version(table, run), columns=columns)

    def dataset(self, table: str, *, run: Run) -> ds.Dataset:
        """A table as `run` published it, not yet read."""
        return self.tables.dataset(table, version=self._version(table, run))

    def _version(self, table: str, run: Run) -> int:
        if run.summary.get("tables_dropped"):
            raise CatalogError(
                f"the tables of run {run.run} were dropped on {run.summary['tables_dropped']} by "
                "the retention in its configuration; `gemel runs list` shows the runs that are kept"
            )
        if table not in run.versions:
            raise CatalogError(
                f"run {run.run} is {run.status} and has no table {table!r}; "
                "`gemel runs list` shows the runs that have one"
            )
        return run.versions[table]

    def first_seen(self) -> pa.Table | None:
        """record_id and first_seen of the published records; None before the first run."""
        run = self.published()
        if run is None:
            return None
        return self.read("records", run=run, columns=["record_id", "first_seen"])


def conform_runs(rows: pa.Table) -> pa.Table:
    """The runs table with a number in every row: 0 where an older Gemel wrote none."""
    if "number" not in rows.column_names:
        return rows.append_column("number", pa.array([0] * len(rows), pa.int64()))
    at = rows.schema.get_field_index("number")
    return rows.set_column(at, "number", pc.fill_null(rows["number"], 0))


def _row(run: Run) -> pa.Table:
    row = {
        "run": [run.run],
        "started": [run.started],
        "finished": [run.finished],
        "status": [run.status],
        "config": [json.dumps(run.config, sort_keys=True)],
        "versions": [json.dumps(run.versions, sort_keys=True)],
        "summary": [json.dumps(run.summary, sort_keys=True)],
        "number": [run.number],
    }
    return pa.table(row, schema=RUNS)


def carry_first_seen(records: pa.Table, known: pa.Table | None) -> pa.Table:
    """Give records that were seen before the time they were first seen."""
    if known is None or not len(known):
        return records
    place = pc.index_in(records["record_id"], value_set=known["record_id"].combine_chunks())
    earlier = known["first_seen"].combine_chunks().take(place.combine_chunks())
    values = pc.coalesce(earlier, records["first_seen"].combine_chunks())
    at = records.schema.get_field_index("first_seen")
    return records.set_column(at, records.schema.field(at), values)
