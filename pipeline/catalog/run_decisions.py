"""Decisions about runs: release or discard a held one, roll back, roll forward.

Each is one commit to `runs`; its caller holds the write lock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.figures import HistoryEntry
from pipeline.catalog.summary.run_summary import Status
from pipeline.errors import CatalogError


@dataclass(frozen=True)
class Decision:
    """Who decided, when, and why; `until`: see `HistoryEntry`."""

    by: str
    at: datetime
    reason: str
    until: date | None = None


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of name-2, name-3, … that no run has: clocks can go backwards."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def release(catalog: Catalog, name: str, word: Decision) -> Run:
    """Make a held run the published one.

    Raises:
        CatalogError: it is not held, or another run was published since it began: what it changed
            was told from an older one.
    """
    run = _held_run(catalog, name)
    published = catalog.published()
    current = published.run if published else None
    base = run.summary.base
    if base != current:
        raise CatalogError(
            f"run {name} cannot be released: it was computed from {base or 'an empty catalog'}, "
            f"and {current or 'nothing'} is published now; discard it and `gemel run` again"
        )
    _check_tables(catalog, run)
    return _commit(catalog, [_change(run, "published", "released", word)])


def discard(catalog: Catalog, name: str, word: Decision) -> Run:
    """Throw a held run away: its row stays, its tables go with the retention.

    Raises:
        CatalogError: it is not held.
    """
    return _commit(catalog, [_change(_held_run(catalog, name), "discarded", "discarded", word)])


def rollback(catalog: Catalog, name: str | None, word: Decision) -> Run:
    """Make an earlier run the one that readers see, and the next night's base.

    Args:
        name: a run that was published, also one that was rolled back; None: the one before.

    Raises:
        CatalogError: there is none such, or its tables were dropped.
    """
    published = [run for run in catalog.runs() if run.status == "published"]
    if not published and name is None:
        raise CatalogError(f"the catalog {catalog.root} has no published run to roll back")
    target = _earlier(published) if name is None else _undone_runs(catalog, name, published)
    _check_tables(catalog, target)
    later = [run for run in published if run.place > target.place]
    changed = [_change(run, "rolled_back", f"rolled back to {target.run}", word) for run in later]
    return _commit(catalog, [_change(target, "published", "made current again", word), *changed])


def _earlier(published: list[Run]) -> Run:
    if len(published) < 2:
        raise CatalogError(
            f"run {published[0].run} is the only published one: there is none before it to roll "
            "back to"
        )
    return published[1]


def _undone_runs(catalog: Catalog, name: str, published: list[Run]) -> Run:
    run = catalog.run(name)
    if published and run.run == published[0].run:
        raise CatalogError(f"run {name} is what readers see already; nothing to roll back")
    if run.status not in ("published", "rolled_back"):
        raise CatalogError(
            f"run {name} is {run.status} and never was published"
            + (f"; `gemel runs release {name}` publishes it" if run.status == "held" else "")
        )
    return run


def _held_run(catalog: Catalog, name: str) -> Run:
    run = catalog.run(name)
    if run.status != "held":
        raise CatalogError(
            f"run {name} is {run.status}, not held; `gemel runs list` shows which are held"
        )
    return run


def _check_tables(catalog: Catalog, run: Run) -> None:
    """Open every table of a run before readers are sent to it."""
    for table in run.versions:
        catalog.dataset(table, run=run)


def _change(run: Run, status: Status, action: str, word: Decision) -> Run:
    until = word.until.isoformat() if word.until else None
    entry = HistoryEntry(action, word.by, word.at.isoformat(), word.reason, until)
    summary = replace(run.summary, status=status, history=(*run.summary.history, entry))
    return replace(run, status=status, summary=summary)


def _commit(catalog: Catalog, runs: list[Run]) -> Run:
    catalog.change(runs)
    return runs[0]
