"""Watch around a whole run, however it ends: its log, its metrics file, and who is told."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.catalog import Catalog, RunSummary
from pipeline.config import RunConfig
from pipeline.errors import CatalogError, PipelineError
from pipeline.nightly.monitoring import run_log
from pipeline.nightly.monitoring.notify import message_outcome, notify
from pipeline.nightly.monitoring.prometheus import gauges, write_metrics


@contextmanager
def watching(config: RunConfig) -> Iterator[Watch]:
    """Watch the run inside the block; what it raises is told to those concerned, and goes on.

    The block gives the summary of a run that came to its end to `Watch.ended`.
    """
    watch = Watch(config)
    chosen: run_log.LogFormat = (
        "json" if os.environ.get(run_log.FORMAT_VARIABLE, "").casefold() == "json" else "text"
    )
    with run_log.logging_to(watch.file, also_stderr=chosen):
        try:
            yield watch
        except BaseException as error:
            watch.raised(error)
            raise


class Watch:
    """What is seen of one run."""

    def __init__(self, config: RunConfig) -> None:
        self.config, self.started = config, datetime.now(UTC)
        self._clock = time.perf_counter()
        self.file = run_log.RunFile(config.catalog, self._log_path)

    def ended(self, summary: RunSummary) -> RunSummary:
        """Log, measure and tell the end of a run; its summary, with what could not be told.

        Called while the catalog's write lock is held: what could not be told is kept with the run.
        """
        amiss, catalog = self._tell(summary), Catalog.of(self.config)
        if amiss:
            untold, unwritten = amiss.get("not_notified", {}), amiss.get("metrics_failed", {})
            summary = replace(summary, not_notified=untold, metrics_failed=unwritten)
            _attempt(lambda: catalog.amend(summary), "summary")
        _attempt(lambda: catalog.send_run_folder(str(summary.run)), "log")
        return summary

    def raised(self, error: BaseException) -> None:
        """The same for a run that raised; what could not be told is noted on its error.

        A run that a person stopped at the terminal is told to nobody: that person knows.
        """
        quiet = isinstance(error, KeyboardInterrupt)
        for what, failed in self._tell(self._summary_of(error), quiet=quiet).items():
            for place, why in failed.items():
                error.add_note(f"{what.replace('_', ' ')}: {place}: {why}")

    def _tell(self, summary: RunSummary, *, quiet: bool = False) -> dict[str, dict[str, str]]:
        """Never raises: how a run ended does not hang on who could be told of it."""
        run = summary.run
        level = logging.INFO if message_outcome(summary) == "published" else logging.WARNING
        self._event(
            f"run {summary.status}", run, level,
            seconds=summary.seconds, counts=summary.told_counts, error=summary.error,
            failed_gates=[gate.id for gate in summary.failed_gates],
        )  # fmt: skip
        not_told = {} if quiet else _attempt(lambda: notify(summary, self.config), "notify")
        not_written = _attempt(lambda: self._measure(summary, not_told=len(not_told)), "metrics")
        amiss = {"not_notified": not_told, "metrics_failed": not_written}
        for what, failed in amiss.items():
            for place, why in failed.items():
                self._event(what, run, logging.WARNING, place=place, reason=why)
        return {what: failed for what, failed in amiss.items() if failed}

    def _summary_of(self, error: BaseException) -> RunSummary:
        """The recorded summary of the run that raised, else what is known of one without a row."""
        try:
            catalog = Catalog.of(self.config, create=False)
            if self.file.run is not None:
                return catalog.run(self.file.run).summary
        except Exception:  # noqa: BLE001 - a catalog that cannot be read is what is told below
            pass
        said = "" if isinstance(error, PipelineError) else f"{type(error).__name__}: "
        return RunSummary(
            run=self.file.run,
            name=self.config.name,
            status="failed",
            catalog=self.config.catalog,
            stage="start",
            error=f"{said}{error}"[:2000],
            started=self.started.isoformat(),
            finished=datetime.now(UTC).isoformat(),
            seconds=time.perf_counter() - self._clock,
        )

    def _measure(self, summary: RunSummary, *, not_told: int) -> dict[str, str]:
        """Write the metrics into the run's folder and where the configuration says."""
        try:
            published = Catalog.of(self.config, create=False).published()
        except (CatalogError, OSError):
            published = None
        registry = gauges(
            summary,
            last_published=published.finished if published else None,
            not_notified=not_told,
        )
        places = [self._folder(summary.run) / "metrics.prom"] if summary.run else []
        if self.config.metrics.path:
            places.append(Path(self.config.metrics.path))
        failed: dict[str, str] = {}
        for place in places:
            try:
                write_metrics(registry, place)
            except OSError as error:
                failed[str(place)] = error.strerror or str(error)
        return failed

    def _event(self, name: str, run: str | None, level: int, **facts: Any) -> None:
        known = {key: value for key, value in facts.items() if value not in (None, [], {})}
        run_log.event(name, catalog=self.config.catalog, run=run, level=level, **known)

    def _folder(self, run: str) -> Path:
        return Catalog.of(self.config).run_folder(run)

    def _log_path(self, run: str) -> Path:
        return self._folder(run) / "log.jsonl"


def _attempt(step: Callable[[], dict[str, str] | None], place: str) -> dict[str, str]:
    """What `step` says it could not do; or that it could not be done at all."""
    try:
        return step() or {}
    except Exception as error:  # noqa: BLE001 - the run's result stands, whatever it is
        return {place: f"{type(error).__name__}: {error}"[:500]}
