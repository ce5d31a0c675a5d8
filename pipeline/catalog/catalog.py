"""One catalog: where its parts are, its runs, and its single writer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.catalog.runs import Run, read_run_file, runs_of, write_run_file
from pipeline.catalog.scratch import Scratch
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.catalog.tables import Tables
from pipeline.catalog.vectors import VectorStore
from pipeline.errors import CatalogError
from pipeline.storage import Lock, Place, check_held, explain_disk_errors, hold, name_run

if TYPE_CHECKING:
    from pipeline.catalog.registry.registry import Registry

WRITER = "writer.lock"
ROW = "run.json"


class CatalogLocation(Protocol):
    """A configuration that names a catalog."""

    @property
    def catalog(self) -> str: ...

    @property
    def catalog_options(self) -> dict[str, Any]: ...


class Catalog:
    """A catalog in a local folder, made when absent unless `create` is false, or below s3://….

    Args:
        options: of an object store, as `Place` has them.

    Raises:
        CatalogError: it cannot be written, or is absent and must not be made.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        create: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = Place.of(root, options)
        if not create and not self.root.exists():
            raise CatalogError(f"there is no catalog at {self.root}; check --catalog")
        if self.root.is_local:
            _check_folder(self.local, create=create)
        self.tables = Tables(self.root / "tables")

    @classmethod
    def of(cls, config: CatalogLocation, *, create: bool = True) -> Catalog:
        """The catalog that a configuration names."""
        return cls(config.catalog, options=config.catalog_options, create=create)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Catalog) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    @property
    def local(self) -> Path:
        """The folder of this machine for what needs one: the catalog itself where it is local."""
        return self.root.local()

    def vectors(self, fingerprint: str, *, moved_aside: list[str] | None = None) -> VectorStore:
        """The vectors of one encoder; `moved_aside` is told of the parts that are damaged."""
        return VectorStore(self.root / "vectors" / fingerprint, moved_aside=moved_aside)

    def work(self, run: str) -> Scratch:
        """The scratch of a run."""
        return Scratch(self.local / "work" / run)

    def disk_errors(self, run: str) -> AbstractContextManager[None]:
        """Turn errors of a full or failing disk into one that says what is intact."""
        return explain_disk_errors(self.local, self.local / "work" / run)

    def unfinished(self) -> list[Scratch]:
        """The scratch of the runs that did not come to their end, the oldest first."""
        return [Scratch(path) for path in sorted((self.local / "work").glob("*")) if path.is_dir()]

    def run_folder(self, run: str) -> Path:
        """Where a run's configuration, summary, report and exports are kept.

        On object storage it is this machine's copy: fetched where it lacks something, and sent
        whenever the run is recorded or amended.
        """
        folder = self.local / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        if not self.root.is_local:
            kept = self.root / "runs" / run
            for name in kept.names():
                if not (folder / name).exists():
                    (folder / name).write_bytes((kept / name).read())
        return folder

    def remove_run_folder(self, run: str) -> None:
        """Delete a run's configuration, summary, report and exports; its row stays."""
        shutil.rmtree(self.local / "runs" / run, ignore_errors=True)
        (self.root / "runs" / run).remove()

    def stored_encoders(self) -> list[str]:
        """Fingerprints of the encoders that vectors are kept of, sorted."""
        return (self.root / "vectors").names()

    def remove_encoder(self, fingerprint: str) -> None:
        """Delete the vectors of an encoder and the indexes over them."""
        (self.root / "vectors" / fingerprint).remove()
        for folder in (self.local / "indexes").glob(f"*/{fingerprint}"):
            shutil.rmtree(folder, ignore_errors=True)

    def index_folder(self, modality: str, fingerprint: str) -> Path:
        """Where the index over one encoder's vectors is kept."""
        folder = self.local / "indexes" / modality / fingerprint
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def writer(self) -> AbstractContextManager[Lock]:
        """Hold the catalog's only write lock; a dead process's is free, or taken over.

        Raises:
            CatalogError: another run holds it.
        """
        return hold(
            self.root / WRITER,
            taken=f"another run is writing to {self.root}{{owner}}; wait for it to end, or give "
            "this run a catalog of its own",
        )

    def name_writer(self, run: str) -> None:
        """Tell those who are refused the write lock which run holds it."""
        name_run(self.root / WRITER, run)

    def trainer(self) -> AbstractContextManager[Lock]:
        """Hold the only right to fine-tune in the catalog; runs are not kept waiting by it.

        Raises:
            CatalogError: another fine-tune holds it.
        """
        return hold(
            self.root / "training.lock",
            taken=f"another fine-tune is under way in {self.root}{{owner}}; wait for it to end",
        )

    def training_folder(self, task: str) -> Path:
        """Scratch of a fine-tune; one that was killed goes on from what it left there."""
        folder = self.local / "training" / task
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def models(self) -> Registry:
        """The registry of models; on an object store it works on this machine's copy."""
        from pipeline.catalog.registry.registry import Registry
        from pipeline.catalog.registry.remote import SharedRegistry

        folder = self.local / "models"
        return (
            Registry(folder) if self.root.is_local else SharedRegistry(folder, self.root / "models")
        )

    def publish(self, run: Run) -> None:
        """Add one row to `runs`: the atomic step that makes a run's tables the current ones.

        Readers see the tables of the newest row with the status published; held and failed runs
        are recorded the same way. The row of a failed run that went on is replaced: a run has one.

        Raises:
            LostLockError: this process took the write lock and no longer has it.
        """
        known = self.runs()
        run = replace(run, number=max((earlier.number for earlier in known), default=0) + 1)
        self._keep(run)
        check_held(self.root / WRITER)
        if any(earlier.run == run.run for earlier in known):
            self.tables.update("runs", run.row(), key="run")
        else:
            self.tables.append("runs", run.row())
        self._confirm(run)

    def amend(self, summary: RunSummary) -> None:
        """Replace the summary of a recorded run, which `summary` names, in one step."""
        self._update([replace(self.run(summary.run), summary=summary)])

    def change(self, runs: Sequence[Run]) -> None:
        """Replace the rows of recorded runs, all in one step.

        Raises:
            LostLockError: this process took the write lock and no longer has it.
        """
        check_held(self.root / WRITER)
        self._update(runs)

    def _update(self, runs: Sequence[Run]) -> None:
        self.tables.update("runs", pa.concat_tables(run.row() for run in runs), key="run")
        for run in runs:
            self._keep(run)
            self._confirm(run)

    def _keep(self, run: Run) -> None:
        """Write what a person reads of a run."""
        self._write(run, "config.json", run.config)
        self._write(run, "summary.json", run.summary.to_json())

    def _confirm(self, run: Run) -> None:
        """Keep a recorded run's row beside the table too, should `runs` ever be damaged."""
        self._write(run, ROW, write_run_file(run))
        self.send_run_folder(run.run)

    def send_run_folder(self, run: str) -> None:
        """Bring this machine's copy of a run's folder to the object store; nothing on a disk."""
        if not self.root.is_local:
            for path in sorted(self.run_folder(run).iterdir()):
                (self.root / "runs" / run / path.name).write(path.read_bytes())

    def _write(self, run: Run, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(value, indent=2, sort_keys=True)
        Place(str(self.run_folder(run.run) / name)).write(text.encode())

    def rebuild_runs(self) -> int:
        """Make the table `runs` anew from the row in each run's folder; return how many there are.

        The damaged table is moved aside. Only for who holds the write lock.

        Raises:
            CatalogError: no run's folder has its row.
        """
        folder = self.root / "runs"
        names = [name for name in folder.names() if (folder / name / ROW).exists()]
        if not names:
            raise CatalogError(
                f"no run below {folder} has a {ROW}: restore {self.root} from a backup"
            )
        rows = [json.loads((folder / name / ROW).read()) for name in names]
        aside = f"runs-damaged-{len(self.tables.root.names())}"
        (self.tables.root / "runs").move(self.tables.root / aside)
        self.tables.append("runs", read_run_file(rows))
        return len(rows)

    def runs(self) -> list[Run]:
        """Every run, the newest first."""
        if not self.tables.exists("runs"):
            return []
        return runs_of(self.tables.runs())

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
        if run.summary.tables_dropped:
            raise CatalogError(
                f"the tables of run {run.run} were dropped on {run.summary.tables_dropped} by "
                "the retention in its configuration; `gemel runs list` shows the runs that are kept"
            )
        if table not in run.versions:
            raise CatalogError(
                f"run {run.run} is {run.status} and has no table {table!r}; "
                "`gemel runs list` shows the runs that have one"
            )
        return run.versions[table]


def _check_folder(root: Path, *, create: bool) -> None:
    """Make the folder of a local catalog, or look whether it may be read."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogError(f"cannot make the catalog folder {root}: {error.strerror}") from error
    if not create and not os.access(root, os.R_OK | os.X_OK):
        raise CatalogError(f"the catalog folder {root} may not be read; check its permissions")
    if create and not os.access(root, os.W_OK):
        raise CatalogError(f"the catalog folder {root} is not writable")
