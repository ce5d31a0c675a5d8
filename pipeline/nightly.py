"""The nightly run as a plain loop: what the Prefect flow does, without Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import outcome, stages
from pipeline.config import RunConfig
from pipeline.context import RunContext, new_context
from pipeline.evaluation import read_labels
from pipeline.exporters import check_exports
from pipeline.pinning import pinned
from pipeline.sources import open_source
from pipeline.state import rules_of


def check(config: RunConfig) -> None:
    """Check everything that can be checked before any work.

    Raises:
        ConfigError: a setting, a column, an encoder or the labels cannot work.
        SourceError: a source cannot be read at all.
    """
    config, models = pinned(config)
    rules_of(new_context(config, models=models))
    if config.labels:
        read_labels(config.labels)
    for source in config.sources:
        open_source(source).check()


def begin(config: RunConfig) -> RunContext:
    """Check the configuration and name the run."""
    check_exports(config.exports)
    check(config)
    config, models = pinned(config)
    context = new_context(config, models=models)
    context.catalog.clear_work()
    context.catalog.run_folder(context.run)
    return context


@contextmanager
def recorded(context: RunContext) -> Iterator[None]:
    """Leave a row in `runs` when the block does not come to its end; what it raised goes on.

    How the run is recorded is added to the error as a note.
    """
    try:
        yield
    except BaseException as error:
        try:
            status = outcome.fail(context, error)
            error.add_note(f"recorded as {status}: gemel runs show {context.run}")
        except Exception as second:  # noqa: BLE001 - the first error is the one to see
            error.add_note(f"the failed run could not be recorded: {second}")
        raise


def finish(context: RunContext) -> dict[str, Any]:
    """The summary of a finished run, kept in its row; its scratch is removed."""
    report, export = context.work.facts("report"), context.work.facts("export")
    summary = {
        **context.catalog.run(context.run).summary,
        "report": report.get("path"),
        "exports": export.get("exports", {}),
        "exports_failed": export.get("failed", {}),
        **({"report_failed": report["failed"]} if report.get("failed") else {}),
    }
    context.catalog.amend(summary)
    context.work.remove()
    return summary


def run(config: RunConfig) -> dict[str, Any]:
    """Run every stage in this process and return the summary.

    Raises:
        PipelineError: the run could not be finished; what was published before stays published.
    """
    from pipeline.catalog import Catalog

    with Catalog(config.catalog).writer():
        context = begin(config)
        with recorded(context):
            stages.ingest(context)
            stages.embed_text(context)
            stages.embed_images(context)
            stages.candidates(context)
            stages.score(context)
            stages.cluster(context)
            outcome.publish(context)
            outcome.report(context)
            outcome.export(context)
            return finish(context)
