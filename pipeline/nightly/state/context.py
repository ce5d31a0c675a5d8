"""One run's references and small settings: what every stage is given instead of tables."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.arrays import progress, release_memory
from pipeline.catalog import Catalog, Run, Scratch
from pipeline.config import RunConfig
from pipeline.nightly.monitoring import run_log


@dataclass(frozen=True)
class RunContext:
    """A run under way.

    Attributes:
        run: name of the run, its start in UTC.
        config: the resolved configuration.
        started: start of the run.
        models: references of the registered models that judge, pinned for the whole run.
        base: the run that was published last when this one began; what changes is told from it.
        full: compute everything anew, as if nothing of `base` could be used again.
    """

    run: str
    config: RunConfig
    started: datetime
    models: tuple[str, ...] = ()
    base: str | None = None
    full: bool = False

    @property
    def catalog(self) -> Catalog:
        """The catalog the run writes to."""
        return Catalog.of(self.config)

    @property
    def base_run(self) -> Run | None:
        """The run that was published last when this one began; None on the first night."""
        return _run_row(self.catalog, self.base) if self.base else None

    @property
    def work(self) -> Scratch:
        """The run's scratch."""
        return self.catalog.work(self.run)

    @property
    def threads(self) -> int:
        """CPU threads to use."""
        return self.config.threads or os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _run_row(catalog: Catalog, name: str) -> Run:
    """A run's row, read once: the table of all runs grows with the nights."""
    return catalog.run(name)


def new_context(
    config: RunConfig,
    *,
    models: tuple[str, ...] = (),
    base: str | None = None,
    full: bool = False,
    started: datetime | None = None,
) -> RunContext:
    """Name a run after the moment it starts."""
    started = started or datetime.now(UTC)
    name = started.strftime("%Y%m%dT%H%M%S.%fZ")
    return RunContext(name, config, started, models, base, full)


@dataclass(frozen=True)
class Stage:
    """One step of a run, called with the run; not done again where what it made is kept.

    Attributes:
        name: as the summary, the log and the bars call it.
        work: does it.
    """

    name: str
    work: Callable[[RunContext], dict[str, Any]]

    def kept(self, context: RunContext) -> dict[str, Any] | None:
        """What the stage made in this run before it was stopped; None where it has not ended."""
        return context.work.facts(self.name) or None

    def __call__(self, context: RunContext) -> dict[str, Any]:
        """Time the work, hold it to the run's threads, and keep its result in the run's scratch."""
        from threadpoolctl import threadpool_limits

        if (kept := self.kept(context)) is not None:
            progress.report(self.name, kept["rows"], kept["rows"])
            return kept
        began = time.perf_counter()
        told = functools.partial(
            run_log.event, catalog=context.config.catalog, run=context.run, stage=self.name
        )
        told("stage started")
        progress.report(self.name, 0)
        with threadpool_limits(limits=context.threads):
            facts = self.work(context)
        release_memory()
        facts = {"rows": 0, "bytes": 0, **facts, "seconds": time.perf_counter() - began}
        context.work.note(self.name, facts)
        told("stage finished", **{key: facts[key] for key in ("rows", "seconds", "bytes")})
        progress.report(self.name, facts["rows"], facts["rows"])
        return facts


def stage(name: str) -> Callable[[Callable[[RunContext], dict[str, Any]]], Stage]:
    """Make a function a stage."""
    return functools.partial(Stage, name)
