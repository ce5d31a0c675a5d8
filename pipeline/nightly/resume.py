"""Runs that were stopped: which of them goes on, and what becomes of the scratch of the others.

A run goes on, under its name and start, when the same command is given again: the same
configuration, models and code, on top of the same published run, and the sources still hold what
it had read of them. Stages that were finished are skipped; within a stage the finished shards are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.catalog import Catalog, RunSummary, Scratch
from pipeline.config import RunConfig
from pipeline.nightly.stages.ingest import SHARDS, iter_records
from pipeline.nightly.state.context import RunContext

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """What makes two commands the same one; `code` is a digest of the package's source."""

    config: dict[str, Any]
    models: tuple[str, ...]
    base: str | None
    full: bool
    code: str


@dataclass(frozen=True)
class Begun:
    """A run that has begun: by which command, when, at which attempt, and how others failed."""

    command: Command
    started: datetime
    attempts: int = 1
    failures: tuple[str, ...] = ()


def resume_or_start(fresh: RunContext) -> RunContext:
    """The stopped run that goes on in the place of a fresh one, or the fresh one, noted as begun.

    The scratch of every other run is removed.
    """
    catalog, command = fresh.catalog, _command(fresh)
    found: RunContext | None = None
    # The newest that fits goes on.
    for work in reversed(catalog.unfinished()):
        begun = work.kept(Begun)
        if found is None and begun and begun.command == command:
            found = _renew(work, fresh, begun)
        else:
            if begun:
                run = work.folder.name
                log.warning("the scratch of run %s, another command's, is removed", run)
            work.remove()
    if found is None:
        fresh.work.keep(Begun(command, fresh.started))
        return fresh
    return found


def _renew(work: Scratch, fresh: RunContext, begun: Begun) -> RunContext:
    """The context of a stopped run; where the delivery is another, what it read is handed on."""
    run = work.folder.name
    stopped = RunContext(run, fresh.config, begun.started, fresh.models, fresh.base, fresh.full)
    if not iter_records(stopped):
        log.warning("the sources changed since run %s was stopped: run %s begins", run, fresh.run)
        work.move(fresh.catalog.work(fresh.run).folder, keep=SHARDS)
        begun = Begun(begun.command, fresh.started, attempts=0)
        stopped = fresh
    else:
        log.warning("run %s, which was stopped, goes on", run)
        begun = replace(begun, failures=(*begun.failures, *_failures(fresh.catalog, run)))
    stopped.work.keep(replace(begun, attempts=begun.attempts + 1))
    return stopped


def stopped_after_publish(tonight: RunConfig) -> Iterator[RunContext]:
    """The runs that were published or held and stopped before the end of their report or exports.

    The scratch of one that this Gemel does not understand is removed: its tables are published.

    Args:
        tonight: names the catalog; its credentials are not kept, so they are taken from here.
    """
    catalog = Catalog.of(tonight)
    recorded = {run.run: run for run in catalog.runs() if run.status != "failed"}
    for work in catalog.unfinished():
        run = recorded.get(work.folder.name)
        if run is None:
            continue
        begun = work.kept(Begun)
        if begun is None:  # it was being removed, or is another version's
            work.remove()
            continue
        command = begun.command
        try:
            config = RunConfig.model_validate(command.config)
        except ValidationError:
            log.warning(
                "run %s was stopped before its exports; `gemel export` writes them", run.run
            )
            work.remove()
            continue
        log.warning("run %s is %s, its report and exports are written now", run.run, run.status)
        config = config.model_copy(update={"catalog_options": tonight.catalog_options})
        models, base, full = command.models, command.base, command.full
        yield RunContext(run.run, config, run.started, models, base, full)


def with_interruptions(context: RunContext, summary: RunSummary) -> RunSummary:
    """A summary with the attempts of a run that was stopped, and how the others failed."""
    begun = context.work.require(Begun)
    return replace(summary, attempts=begun.attempts, failures=begun.failures)


def _failures(catalog: Catalog, run: str) -> list[str]:
    """How a run failed; a killed one left no row."""
    return [found.summary.error or "" for found in catalog.runs() if found.run == run]


def _command(context: RunContext) -> Command:
    config = context.config.model_dump(mode="json")
    return Command(config, context.models, context.base, context.full, _code())


@lru_cache(maxsize=1)
def _code() -> str:
    """A digest of the package's source: what one version left half-done no other goes on with."""
    digest = blake2b(digest_size=16)
    root = Path(str(files("pipeline")))
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
