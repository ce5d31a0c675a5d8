"""The nightly run as a Prefect flow: it reads like the list of stages."""

# No postponed annotations here: a served flow travels to its process pickled, without the names
# that only its annotations use, and Prefect could not validate the parameters there.
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows import tasks
from flows.recovery import record_start, tell_crash
from pipeline.catalog import Catalog
from pipeline.config import RunConfig
from pipeline.nightly import runner as plain, watching
from pipeline.outputs import in_short


@flow(name="gemel-nightly", validate_parameters=True, on_crashed=[tell_crash])
def nightly(config: RunConfig, full: bool = False) -> Any:
    """Ingest, embed, search, judge, cluster, check and publish; return the run's summary.

    A run that fails a gate ends in the state *Held*: last night's result stays published. One that
    is published and could not write its report or an export ends in *Unwritten*. Both carry the
    summary. A run that raises is recorded as failed and ends as Prefect ends it.
    """
    record_start(str(flow_run.id))
    with watching(config) as watch, Catalog.of(config).writer():
        context = tasks.begin(config, full=full)
        with plain.recording_failure(context):
            progress = tasks.StageProgress(9)
            progress.step(tasks.ingest(context))
            progress.step(tasks.embed_text(context))
            progress.step(tasks.embed_images(context))
            progress.step(tasks.candidates(context))
            progress.step(tasks.score(context))
            progress.step(tasks.cluster(context))
            progress.step(tasks.publish(context))
            progress.step(tasks.report(context))
            progress.step(tasks.export(context))
            summary = plain.finish(context)
        summary = watch.ended(summary)
    tasks.show(summary)
    reason = in_short(summary)
    if summary["status"] != "published":
        return Failed(name="Held", message=f"run {summary['run']} is held: {reason}", data=summary)
    if reason:
        message = f"run {summary['run']} is published; {reason}"
        return Failed(name="Unwritten", message=message, data=summary)
    get_run_logger().info("run %s is published", summary["run"])
    return summary
