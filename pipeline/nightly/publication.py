"""Publication of a run: its gates, its row, or how it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.catalog import Run, RunSummary, Status
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.stage import StageResult, stage
from pipeline.nightly.summary import Results, heading, reason_of, stage_row, summarise_run


@dataclass(frozen=True, kw_only=True)
class PublishResult(StageResult):
    """Whether the run was published or held."""

    status: Status


@stage("publish", PublishResult)
def publish(context: RunContext) -> PublishResult:
    """Check the gates, then publish or hold: one row in `runs` is the atomic step."""
    results = Results.of(context)
    summary = summarise_run(context, results)
    _record(context, summary, results.versions)
    return PublishResult(rows=summary.counts.records, status=summary.status)


def record_failure(
    context: RunContext,
    error: BaseException,
    *,
    stage: str,
    finished: Mapping[str, StageResult],
) -> str:
    """Record that a run did not come to its end, and return its status.

    Readers still see the last published run. A run that was published or held before it was stopped
    keeps that status, with the error noted.

    Args:
        stage: the one it was stopped in. finished: those before it.
    """
    for run in context.catalog.runs():
        if run.run == context.run and run.status != "failed":
            context.catalog.amend(replace(run.summary, error=reason_of(error)))
            return run.status
    summary = replace(
        heading(context, "failed"),
        error=reason_of(error),
        stage=stage,
        stages=tuple(stage_row(name, result) for name, result in finished.items()),
    )
    _record(context, summary, {})
    return "failed"


def _record(context: RunContext, summary: RunSummary, versions: dict[str, int]) -> None:
    """Add the run's row to `runs`: what it says is final."""
    run = Run(
        run=context.run,
        started=context.started,
        finished=datetime.fromisoformat(summary.finished),
        status=summary.status,
        config=context.config.model_dump(mode="json"),
        versions=versions,
        summary=summary,
    )
    context.catalog.publish(run)
