"""Each stage wrapped once as a Prefect task; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.nightly import RunContext, Stage, deliver, publication as outcome, runner as plain
from pipeline.nightly.stages import (
    cluster as cluster_,
    embed,
    ingest as ingest_,
    score as score_,
    search,
)

# Sources may be on a network; everything after them reads what this machine has written.
INGEST_RETRIES = [10, 60]


def _transient(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what a network may cause, never what the data or the configuration cause."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError) and not isinstance(error, PipelineError)


def _stage(function: Stage, **options: Any) -> Callable[[RunContext], dict[str, Any]]:
    name = function.__name__

    @task(name=name, task_run_name=name, cache_policy=NO_CACHE, **options)
    def run_stage(context: RunContext) -> dict[str, Any]:
        facts = function(context)
        get_run_logger().info("%s: %s rows in %.1f s", name, f"{facts['rows']:,}", facts["seconds"])
        return facts

    run_stage.__doc__ = function.__doc__
    return run_stage


@task(cache_policy=NO_CACHE)
def begin(config: RunConfig, *, full: bool = False) -> RunContext:
    """Check everything that can be checked before any work."""
    return plain.begin(config, full=full)


ingest = _stage(
    ingest_.ingest, retries=2, retry_delay_seconds=INGEST_RETRIES, retry_condition_fn=_transient
)
embed_text = _stage(embed.embed_text)
embed_images = _stage(embed.embed_images)
candidates = _stage(search.search)
score = _stage(score_.score)
cluster = _stage(cluster_.cluster)
publish = _stage(outcome.publish)
report = _stage(deliver.report)
export = _stage(deliver.export)


class StageProgress:
    """A progress artifact that moves with each finished stage."""

    def __init__(self, stages_in_run: int) -> None:
        self.done, self.total = 0, stages_in_run
        self.artifact = create_progress_artifact(
            progress=0.0, key="gemel-progress", description="Stages of tonight's run finished"
        )

    def step(self, _facts: dict[str, Any]) -> None:
        """Count one finished stage."""
        self.done += 1
        update_progress_artifact(self.artifact, progress=100.0 * self.done / self.total)  # type: ignore[arg-type]


@task(cache_policy=NO_CACHE)
def show(summary: dict[str, Any]) -> None:
    """Leave the summary and the link to the report as artifacts of the flow run."""
    rows = [{"what": name.replace("_", " "), "count": n} for name, n in summary["counts"].items()]
    create_table_artifact(
        table=rows, key="gemel-summary", description=f"Run {summary['run']}: {summary['status']}"
    )
    if summary["report"]:
        create_link_artifact(
            link=f"file://{summary['report']}",
            key="gemel-report",
            description="The run's HTML report",
        )
