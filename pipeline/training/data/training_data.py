"""Training data of a fine-tune: labels read, settled and shared out, and their records."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.arrays import Rows, progress
from pipeline.catalog import Catalog
from pipeline.config import CopyDetection, SentenceTransformersImage, TrainConfig
from pipeline.errors import CatalogError
from pipeline.labels import LabelledPairs, read_labelled
from pipeline.matching import Modality, check_attributes
from pipeline.storage import Place
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import check_leaks, entities, record_splits, split_pairs

PICTURED_PAIRS = 10


@dataclass(frozen=True)
class PictureEvidence:
    """The pictures beside the texts of a judge of texts.

    Attributes:
        fingerprint: of the encoder that embedded them; None: the judge does not see them.
        same, different: training pairs of either kind with a picture on both sides.
    """

    fingerprint: str | None = None
    same: int = 0
    different: int = 0

    def to_json(self) -> dict[str, Any]:
        """What the judge's facts say of them."""
        rule = f"seen where at least {PICTURED_PAIRS} training pairs of either kind have them"
        return {"used": self.fingerprint is not None, **vars(self), "rule": rule}


@dataclass(frozen=True)
class LabelledData:
    """What a fine-tune learns from.

    Attributes:
        pairs: labelled pairs, every one with a split; mined ones among them.
        entity: (n,) entity of each record.
        leaks: the leak check's result.
        study: the records, embedded by the encoder at hand.
        usable: split -> rows of the records that may be used in it.
        pictures: of the pictures beside the texts, `Pictures`.
    """

    pairs: LabelledPairs
    entity: Rows
    leaks: dict[str, Any]
    study: LabelledRecords
    usable: dict[str, Rows]
    pictures: PictureEvidence = field(default_factory=lambda: PictureEvidence())

    @property
    def group(self) -> Rows:
        """(p,) entity of each pair, its left record's."""
        return self.entity[self.pairs.left]

    @property
    def sides(self) -> Rows:
        """(p, 2) entities of both sides of each pair."""
        return np.stack([self.entity[self.pairs.left], self.entity[self.pairs.right]], axis=1)


def modality_of(config: TrainConfig) -> Modality:
    """What the configured encoder takes."""
    images = isinstance(config.encoder.start, SentenceTransformersImage | CopyDetection)
    return "image" if images else "text"


def labelled_records_of(config: TrainConfig, records: pa.Table) -> LabelledRecords:
    """Labelled records as a run would see them, not embedded yet."""
    return LabelledRecords.of(
        records,
        min_tokens=config.text.min_tokens,
        images=config.images,
        threads=config.threads or os.cpu_count() or 1,
    )


def read_training_data(config: TrainConfig) -> LabelledData:
    """Read the labels and share their entities out.

    Raises:
        ConfigError: the labels cannot be used; nothing has been written.
    """
    published, verdicts = read_catalog_records(config)
    pairs = read_labelled(config, published=published, verdicts=verdicts, now=datetime.now(UTC))
    check_attributes(pairs.records, config.judge.attributes)
    pairs = split_pairs(pairs, config.split, seed=config.seed)
    study = labelled_records_of(config, pairs.records)
    usable = record_splits(pairs, config.split, seed=config.seed)
    progress.report("labels", len(pairs.left), len(pairs.left))
    return LabelledData(pairs, entities(pairs), check_leaks(pairs), study, usable)


def read_catalog_records(config: TrainConfig) -> tuple[pa.Table | None, pa.Table | None]:
    """The records of the last published run and the verdicts; None before the first of either.

    A catalog that does not exist yet is not made.
    """
    if not Place.of(config.catalog, config.catalog_options).exists():
        return None, None
    catalog = Catalog.of(config, create=False)
    try:
        published = catalog.read("records", run=catalog.run())
    except CatalogError:
        published = None
    return published, catalog.tables.labels()
