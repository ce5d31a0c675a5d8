"""The nightly run as a plain loop: what the Prefect flow does, without Prefect."""

from __future__ import annotations

from typing import Any

from pipeline import outcome, stages
from pipeline.config import RunConfig
from pipeline.context import RunContext, new_context
from pipeline.defaults import image_default, text_default
from pipeline.evaluation import read_labels
from pipeline.sources import open_source


def check(config: RunConfig) -> None:
    """Check everything that can be checked before any work.

    Raises:
        ConfigError: a setting, a column, an encoder or the labels cannot work.
        SourceError: a source cannot be read at all.
    """
    text_default(config.text_encoder, config.judge)
    image_default(config.image_encoder, config.judge)
    if config.labels:
        read_labels(config.labels)
    for source in config.sources:
        open_source(source).check()


def begin(config: RunConfig) -> RunContext:
    """Check the configuration and name the run."""
    check(config)
    context = new_context(config)
    context.catalog.clear_work()
    context.catalog.run_folder(context.run)
    return context


def finish(context: RunContext) -> dict[str, Any]:
    """The summary of a finished run; its scratch is removed."""
    summary = context.catalog.run(context.run).summary
    summary["report"] = context.work.facts("report").get("path")
    summary["exports"] = context.work.facts("export").get("exports", {})
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
