"""The nightly run: its stages in their order, and how it begins, ends and fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline.arrays import progress
from pipeline.catalog import Catalog, RunSummary, free_name
from pipeline.config import RunConfig
from pipeline.nightly import deliver, publication
from pipeline.nightly.checks import PreparedRun, prepare
from pipeline.nightly.monitoring.watch import watching
from pipeline.nightly.recomputation import notice_of
from pipeline.nightly.resume import resume_or_start, stopped_after_publish, with_interruptions
from pipeline.nightly.stages import cluster, embed, ingest, score, search
from pipeline.nightly.state.context import RunContext, new_context
from pipeline.nightly.state.stage import Stage

# The order of a run's stages, for the loop here, for the flow and for whoever counts them.
STAGES: tuple[Stage[Any], ...] = (
    ingest.ingest,
    embed.embed_text,
    embed.embed_images,
    search.search,
    score.score,
    cluster.cluster,
    publication.publish,
    deliver.report,
    deliver.export,
)
Step = Callable[[Stage[Any], RunContext], object]


def call(stage: Stage[Any], context: RunContext) -> object:
    """Do a stage here and now."""
    return stage(context)


def begin(
    prepared: PreparedRun, *, full: bool = False, started: datetime | None = None
) -> RunContext:
    """Name the run, and what was published before it.

    A run of the same configuration that was stopped, over the same delivery, goes on under its
    name. One that was stopped after it was published gets the report and exports it lacks first.
    """
    config, models = prepared.config, prepared.models
    for stopped in stopped_after_publish(config):
        deliver.report(stopped)
        deliver.export(stopped)
        finish(stopped)
    base = Catalog.of(config).published()
    for line in notice_of(prepared, base, full=full):
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
            finished = {s.name: result for s in STAGES if (result := s.kept(context)) is not None}
            stage = next((s.name for s in STAGES if s.name not in finished), STAGES[-1].name)
            status = publication.record_failure(context, error, stage=stage, finished=finished)
            error.add_note(f"recorded as {status}: gemel runs show {context.run}")
        except Exception as second:  # noqa: BLE001 - the first error is the one to see
            error.add_note(f"the failed run could not be recorded: {second}")
        raise


def finish(context: RunContext) -> RunSummary:
    """The summary of a finished run, kept in its row; its scratch is removed."""
    report, export = deliver.report.kept(context), deliver.export.kept(context)
    assert report is not None
    assert export is not None
    summary = deliver.with_outputs(context.catalog.run(context.run).summary, report, export)
    summary = with_interruptions(context, deliver.retain(context, summary))
    context.catalog.amend(summary)
    context.work.remove()
    return summary


def run(
    config: RunConfig,
    *,
    full: bool = False,
    started: datetime | None = None,
    step: Step = call,
) -> RunSummary:
    """Run every stage and return the summary.

    Args:
        full: compute everything anew instead of what has changed since the last night.
        started: start of a new run, which names it; None: now.
        step: does one stage: a plain call here, a Prefect task in `flows`.

    Raises:
        PipelineError: the run could not be finished; what was published before stays published.
    """
    with watching(config) as watch, Catalog.of(config).writer():
        context = begin(prepare(config), full=full, started=started)
        with recording_failure(context):
            for stage in STAGES:
                step(stage, context)
            summary = finish(context)
        return watch.ended(summary)
