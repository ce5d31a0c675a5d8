"""Descriptions of what differs between two texts: a verdict, its kinds and its spans, in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import current_process
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import chunk_bounds, factorize, start_processes, value_bytes
from pipeline.errors import PipelineError
from pipeline.matching.differences.fields import FieldTexts, field_texts
from pipeline.matching.differences.language.vocabulary import Counts, Vocabulary
from pipeline.matching.differences.pair_reader import PairReader, Reading
from pipeline.matching.differences.spans import SpanComparison
from pipeline.matching.differences.token_stream import prepare_texts, token_streams

Places = npt.NDArray[np.int64]
# Texts, the names of their columns, and the rows of the left and right ones.
Lot = tuple[pa.Array, tuple[str, ...], Places, Places]
Lines = list[Reading]  # of the pairs of a lot

# Bytes of the texts of pairs that are taken apart in one go.
PORTION = 1 << 18
FEWEST = 4096
MOST_COLUMNS = 63  # of which an int64 has a bit each
EQUAL = Reading(0, 1.0, 0, "", frozenset())


@dataclass(frozen=True)
class Differences:
    """What differs between the texts of p pairs.

    Attributes:
        verdict: (p,) int8: 0 nothing but harmless differences, 1 some that nothing shows to be
            harmless, 2 some of a decisive kind.
        verbatim: (p,) float32 share of both texts' tokens that are equal or harmlessly so, 0 … 1.
        kinds: (p,) int32 bits of `Kind`, and of `kinds.BARE`.
        columns: (p,) int64, a bit for each column in which both say something and it differs, by
            its place in the `columns` that were asked for.
        spans: (p,) strings, the strongest differences in words; empty where verdict is 0.
    """

    verdict: npt.NDArray[np.int8]
    verbatim: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.int32]
    columns: Places
    spans: pa.Array


class DifferenceReader:
    """Says what differs between the texts of pairs, of many in processes of its own.

    Reading two texts side by side is work in Python, of which a process does one thing at a time,
    whatever its threads. A context manager; the processes start with the first call that has many
    pairs and end with the context. What they find is the same as without them.

    Args:
        frequencies: in how many texts of the corpus each word occurs; None: not known.
        workers: processes; fewer than 2: all is read in this one.
        fewest: pairs of a call below which starting processes takes longer than reading.
    """

    def __init__(
        self, frequencies: Counts | None = None, *, workers: int = 0, fewest: int = FEWEST
    ) -> None:
        # A daemonic process (a Dask worker, say) may not have children.
        self.workers = 0 if current_process().daemon else workers
        self.fewest = fewest
        self._prepare = partial(_know, frequencies)
        self._starting = Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._comparison = SpanComparison(Vocabulary(frequencies))

    def __enter__(self) -> DifferenceReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def describe(
        self,
        texts: pa.Array,
        left: Places,
        right: Places,
        *,
        fields: pa.MapArray | None = None,
        columns: Sequence[str] = (),
    ) -> Differences:
        """See `describe_differences`; callable from several threads.

        Raises:
            PipelineError: a process was killed.
        """
        source = field_texts(texts, fields)
        lots = _lots(source, left, right)
        return _join(self._read(lots, len(left)), source.names, columns)

    def _read(self, lots: Iterator[Lot], pairs: int) -> list[Lines]:
        if self.workers < 2 or pairs < self.fewest:
            return [_read_lot(lot, self._comparison) for lot in lots]
        with self._starting:
            self._pool = self._pool or start_processes(self.workers, prepare=self._prepare)
        try:
            return list(self._pool.map(_read_there, lots))
        except BrokenProcessPool as error:
            raise PipelineError(
                "a process that reads what differs between texts was killed, most often for lack "
                f"of memory: lower compute.threads (now {self.workers})"
            ) from error


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
    here = DifferenceReader(frequencies)
    return here.describe(texts, left, right, fields=fields, columns=columns)


def _lots(source: FieldTexts, left: Places, right: Places) -> Iterator[Lot]:
    sizes = value_bytes(source.texts)
    for part in chunk_bounds(sizes[left] + sizes[right], limit=PORTION):
        rows, place = factorize(np.concatenate([left[part], right[part]]))
        yield (source.texts.take(pa.array(rows)), source.names, *np.split(place, 2))


def _read_lot(lot: Lot, comparison: SpanComparison) -> Lines:
    """What is read of each pair."""
    texts, names, left, right = lot
    streams = token_streams(prepare_texts(texts))
    reader = PairReader(streams, comparison, names)
    folded: Sequence[str] = streams.folded
    read = (
        EQUAL if folded[a] == folded[b] else reader.read(a, b)
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    )
    return [line._replace(kind=int(line.kind)) for line in read]


def _join(lots: Sequence[Lines], names: Sequence[str], columns: Sequence[str]) -> Differences:
    lines = [line for lot in lots for line in lot]
    bits = [1 << columns.index(name) if name in columns else 0 for name in names]
    differing = [sum(bits[field] for field in line.columns if field >= 0) for line in lines]
    return Differences(
        np.array([line.level for line in lines], np.int8),
        np.array([line.verbatim for line in lines], np.float32),
        np.array([line.kind for line in lines], np.int32),
        np.array(differing, np.int64),
        pa.array([line.spans for line in lines], pa.string()),
    )


# Of a process of `DifferenceReader`: what it compares spans by.
_known: list[SpanComparison] = []


def _know(frequencies: Counts | None) -> None:
    _known[:] = [SpanComparison(Vocabulary(frequencies))]


def _read_there(lot: Lot) -> Lines:
    return _read_lot(lot, _known[0])
