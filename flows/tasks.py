"""Each stage wrapped once as a Prefect task; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from pipeline.catalog import RunSummary
from pipeline.errors import PipelineError
from pipeline.nightly import MORNING, STAGES, RunContext, Stage, StageResult
from pipeline.outputs import escape_markdown, run_facts


def _transient(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what a network may cause, never what the data or the configuration cause."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and not isinstance(error, PipelineError)


# Sources may be on a network; everything after them reads what this machine has written.
OPTIONS: dict[str, dict[str, Any]] = {
    "ingest": {"retries": 2, "retry_delay_seconds": [10, 60], "retry_condition_fn": _transient}
}


def as_task(stage: Stage[Any]) -> Callable[[RunContext], StageResult]:
    """A stage as a Prefect task of its name."""

    @task(
        name=stage.name,
        task_run_name=stage.name,
        description=stage.work.__doc__,
        cache_policy=NO_CACHE,
        **OPTIONS.get(stage.name, {}),
    )
    def run_stage(context: RunContext) -> StageResult:
        result: StageResult = stage(context)
        rows, seconds = f"{result.rows:,}", result.seconds
        get_run_logger().info("%s: %s rows in %.1f s", stage.name, rows, seconds)
        return result

    return run_stage


TASKS = {stage.name: as_task(stage) for stage in STAGES}


class StageTasks:
    """Does each stage as its task, and moves a progress artifact with each that is finished."""

    def __init__(self) -> None:
        self.done = 0
        self.artifact = create_progress_artifact(
            progress=0.0, key="gemel-progress", description="Stages of tonight's run finished"
        )

    def __call__(self, stage: Stage[Any], context: RunContext) -> None:
        """Do one stage."""
        TASKS[stage.name](context)
        self.done += 1
        update_progress_artifact(self.artifact, progress=100.0 * self.done / len(TASKS))  # type: ignore[arg-type]


@task(cache_policy=NO_CACHE)
def show(summary: RunSummary, url: str | None) -> None:
    """Leave the summary and, where browsers find it, the link to the report as artifacts.

    Args:
        url: where browsers find the folder `runs` of the catalog. A browser opens no file of the
            disk from Prefect's pages, so without it the summary names the file's path alone.
    """
    said = run_facts.headline(summary)
    words = f"# {said.title}\n\n{escape_markdown(said.detail)}\n"
    if summary.report:
        page = Path(summary.report).with_name(MORNING)
        words = page.read_text(encoding="utf-8") if page.is_file() else words
    create_markdown_artifact(
        markdown=words, key="gemel-summary", description=f"Run {summary.run}: {summary.status}"
    )
    if summary.report and url:
        create_link_artifact(
            link=f"{url.rstrip('/')}/{summary.run}/{Path(summary.report).name}",
            key="gemel-report",
            description="The run's HTML report",
        )
