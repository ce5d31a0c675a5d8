"""Operation of runs by a person: release, discard, roll back, prune. SHELL.

Each holds the write lock: none comes between a night's tables and their publication.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline.catalog import (
    Catalog,
    Decision,
    Run,
    prune as prune_catalog,
    run_decisions as decided,
)
from pipeline.config import ExportSettings, RetentionSettings
from pipeline.nightly.deliver import output_facts, try_exports, try_report


def release_run(catalog: Catalog, name: str, *, by: str, reason: str) -> dict[str, Any]:
    """Publish a held run, write its report and exports, and return its summary.

    Raises:
        CatalogError: see `pipeline.catalog.run_decisions.release`; or a run is under way.
    """
    with catalog.writer():
        return _write_report(catalog, decided.release(catalog, name, _word(by, reason)))


def discard_run(catalog: Catalog, name: str, *, by: str, reason: str) -> dict[str, Any]:
    """Throw a held run away and return its summary.

    Raises:
        CatalogError: it is not held; or a run is under way.
    """
    with catalog.writer():
        return decided.discard(catalog, name, _word(by, reason)).summary


def rollback_run(catalog: Catalog, name: str | None, *, by: str, reason: str) -> dict[str, Any]:
    """Make an earlier run the published one, write its exports again, and return its summary.

    Raises:
        CatalogError: see `pipeline.catalog.run_decisions.rollback`; or a run is under way.
    """
    with catalog.writer():
        return _write_report(catalog, decided.rollback(catalog, name, _word(by, reason)))


def prune_runs(catalog: Catalog, *, runs: int | None, days: float | None, dry_run: bool) -> Any:
    """Remove what no kept run needs, all of it; limits not given are the published run's.

    Raises:
        CatalogError: a run is under way.
    """
    published = catalog.published()
    stored = (published.config if published else {}).get("retention", {})
    settings = RetentionSettings.model_validate(stored)
    limits = {
        "keep": settings.runs if runs is None else runs,
        "days": settings.days if days is None else days,
    }
    with catalog.writer():
        found = prune_catalog(catalog, **limits, now=datetime.now(UTC), slack=0.0, dry_run=dry_run)  # type: ignore[arg-type]
    return {**limits, **found}


def _word(by: str, reason: str) -> Decision:
    return Decision(by, datetime.now(UTC), reason)


def _write_report(catalog: Catalog, run: Run) -> dict[str, Any]:
    """Write the report and the configured exports of a run that is published now."""
    exports = [ExportSettings.model_validate(one) for one in run.config["exports"]]
    noted = output_facts(try_report(catalog, run), try_exports(catalog, run, exports))
    before = {key: value for key, value in run.summary.items() if key != "report_failed"}
    catalog.amend(before | noted)
    return catalog.run(run.run).summary
