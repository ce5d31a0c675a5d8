"""Descriptions of what differs between two texts: a verdict, its kinds and its spans, in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import chunk_bounds, factorize, value_bytes
from pipeline.matching.differences.fields import FieldTexts, field_texts
from pipeline.matching.differences.language.vocabulary import Counts, Vocabulary
from pipeline.matching.differences.pair_reader import PairReader, Reading
from pipeline.matching.differences.spans import SpanComparison
from pipeline.matching.differences.token_stream import prepare_texts, token_streams

Places = npt.NDArray[np.int64]

# Bytes of the texts of pairs that are taken apart in one go.
PORTION = 1 << 20
MOST_COLUMNS = 63  # of which an int64 has a bit each


@dataclass(frozen=True)
class Differences:
    """What differs between the texts of p pairs.

    Attributes:
        verdict: (p,) int8: 0 nothing but harmless differences, 1 some that nothing shows to be
            harmless, 2 some of a decisive kind.
        verbatim: (p,) float32 share of both texts' tokens that are equal or harmlessly so, 0 … 1.
        kinds: (p,) int32 bits of `Kind`.
        columns: (p,) int64, a bit for each column in which both say something and it differs, by
            its place in the `columns` that were asked for.
        spans: (p,) strings, the strongest differences in words; empty where verdict is 0.
    """

    verdict: npt.NDArray[np.int8]
    verbatim: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.int32]
    columns: Places
    spans: pa.Array


def describe_differences(
    texts: pa.Array,
    left: Places,
    right: Places,
    *,
    frequencies: Counts | None,
    fields: pa.MapArray | None = None,
    columns: Sequence[str] = (),
) -> Differences:
    """Lay the texts of pairs side by side and say what differs.

    Args:
        texts: (n,) strings, null where there is none. left, right: (p,) rows of them.
        frequencies: in how many texts of the corpus each word occurs; None: not known.
        fields: (n,) columns of each text and their values; they are compared column by column
            in place of the texts.
        columns: names of those whose differences are told one by one, at most MOST_COLUMNS.
    """
    comparison = SpanComparison(Vocabulary(frequencies))
    found = Differences(
        np.zeros(len(left), np.int8),
        np.ones(len(left), np.float32),
        np.zeros(len(left), np.int32),
        np.zeros(len(left), np.int64),
        pa.nulls(0, pa.string()),
    )
    spans = np.full(len(left), "", object)
    source = field_texts(texts, fields)
    bits = [1 << columns.index(name) if name in columns else 0 for name in source.names]
    sizes = value_bytes(source.texts)
    for part in chunk_bounds(sizes[left] + sizes[right], limit=PORTION):
        readings = _read_portion(source, left[part], right[part], comparison)
        for place, reading in zip(range(part.start, part.stop), readings, strict=True):
            if reading is None:
                continue
            found.verdict[place] = reading.level
            found.verbatim[place] = reading.verbatim
            found.kinds[place] = int(reading.kind)
            found.columns[place] = sum(bits[field] for field in reading.columns if field >= 0)
            spans[place] = reading.spans
    return replace(found, spans=pa.array(spans, pa.string()))


def _read_portion(
    source: FieldTexts, left: Places, right: Places, comparison: SpanComparison
) -> Iterator[Reading | None]:
    """What is read of each pair; None where all is equal."""
    rows, place = factorize(np.concatenate([left, right]))
    streams = token_streams(prepare_texts(source.texts.take(pa.array(rows))))
    reader = PairReader(streams, comparison, source.names)
    one, other = np.split(place, 2)
    folded: Sequence[str] = streams.folded
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        yield None if folded[a] == folded[b] else reader.read(a, b)
