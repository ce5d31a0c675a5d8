"""Training data of a fine-tune: labels read, settled and shared out, and their records."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.arrays import Rows, progress
from pipeline.catalog import Catalog
from pipeline.config import CopyDetection, SentenceTransformersImage, TrainConfig
from pipeline.errors import CatalogError
from pipeline.labels import LabelledPairs, Leaks, read_labelled
from pipeline.matching import Modality, check_attributes
from pipeline.outputs import PictureEvidence
from pipeline.storage import Place
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import (
    check_leaks,
    entities,
    record_splits,
    split_pairs,
    undivided,
)
from pipeline.training.judge.shipped import ShippedJudge, shipped_judge

PICTURED_PAIRS = 10  # training pairs of either kind with pictures, from which a judge sees them


@dataclass(frozen=True)
class LabelledData:
    """What a fine-tune learns from.

    Attributes:
        pairs: labelled pairs, every one with a split; mined ones among them.
        entity: (n,) entity of each record.
        leaks: what occurs in two splits.
        labelled: the records, embedded by the encoder at hand.
        usable: split -> rows of the records that may be used in it.
        pictures: the pictures beside the texts.
        shipped: the judge that the labels correct, for they are few; None: they train one.
    """

    pairs: LabelledPairs
    entity: Rows
    leaks: Leaks
    labelled: LabelledRecords
    usable: dict[str, Rows]
    pictures: PictureEvidence = field(default_factory=lambda: PictureEvidence())
    shipped: ShippedJudge | None = None

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
    shipped = _shipped(config, published)
    few = config.judge.few_labels if shipped else 0
    pairs = read_labelled(
        config, published=published, verdicts=verdicts, now=datetime.now(UTC), few=few
    )
    check_attributes(pairs.records, config.judge.attributes)
    if len(pairs.left) >= few or (pairs.split != "").any():
        shipped = None
    pairs = undivided(pairs) if shipped else split_pairs(pairs, config.split, seed=config.seed)
    labelled = labelled_records_of(config, pairs.records)
    usable = record_splits(pairs, config.split, seed=config.seed)
    progress.report("labels", len(pairs.left), len(pairs.left))
    return LabelledData(
        pairs, entities(pairs), check_leaks(pairs), labelled, usable, shipped=shipped
    )


def _shipped(config: TrainConfig, published: pa.Table | None) -> ShippedJudge | None:
    """The judge that few labels would correct; None where they would not."""
    wanted = config.judge.few_labels and config.judge.kind == "auto" and not config.judge.attributes
    if published is None or not wanted or modality_of(config) != "text":
        return None
    return shipped_judge(Catalog.of(config, create=False), config.purpose)


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
