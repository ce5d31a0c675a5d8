"""Word statistics of a run: how often words occur, and what a shipped judge knows of the corpus.

A catalog learns both once, on its first night, and again when the corpus has doubled or halved:
they belong to the judge, like a model, and a full run keeps them too. SHELL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.candidates import ContentGroups
from pipeline.matching import CorpusStatistics, DocumentFrequencies, words_of
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.previous_run import frequencies_before
from pipeline.nightly.state.run_records import read_column

# Texts that trigrams of letters are counted in: their weights need no more.
TRIGRAM_TEXTS = 50_000


@dataclass(frozen=True)
class WordCounts:
    """How many texts a run's own word frequencies are of, and the version of their table."""

    texts: int
    version: int


@dataclass(frozen=True)
class StatisticsVersion:
    """The version of the run's table of corpus statistics."""

    version: int


def frequencies_of(context: RunContext, groups: ContentGroups) -> tuple[DocumentFrequencies, int]:
    """The word frequencies that the catalog judges with, and the version of their table."""
    if (found := _kept_frequencies(context)) is not None:
        return found
    hashes, run = groups.text_hashes, context.base_run
    known = frequencies_before(context, len(hashes))
    if known is not None and run is not None:
        return known, run.versions["word_counts"]
    learned = DocumentFrequencies(0, np.zeros(0, np.int64), np.zeros(0, np.int64))
    if len(hashes):
        texts = read_column(context, hashes, modality="text", column="text")
        learned = DocumentFrequencies.of(words_of(texts, threads=context.threads))
    version = context.catalog.tables.replace("word_counts", learned.table())
    context.work.save("word_counts", places=learned.places, counts=learned.counts)
    context.work.keep(WordCounts(learned.texts, version))
    return learned, version


def _kept_frequencies(context: RunContext) -> tuple[DocumentFrequencies, int] | None:
    """What this run has learned already."""
    kept = context.work.kept(WordCounts)
    if kept is None:
        return None
    return DocumentFrequencies(kept.texts, **context.work.load("word_counts")), kept.version


def known_statistics(context: RunContext) -> tuple[CorpusStatistics, int] | None:
    """The corpus statistics that hold tonight, and the version of their table; None: to be learned.

    They hold as long as the word frequencies that they were learned with.
    """
    tables, kept, run = context.catalog.tables, context.work.kept(StatisticsVersion), None
    if kept is not None:
        version: int | None = kept.version
    else:
        run = context.base_run if context.work.kept(WordCounts) is None else None
        version = None if run is None else run.versions.get("corpus_statistics")
    if version is None:
        return None
    return CorpusStatistics.from_table(tables.read("corpus_statistics", version=version)), version


def learn_statistics(context: RunContext, groups: ContentGroups) -> CorpusStatistics:
    """Statistics of tonight's texts, not adapted to their candidates yet."""
    hashes = groups.text_hashes
    step = max(1, -(-len(hashes) // TRIGRAM_TEXTS))  # hashes ascend: any of them are a sample
    some = hashes.take(pa.array(np.arange(0, len(hashes), step)))
    texts = read_column(context, some, modality="text", column="text").to_pylist()
    return CorpusStatistics.learn([text or "" for text in texts])


def keep_statistics(context: RunContext, statistics: CorpusStatistics) -> int:
    """Write them for this night and the next; the version of their table."""
    version = context.catalog.tables.replace("corpus_statistics", statistics.table())
    context.work.keep(StatisticsVersion(version))
    return version
