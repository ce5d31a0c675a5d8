"""The contents behind a run's units as judging needs them: texts, vectors, word frequencies."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.alignments import Looks
from pipeline.attributes import attributes_of
from pipeline.context import RunContext
from pipeline.evidence import TextComparer, words_of
from pipeline.frequencies import WordFrequencies
from pipeline.indexes.blocks import Positions, Vectors
from pipeline.judging import Contents, Learning
from pipeline.last_night import frequencies_before
from pipeline.learned import JudgeModel, fields_of, learning
from pipeline.lookup import sorted_places
from pipeline.portions import joined
from pipeline.state import backgrounds_of, models_of, read_records
from pipeline.units import Units, restricted

Modality = Literal["text", "image"]


def _records(context: RunContext, columns: list[str]) -> pa.Table:
    version = context.work.facts("ingest")["versions"]["records"]
    return context.catalog.tables.read("records", version=version, columns=columns)


def read_column(
    context: RunContext, hashes: pa.Array, *, modality: Modality, column: str
) -> pa.Array:
    """A column of the records by content: row i is that of the first record with hash i.

    Strings come as `large_string`: the distinct texts of a run may exceed 2 GB.
    """
    key = f"{modality}_hash"
    records = _records(context, [key, column])
    place = pc.index_in(hashes, value_set=records[key].combine_chunks())
    values = joined(records[column])
    del records  # it would be a third copy beside the joined column and the rows taken from it
    return values.take(place)


def contents_of(
    context: RunContext, units: Units, chosen: Positions, frequencies: WordFrequencies
) -> Contents:
    """Everything judging needs of the contents of some units, which are numbered anew.

    Args:
        chosen: (k,) ascending numbers of units; where they are all, the vectors stay on disk.
    """
    some, texts, images = restricted(units, chosen)
    comparer = None
    if len(texts):
        column = read_column(context, some.text_hashes, modality="text", column="text")
        comparer = TextComparer(column, threads=context.threads, frequencies=frequencies)
    text, image = _rows(context, "text", texts), _rows(context, "image", images)
    learned = {
        f"{kind}_judge": Learning(background=background.level(text if kind == "text" else image))
        for kind, background in backgrounds_of(context).items()
    }
    for model in models_of(context):
        vectors = text if model.modality == "text" else image
        learned |= _learning(context, some, model.rule.model, vectors)
    looks = Looks.of(context, units, images)
    return Contents(some, text, image, comparer, looks=looks, **learned)


def _rows(context: RunContext, modality: Modality, rows: Positions) -> Vectors:
    """Vectors of some contents as the judge sees them; the matrix itself when they are all."""
    if modality == "text" and context.work.has("asked"):
        return _asked_rows(context, rows)
    matrix = context.work.matrix(modality)
    return matrix if len(rows) == len(matrix) else matrix[rows]


def _asked_rows(context: RunContext, rows: Positions) -> Vectors:
    """The teacher's vectors of some texts; zeros for those that it was not asked about."""
    asked = sorted_places(rows, context.work.load("asked")["places"])
    matrix = context.work.matrix("asked")
    out = np.zeros((len(rows), matrix.shape[1]), np.float32)
    out[asked >= 0] = matrix[asked[asked >= 0]]
    return out


def frequencies_of(context: RunContext, units: Units) -> tuple[WordFrequencies, int]:
    """The word frequencies that the catalog judges with, and the version of their table.

    A catalog learns its own once, from the texts of its first night; see `pipeline.frequencies`
    for when again.
    """
    if (found := _noted_frequencies(context)) is not None:
        return found
    hashes, run = units.text_hashes, context.base_run
    known = frequencies_before(context, len(hashes))
    if known is not None and run is not None:
        return known, run.versions["word_counts"]
    learned = WordFrequencies(0, np.zeros(0, np.int64), np.zeros(0, np.int64))
    if len(hashes):
        texts = read_column(context, hashes, modality="text", column="text")
        learned = WordFrequencies.of(words_of(texts, threads=context.threads))
    version = context.catalog.tables.replace("word_counts", learned.table())
    context.work.save("word_counts", places=learned.places, counts=learned.counts)
    context.work.note("word_counts", {"texts": learned.texts, "version": version})
    return learned, version


def _noted_frequencies(context: RunContext) -> tuple[WordFrequencies, int] | None:
    """What this run has learned already."""
    noted = context.work.facts("word_counts")
    if not noted:
        return None
    return WordFrequencies(noted["texts"], **context.work.load("word_counts")), noted["version"]


def _learning(
    context: RunContext, units: Units, judge: JudgeModel, vectors: Vectors
) -> dict[str, Learning]:
    """What a learned judge needs of the units, as keywords of `Contents`."""
    texts: list[str] = []
    fields: dict[str, list[str]] = {}
    attributes: dict[str, pa.Array] = {}
    if judge.attributes:
        rows = read_records(context, ["attributes", "timestamp"]).take(pa.array(units.rows))
        attributes = attributes_of(rows, judge.attributes)
    if judge.blocks:
        rows = read_records(context, ["text", "fields"]).take(pa.array(units.rows))
        texts = [text or "" for text in rows["text"].to_pylist()]
        fields = fields_of(rows["fields"])
    level = judge.background.level(vectors) if judge.background is not None else None
    return learning(judge, texts, fields, level, threads=context.threads, attributes=attributes)
