"""Publication of a run: its summary, its gates, its row, its report and exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.catalog import Run
from pipeline.nightly.state.context import RunContext, stage
from pipeline.nightly.summary import (
    STAGES,
    _heading,
    _stage_rows,
    _versions,
    reason_of,
    summarise_run,
)


@stage("publish")
def publish(context: RunContext) -> dict[str, Any]:
    """Check the gates, then publish or hold: one row in `runs` is the atomic step."""
    summary = summarise_run(context)
    _record(context, summary, _versions(context))
    return {"rows": summary["counts"]["records"], "status": summary["status"]}


def record_failure(context: RunContext, error: BaseException, *, stage: str) -> str:
    """Record that a run did not come to its end, and return its status.

    Readers still see the last published run. A run that was published or held before it was stopped
    keeps that status, with the error noted.

    Args:
        stage: the one it was stopped in.
    """
    for run in context.catalog.runs():
        if run.run == context.run and run.status != "failed":
            context.catalog.amend({**run.summary, "error": reason_of(error)})
            return run.status
    finished = {name: fact for name in STAGES if (fact := context.work.facts(name))}
    summary = {
        **_heading(context),
        "status": "failed",
        "error": reason_of(error),
        "stage": stage,
        "counts": {},
        "gates": [],
        "stages": _stage_rows(finished),
    }
    _record(context, summary, {})
    return "failed"


def _record(context: RunContext, summary: dict[str, Any], versions: dict[str, int]) -> None:
    """Add the run's row to `runs`: what it says is final."""
    run = Run(
        run=context.run,
        started=context.started,
        finished=datetime.fromisoformat(summary["finished"]),
        status=summary["status"],
        config=context.config.model_dump(mode="json"),
        versions=versions,
        summary=summary,
    )
    context.catalog.publish(run)
