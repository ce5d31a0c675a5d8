"""The nightly run as a Prefect flow: each stage a task, and states for a run that is not fine."""

# No postponed annotations here: a served flow travels to its process pickled, without the names
# that only its annotations use, and Prefect could not validate the parameters there.
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows import tasks
from flows.recovery import record_start, tell_crash
from pipeline.config import RunConfig
from pipeline.nightly import run
from pipeline.outputs import in_short


@flow(name="gemel-nightly", validate_parameters=True, on_crashed=[tell_crash])
def nightly(config: RunConfig, full: bool = False) -> Any:
    """Ingest, embed, search, judge, cluster, check and publish; return the run's summary.

    A run that fails a gate ends in the state *Held*: last night's result stays published. One that
    is published and could not write its report or an export ends in *Unwritten*. Both carry the
    summary. A run that raises is recorded as failed and ends as Prefect ends it.
    """
    record_start(str(flow_run.id))
    summary = run(config, full=full, step=tasks.StageTasks())
    tasks.show(summary, config.report.url)
    reason = in_short(summary)
    if summary.status != "published":
        return Failed(name="Held", message=f"run {summary.run} is held: {reason}", data=summary)
    if reason:
        message = f"run {summary.run} is published; {reason}"
        return Failed(name="Unwritten", message=message, data=summary)
    get_run_logger().info("run %s is published", summary.run)
    return summary
