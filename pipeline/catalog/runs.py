"""The rows of the table `runs`: one run each, in an order that no clock decides."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.storage import RUNS, conform

_JSON = ("config", "versions", "summary")
_TIMES = ("started", "finished")


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
    summary: RunSummary
    number: int = field(default=0, compare=False)

    @property
    def place(self) -> tuple[int, datetime, str]:
        """The order of the runs, the oldest first."""
        return self.number, self.started, self.run

    def row(self) -> pa.Table:
        """The run as a row of `RUNS`."""
        values = {name: getattr(self, name) for name in RUNS.names}
        values["summary"] = self.summary.to_json()
        values |= {name: json.dumps(values[name], sort_keys=True) for name in _JSON}
        return pa.Table.from_pylist([values], schema=RUNS)


def runs_of(rows: pa.Table) -> list[Run]:
    """The runs of a table, the newest first."""
    found = []
    for row in conform(rows, RUNS).to_pylist():
        decoded = {name: json.loads(row[name]) for name in _JSON}
        decoded["summary"] = RunSummary.from_json(decoded["summary"])
        found.append(Run(**{**row, **decoded, "number": row["number"] or 0}))
    return sorted(found, key=lambda run: run.place, reverse=True)


def write_run_file(run: Run) -> dict[str, Any]:
    """A run's row as JSON has it."""
    row: dict[str, Any] = run.row().to_pylist()[0]
    return row | {name: row[name].isoformat() for name in _TIMES}


def read_run_file(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows that `written_down` gave, as a table."""
    timed = [row | {name: datetime.fromisoformat(row[name]) for name in _TIMES} for row in rows]
    return pa.Table.from_pylist(timed, schema=RUNS)
