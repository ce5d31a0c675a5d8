"""Checks of a configuration: whatever can be checked before any work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.encoders import check_encoder
from pipeline.errors import CatalogError
from pipeline.ingestion import open_source
from pipeline.labels import read_labels
from pipeline.nightly.state.pinned_models import pin_models
from pipeline.nightly.state.rules import check_rules
from pipeline.outputs import check_exports
from pipeline.storage import Place


@dataclass(frozen=True)
class PreparedRun:
    """A configuration that was checked, with the registered models that it is pinned to.

    Attributes:
        config: resolved: the models' encoders in the place of its own.
        models: references of the models; they judge for the whole run.
    """

    config: RunConfig
    models: tuple[str, ...]


def prepare(config: RunConfig) -> PreparedRun:
    """Pin the models and check what can be checked before any work, the cheapest first.

    Nothing is changed; the catalog need not exist.

    Raises:
        ConfigError: a setting, a column, an export or the labels cannot work.
        EncoderError: an encoder's files are not there, or not what its type says.
        CatalogError: the catalog's folder cannot be written.
        SourceError: a source cannot be read at all.
    """
    check_exports(config.exports)
    check_writable(Place.of(config.catalog, config.catalog_options))
    config, models = pin_models(config)
    check_rules(config, models)
    check_encoder(config.text_encoder, field="text_encoder")
    check_encoder(config.image_encoder, field="image_encoder")
    if config.student is not None:
        check_encoder(config.proposing_encoder, field="student")
    for labels in filter(None, (config.labels, config.gates.audit)):
        read_labels(labels)
    for source in config.sources:
        open_source(source).check()
    return PreparedRun(config, models)


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
