"""The texts a student learns from: the user's own records, as many as the teacher may embed. SHELL.

No text of a validation or test pair is among them. Where there are more, those with the smallest
content hashes stand for the rest: a random share, and the same one next time, whose vectors the
catalog has by then.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_strings
from pipeline.config import ImageFolderSource, TableSource, TrainConfig
from pipeline.ingestion import open_source, record_texts
from pipeline.training.data.training_data import LabelledData, read_catalog_records

SHARD = 16_384


def corpus_texts(config: TrainConfig, data: LabelledData, *, most: int) -> pa.Table:
    """text_hash, text: distinct, by ascending hash; those of training labels before all others."""
    records, pairs = data.labelled.records, data.pairs
    held = np.union1d(data.usable["valid"], data.usable["test"])
    part = pairs.part("train")
    named = np.union1d(pairs.left[part], pairs.right[part])
    apart = as_strings(records["text_hash"].take(pa.array(held)))
    kept = _first(_without(records.take(pa.array(named)), apart), most)
    others = kept.slice(0, 0)
    for table in _records(config, data):
        fresh = _without(_without(table, apart), as_strings(kept["text_hash"]))
        others = _first(pa.concat_tables([others, fresh]), most - len(kept))
    return _first(pa.concat_tables([kept, others]), most)


def _records(config: TrainConfig, data: LabelledData) -> Iterator[pa.Table]:
    """The texts of the records that labels name, of the sources, or else of the last run."""
    yield data.labelled.records
    for source in config.sources:
        if not isinstance(source, ImageFolderSource) and source.has_text:
            yield from source_texts(source)
    if not config.sources:
        published = read_catalog_records(config)[0]
        if published is not None:
            yield published.filter(pc.invert(pc.fill_null(published["deleted"], False)))


def source_texts(source: TableSource) -> Iterator[pa.Table]:
    """Its texts as a run reads them; its pictures are left alone."""
    columns = source.columns.model_copy(update={"image": None, "image_bytes": None})
    for batch in open_source(source.model_copy(update={"columns": columns})).batches(rows=SHARD):
        texts = record_texts(batch.rows)
        yield pa.table({"text_hash": texts.hash, "text": texts.text})


def _without(table: pa.Table, hashes: pa.Array) -> pa.Table:
    """text_hash, text of the rows that have a text, but for those of `hashes`."""
    names = ("text_hash", "text")
    table = pa.table({name: as_strings(table[name]) for name in names})
    known = pc.is_in(table["text_hash"], value_set=hashes)
    return table.filter(pc.and_(pc.is_valid(table["text_hash"]), pc.invert(known)))


def _first(table: pa.Table, most: int) -> pa.Table:
    """The `most` rows of smallest hash, each hash once, ascending."""
    hashes = np.asarray(table["text_hash"].to_pylist(), dtype="S32")
    return table.take(pa.array(np.unique(hashes, return_index=True)[1][:most]))
