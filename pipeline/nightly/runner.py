"""The nightly run as a plain loop: what the Prefect flow does, without Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline.arrays import progress
from pipeline.catalog import Catalog, free_name
from pipeline.config import RunConfig
from pipeline.nightly import deliver, publication
from pipeline.nightly.checks import check
from pipeline.nightly.monitoring.watch import watching
from pipeline.nightly.recomputation import notice_of
from pipeline.nightly.resume import interruptions, resume_or_start, stopped_after_publish
from pipeline.nightly.stages import cluster, embed, ingest, score, search
from pipeline.nightly.state.context import RunContext, new_context
from pipeline.nightly.state.pinned_models import pin_models
from pipeline.outputs import check_exports


def begin(config: RunConfig, *, full: bool = False, started: datetime | None = None) -> RunContext:
    """Check the configuration and name the run, and what was published before it.

    A run of the same configuration that was stopped, over the same delivery, goes on under its
    name. One that was stopped after it was published gets the report and exports it lacks first.
    """
    check_exports(config.exports)
    check(config)
    config, models = pin_models(config)
    for stopped in stopped_after_publish(config):
        deliver.report(stopped)
        deliver.export(stopped)
        finish(stopped)
    base = Catalog.of(config).published()
    for line in notice_of(config, models, base, full=full):
        progress.say(line)
    fresh = new_context(
        config, models=models, base=base.run if base else None, full=full, started=started
    )
    taken = {run.run for run in fresh.catalog.runs()}
    fresh = replace(fresh, run=free_name(fresh.run, taken))
    with fresh.catalog.disk_errors(fresh.run):
        context = resume_or_start(fresh)
        context.catalog.name_writer(context.run)
        context.catalog.run_folder(context.run)
    return context


@contextmanager
def recording_failure(context: RunContext) -> Iterator[None]:
    """Leave a row in `runs` when the block does not come to its end; what it raised goes on.

    How the run is recorded is added to the error as a note.
    """
    try:
        with context.catalog.disk_errors(context.run):
            yield
    except BaseException as error:
        try:
            status = publication.record_failure(context, error)
            error.add_note(f"recorded as {status}: gemel runs show {context.run}")
        except Exception as second:  # noqa: BLE001 - the first error is the one to see
            error.add_note(f"the failed run could not be recorded: {second}")
        raise


def finish(context: RunContext) -> dict[str, Any]:
    """The summary of a finished run, kept in its row; its scratch is removed."""
    report, export = context.work.facts("report"), context.work.facts("export")
    summary = {
        **context.catalog.run(context.run).summary,
        **deliver.output_facts(report, export),
        **deliver.retain(context),
        **interruptions(context),
    }
    context.catalog.amend(summary)
    context.work.remove()
    return summary


def run(
    config: RunConfig, *, full: bool = False, started: datetime | None = None
) -> dict[str, Any]:
    """Run every stage in this process and return the summary.

    Args:
        full: compute everything anew instead of what has changed since the last night.
        started: start of a new run, which names it; None: now.

    Raises:
        PipelineError: the run could not be finished; what was published before stays published.
    """
    with watching(config) as watch, Catalog.of(config).writer():
        context = begin(config, full=full, started=started)
        with recording_failure(context):
            ingest.ingest(context)
            embed.embed_text(context)
            embed.embed_images(context)
            search.search(context)
            score.score(context)
            cluster.cluster(context)
            publication.publish(context)
            deliver.report(context)
            deliver.export(context)
            summary = finish(context)
        return watch.ended(summary)
