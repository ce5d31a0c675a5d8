"""The answer book: the catalog's labels in memory, read again when others wrote."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import RLock

import numpy as np

from pipeline.arrays import Flags
from pipeline.catalog import Catalog
from pipeline.errors import CatalogError
from pipeline.labels import Answer, AnswerGraph, AnswerLog, table_of
from pipeline.reviewing.tables import RunTables

EVERY = 1.0  # seconds between two looks at what others wrote
TRIES = 20  # to append while others append at the same moment


class AnswerBook:
    """All answers of a catalog, shared by the requests of one server.

    Attributes:
        lock: held while answers are read together or written.
        log, graph: see `pipeline.labels`.
        count: one higher whenever answers came: what depends on them is made again.
        open: (p,) judged pairs without an answer.
        changes: what each of the `count` changes was about, records; None: everything.
    """

    def __init__(self, catalog: Catalog, tables: RunTables) -> None:
        self.lock = RLock()
        self.changes: list[set[str] | None] = [None]
        self._catalog, self._tables = catalog, tables
        self._version: int | None = None
        self._looked = -EVERY
        self.log, self.graph = AnswerLog(), AnswerGraph(AnswerLog())
        self._open: Flags | None = None
        self.refresh()

    @property
    def count(self) -> int:
        """How many changes there were."""
        return len(self.changes)

    @property
    def open(self) -> Flags:
        """(p,) judged pairs without an answer."""
        with self.lock:
            if self._open is None:
                self._open = np.ones(len(self._tables.pairs), bool)
                at = self._tables.numbers_of(one.pair for one in self.log.standing())
                self._open[at[at >= 0]] = False
            return self._open

    def refresh(self, *, now: bool = False) -> None:
        """Take up what others wrote, looked for once a second at most."""
        with self.lock:
            if not now and time.monotonic() - self._looked < EVERY:
                return
            self._looked = time.monotonic()
            version = self._catalog.tables.version("labels")
            if version == self._version:
                return
            self._read(version)

    def _read(self, version: int | None) -> None:
        labels = None if version is None else self._catalog.tables.labels()
        self.log, self._version = AnswerLog(labels), version
        self.graph = AnswerGraph(self.log)
        self._open = None
        self.changes.append(None)

    def write(self, answers: Sequence[Answer]) -> None:
        """Append answers to the catalog in one step, and take them up.

        Raises:
            CatalogError: others keep writing at the same time.
        """
        if not answers:
            return
        rows = table_of(answers)
        with self.lock:
            for attempt in range(TRIES):
                try:
                    version = self._catalog.tables.append("labels", rows)
                    break
                except CatalogError as error:
                    if "at the same time" not in str(error) or attempt == TRIES - 1:
                        raise
                    time.sleep(0.02 * (attempt + 1))
            if self._version is not None and version == self._version + 1:
                self._take(answers)
                self._version = version
            else:
                self._read(self._catalog.tables.version("labels"))

    def _take(self, answers: Sequence[Answer]) -> None:
        self.log.add(answers)
        self.graph.update(self.log, [one.pair for one in answers])
        if self._open is not None:
            at = self._tables.numbers_of(one.pair for one in answers)
            for place, one in zip(at.tolist(), answers, strict=True):
                if place >= 0:
                    self._open[place] = self.log.latest(one.pair) is None
        self.changes.append({record for one in answers for record in one.pair})

    def signed(self, answers: Sequence[Answer], *, run: str) -> list[Answer]:
        """Answers with the run that was shown."""
        return [replace(one, run=run) for one in answers]
