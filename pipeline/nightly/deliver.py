"""Delivery of a published run: its report, its exports, and the removal of older runs' files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.catalog import Catalog, Run, RunSummary, prune
from pipeline.config import ExportSettings
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.stage import StageResult, stage
from pipeline.nightly.summary import reason_of

MORNING = "summary.md"  # beside the report


@dataclass(frozen=True, kw_only=True)
class ReportResult(StageResult):
    """Where the report is, or why it could not be written."""

    path: str | None = None
    failed: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportResult(StageResult):
    """Path -> rows of the exports that were written, path -> reason of the others."""

    written: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@stage("report", ReportResult)
def report(context: RunContext) -> ReportResult:
    """Write the HTML report of the run; one that cannot be written is noted, the run stands."""
    return try_report(context.catalog, context.catalog.run(context.run))


def try_report(catalog: Catalog, run: Run) -> ReportResult:
    """Write a run's report, or say why it could not be written."""
    try:
        return ReportResult(path=write_report(catalog, run))
    except Exception as error:  # noqa: BLE001 - the run is published: whatever it is, say it there
        return ReportResult(failed=reason_of(error))


def write_report(catalog: Catalog, run: Run) -> str:
    """Write a run's HTML report and its summary into its folder; return the report's path."""
    from pipeline.catalog import events_of
    from pipeline.config import ReportSettings
    from pipeline.outputs import build_report, morning_markdown, render_report

    # The long tables are streamed, the others are read.
    tables = {name: catalog.dataset(name, run=run) for name in ("records", "pairs")}
    tables |= {
        name: catalog.read(name, run=run) for name in ("clusters", "cut_links", "quarantine")
    }
    data = build_report(
        summary=run.summary,
        events=events_of(catalog, run) if "events" in run.versions else None,
        alignments=(
            catalog.dataset("alignments", run=run) if "alignments" in run.versions else None
        ),
        **tables,
        settings=ReportSettings.model_validate(run.config["report"]),
        seed=run.config["seed"],
    )
    path = catalog.run_folder(run.run) / "report.html"
    path.write_text(render_report(data), encoding="utf-8")
    words = morning_markdown(data, report=str(path))
    path.with_name(MORNING).write_text(words, encoding="utf-8")
    return str(path)


@stage("export", ExportResult)
def export(context: RunContext) -> ExportResult:
    """Write the configured exports of a published run."""
    run = context.catalog.run(context.run)
    return try_exports(
        context.catalog, run, context.config.exports if run.status == "published" else ()
    )


def try_exports(catalog: Catalog, run: Run, exports: Iterable[ExportSettings]) -> ExportResult:
    """Write exports of a run; one that cannot be written is noted, the others are written."""
    written: dict[str, int] = {}
    failed: dict[str, str] = {}
    for settings in exports:
        try:
            written[settings.path] = write_export(catalog, run, settings)
        except Exception as error:  # noqa: BLE001 - the run is published: the other files matter
            failed[settings.path] = reason_of(error)
    return ExportResult(rows=sum(written.values()), written=written, failed=failed)


def with_outputs(summary: RunSummary, report: ReportResult, export: ExportResult) -> RunSummary:
    """A summary with what became of the report and the exports."""
    return replace(
        summary,
        report=report.path,
        report_failed=report.failed,
        exports=export.written,
        exports_failed=export.failed,
    )


def retain(context: RunContext, summary: RunSummary) -> RunSummary:
    """After a published run, remove what no kept run needs; what goes wrong is noted."""
    if summary.status != "published":
        return summary
    settings = context.config.retention
    try:
        found = prune(
            context.catalog, keep=settings.runs, days=settings.days, now=datetime.now(UTC)
        )
    except Exception as error:  # noqa: BLE001 - the run is published; the next one tries again
        return replace(summary, retention_failed=reason_of(error))
    return replace(summary, retention=found)


def write_export(
    catalog: Catalog, run: Run, settings: ExportSettings, *, since: str | None = None
) -> int:
    """Write one export of a run; return its number of rows.

    Args:
        since: for events: of every run after this one, not of `run` alone.
    """
    from pipeline.catalog import events_of
    from pipeline.outputs import (
        export_clusters,
        export_groups,
        export_pairs,
        export_quarantine,
        export_removals,
        export_survivors,
        open_exporter,
    )

    def table(name: str) -> pa.Table:
        return catalog.read(name, run=run)

    least = settings.min_probability
    chosen: dict[str, Any] = {"include_review": settings.include_review, "min_probability": least}
    match settings.what:
        case "clusters":
            schema, batches = export_clusters(
                table("clusters"), min_size=settings.min_size, min_probability=least
            )
        case "groups":
            schema, batches = export_groups(
                table("records"), table("clusters"), table("pairs"), table("cut_links")
            )
        case "pairs":
            schema, batches = export_pairs(table("pairs"), min_probability=least)
        case "events":
            told = events_of(catalog, run, since=since)
            schema, batches = told.schema, iter(told.to_batches())
        case "quarantine":
            schema, batches = export_quarantine(table("quarantine"))
        case "survivors":
            schema, batches = export_survivors(
                table("records"),
                table("clusters"),
                merge_attributes=settings.merge_attributes,
                **chosen,
            )
        case "removals":
            schema, batches = export_removals(
                table("records"), table("clusters"), table("pairs"), **chosen
            )
    exporter = open_exporter(settings.format, spreadsheet_safe=settings.spreadsheet_safe)
    return exporter.write(batches, schema, settings.path)
