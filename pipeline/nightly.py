"""The nightly run as a plain loop: what the Prefect flow does, without Prefect."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import outcome, outputs, progress, stages
from pipeline.catalog import Catalog
from pipeline.catalog.history import free_name
from pipeline.catalog.place import Place
from pipeline.catalog.runs import Run
from pipeline.config import RunConfig
from pipeline.context import RunContext, new_context
from pipeline.encoder_config import searched_by
from pipeline.encoders.preflight import check_encoder, known_dimension
from pipeline.errors import CatalogError
from pipeline.evaluation import read_labels
from pipeline.exporters import check_exports
from pipeline.foreseen import foreseen
from pipeline.indexes import check_index
from pipeline.pinning import pinned
from pipeline.resumption import ended, interruptions, taken_up
from pipeline.sources import open_source
from pipeline.state import check_rules
from pipeline.watch import watching


def check(config: RunConfig) -> None:
    """Check everything that can be checked before any work, the cheapest first; change nothing.

    Raises:
        ConfigError: a setting, a column, the index or the labels cannot work.
        EncoderError: an encoder's files are not there, or not what its type says.
        CatalogError: the catalog's folder cannot be written.
        SourceError: a source cannot be read at all.
    """
    check_writable(Place.of(config.catalog, config.catalog_options))
    config, models = pinned(config)
    check_rules(config, models)
    check_encoder(config.text_encoder, field="text_encoder")
    check_encoder(config.image_encoder, field="image_encoder")
    used = {
        "text": (
            searched_by(config.text_encoder),
            any(source.has_text for source in config.sources),
        ),
        "image": (config.image_encoder, any(source.has_images for source in config.sources)),
    }
    dimensions = [known_dimension(encoder) for encoder, is_used in used.values() if is_used]
    check_index(config.index, dimensions=dimensions)
    for labels in filter(None, (config.labels, config.gates.audit)):
        read_labels(labels)
    for source in config.sources:
        open_source(source).check()


def check_writable(catalog: Place) -> None:
    """Look whether the catalog's folder can be written, or made where it is absent.

    Of an object store only whether it answers: what it lets one write shows when the lock is taken.

    Raises:
        CatalogError: it cannot.
    """
    if not catalog.is_local:
        catalog.exists()
        return
    folder = Path(catalog.path).absolute()
    while not os.path.exists(folder):
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "is not a folder" if os.path.isfile(folder) else "is not writable"
        raise CatalogError(
            f"catalog: {catalog}: {folder} {what}; name another folder, or change its permissions"
        )


def computed_again(
    config: RunConfig, models: Sequence[str], base: Run | None, *, full: bool
) -> list[str]:
    """Lines that say what a night computes again beside what is new, and because of what."""
    judged_by = [m["model"] for m in base.summary["model"]["registered"]] if base else []
    return foreseen(
        base.config if base else None,
        config.model_dump(mode="json"),
        models_before=judged_by,
        models=models,
        full=full,
    )


def planned(config: RunConfig, *, full: bool = False) -> list[str]:
    """What a run of the configuration would compute, told without beginning one."""
    config, models = pinned(config)
    catalog = (
        Catalog.of(config, create=False)
        if Place.of(config.catalog, config.catalog_options).exists()
        else None
    )
    base = catalog.published() if catalog else None
    return computed_again(config, models, base, full=full)


def begin(config: RunConfig, *, full: bool = False, started: datetime | None = None) -> RunContext:
    """Check the configuration and name the run, and what was published before it.

    A run of the same configuration that was stopped, over the same delivery, goes on under its
    name. One that was stopped after it was published gets the report and exports it lacks first.
    """
    check_exports(config.exports)
    check(config)
    config, models = pinned(config)
    for stopped in ended(config):
        outputs.report(stopped)
        outputs.export(stopped)
        finish(stopped)
    base = Catalog.of(config).published()
    for line in computed_again(config, models, base, full=full):
        progress.say(line)
    fresh = new_context(
        config, models=models, base=base.run if base else None, full=full, started=started
    )
    taken = {run.run for run in fresh.catalog.runs()}
    fresh = replace(fresh, run=free_name(fresh.run, taken))
    with fresh.catalog.disk_errors(fresh.run):
        context = taken_up(fresh)
        context.catalog.name_writer(context.run)
        context.catalog.run_folder(context.run)
    return context


@contextmanager
def recorded(context: RunContext) -> Iterator[None]:
    """Leave a row in `runs` when the block does not come to its end; what it raised goes on.

    How the run is recorded is added to the error as a note.
    """
    try:
        with context.catalog.disk_errors(context.run):
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
        **outputs.after_publishing(report, export),
        **outputs.retain(context),
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
        with recorded(context):
            stages.ingest(context)
            stages.embed_text(context)
            stages.embed_images(context)
            stages.candidates(context)
            stages.score(context)
            stages.cluster(context)
            outcome.publish(context)
            outputs.report(context)
            outputs.export(context)
            summary = finish(context)
        return watch.ended(summary)
