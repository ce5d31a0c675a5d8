"""Operation of runs by a person: release, discard, roll back, prune. SHELL.

Each holds the write lock: none comes between a night's tables and their publication.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from pipeline.catalog import (
    Catalog,
    Decision,
    Pruned,
    Run,
    RunSummary,
    prune as prune_catalog,
    run_decisions as decided,
)
from pipeline.config import ExportSettings, RetentionSettings
from pipeline.errors import ConfigError
from pipeline.nightly.deliver import try_exports, try_report, with_outputs


def release_run(
    catalog: Catalog, name: str, *, by: str, reason: str, until: date | None = None
) -> RunSummary:
    """Publish a held run, write its report and exports, and return its summary.

    Args:
        until: the day through which the gates that held it allow as much again.

    Raises:
        ConfigError: that day is over.
        CatalogError: see `pipeline.catalog.run_decisions.release`; or a run is under way.
    """
    word = replace(_word(by, reason), until=until)
    if until is not None and until < word.at.date():
        raise ConfigError(f"--until {until} is over: give today or a later day")
    with catalog.writer():
        return _write_report(catalog, decided.release(catalog, name, word))


def discard_run(catalog: Catalog, name: str, *, by: str, reason: str) -> RunSummary:
    """Throw a held run away and return its summary.

    Raises:
        CatalogError: it is not held; or a run is under way.
    """
    with catalog.writer():
        return decided.discard(catalog, name, _word(by, reason)).summary


def rollback_run(catalog: Catalog, name: str | None, *, by: str, reason: str) -> RunSummary:
    """Make an earlier run the published one, write its exports again, and return its summary.

    Raises:
        CatalogError: see `pipeline.catalog.run_decisions.rollback`; or a run is under way.
    """
    with catalog.writer():
        return _write_report(catalog, decided.rollback(catalog, name, _word(by, reason)))


def prune_runs(
    catalog: Catalog, *, runs: int | None, days: float | None, dry_run: bool
) -> tuple[RetentionSettings, Pruned]:
    """Remove what no kept run needs, all of it; limits not given are the published run's.

    Returns:
        The limits, and what went.

    Raises:
        CatalogError: a run is under way.
    """
    published = catalog.published()
    stored = published.config.get("retention", {}) if published else {}
    given = {name: value for name, value in (("runs", runs), ("days", days)) if value is not None}
    limits = RetentionSettings.model_validate(stored).model_copy(update=given)
    now = datetime.now(UTC)
    with catalog.writer():
        found = prune_catalog(
            catalog, keep=limits.runs, days=limits.days, now=now, slack=0.0, dry_run=dry_run
        )
    return limits, found


def _word(by: str, reason: str) -> Decision:
    return Decision(by, datetime.now(UTC), reason)


def _write_report(catalog: Catalog, run: Run) -> RunSummary:
    """Write the report and the configured exports of a run that is published now."""
    exports = [ExportSettings.model_validate(one) for one in run.config["exports"]]
    summary = with_outputs(
        run.summary, try_report(catalog, run), try_exports(catalog, run, exports)
    )
    catalog.amend(summary)
    return summary
