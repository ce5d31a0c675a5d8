"""The log of a run: one JSON object per line, for machines and for whoever looks afterwards."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

LogFormat = Literal["text", "json"]
# Names the format on stderr; the command line's option sets it, a worker's environment may.
FORMAT_VARIABLE = "GEMEL_LOG_FORMAT"

_log = logging.getLogger("gemel")
_log.setLevel(logging.INFO)
_log.propagate = False  # Prefect tells its own log of stages; here they would be told twice


def event(
    name: str, *, catalog: str, run: str | None, level: int = logging.INFO, **facts: Any
) -> None:
    """Log that `name` happened in a run, with what is known of it (rows, seconds, bytes, …)."""
    _log.log(level, name, extra={"catalog": catalog, "told": {"run": run, **facts}})


class JsonLines(logging.Formatter):
    """`time` (ISO 8601, UTC), `level`, `event`, `run`, then what is known of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, its newline left out."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        return orjson.dumps(line, default=str).decode()


class RunFile(logging.Handler):
    """Appends the events of one catalog's run to a file that `place(run)` names.

    The file is known with the first event that names a run; what came before is kept until then.
    What cannot be written is dropped: a log that fails does not stop a run.

    Attributes:
        run: name of the run that was seen last; None before the first.
    """

    def __init__(self, catalog: str, place: Callable[[str], Path]) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.catalog, self.place = catalog, place
        self.run: str | None = None
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event, where it is of this catalog."""
        if getattr(record, "catalog", None) != self.catalog:
            return
        self.run = record.__dict__["told"]["run"] or self.run
        self._waiting.append(self.format(record) + "\n")
        if self.run is None:
            return
        try:
            with self.place(self.run).open("a", encoding="utf-8") as file:
                file.writelines(self._waiting)
        except OSError:
            return
        finally:
            self._waiting = []


@contextmanager
def logging_to(handler: logging.Handler, *, also_stderr: LogFormat = "text") -> Iterator[None]:
    """Send events to a handler inside the block, and as JSON to stderr where that is wanted."""
    handlers = [handler]
    if also_stderr == "json":
        stderr = logging.StreamHandler(sys.stderr)
        stderr.setFormatter(JsonLines())
        handlers.append(stderr)
    for one in handlers:
        _log.addHandler(one)
    try:
        yield
    finally:
        for one in handlers:
            _log.removeHandler(one)
            one.close()
