"""One run's references and small settings: what every stage is given instead of tables."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.catalog import Catalog, Run, Scratch
from pipeline.config import RunConfig


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
