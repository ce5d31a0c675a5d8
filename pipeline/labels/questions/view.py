"""Views of the pairs of a run: what is known of each, where it lies, and which are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from pipeline.arrays import (
    Flags,
    Floats,
    Rows,
    as_array,
    as_strings,
    factorize_strings,
    positions_in,
)
from pipeline.labels.sheet import round_probability

PAIR = ["left_id", "right_id"]
NUMBERS = ["text_cosine", "image_cosine", "lexical", "token_overlap", "edit_similarity",
           "length_ratio", "code_agreement"]  # fmt: skip
FLAGS = ["exact_text", "exact_image", "contradicts"]
WORDS = ["difference", "reason"]
# What is read of schemas.PAIRS.
COLUMNS = [*PAIR, "probability", *NUMBERS, *FLAGS, *WORDS, "differences"]
# The kind of the strongest difference stands behind what differs: `10 mg` against `5 mg` (number).
KIND = r"` \((?P<kind>[a-z ]+)\)"
SOURCE = r"^(?P<source>[^:]*)"
LEAST = 1e-4  # probabilities are held this far from 0 and 1 where their log-odds are taken
USUAL = 8  # shapes of pairs, the most frequent, that have a column of evidence each


@dataclass(frozen=True)
class PairView:
    """Pairs of a run, sorted by their ids.

    Attributes:
        table: `COLUMNS`.
        probability: (p,) the judge's, six decimals.
        ends: (p, 2) numbers of the records. regions: (p, 2) numbers of their clusters.
        joined: (p,) whether the run put both records into one cluster.
        shape: (r,) of each record the number of its source and of the columns it has.
        words: (r,) of each record how many its text has.
    """

    table: pa.Table
    probability: Floats
    ends: Rows
    regions: Rows
    joined: Flags
    shape: Rows
    words: Floats

    def places_of(self, labels: pa.Table) -> Rows:
        """(l,) rows of labelled pairs, left_id < right_id; -1 of what is no pair of this run."""
        return positions_in(_keys(labels), as_strings(_keys(self.table)))

    def forms(self, rows: Rows) -> Rows:
        """(q,) what questions about some pairs are like, numbers from 0: pairs of one form have
        records of the same shapes, and the same kind of difference (or the same reason) decided.
        """
        part = self.table.take(pa.array(rows))
        _, decided = factorize_strings(pc.coalesce(_kinds(part), part["reason"]))
        every = np.column_stack([np.sort(self.shape[self.ends[rows]], axis=1), decided])
        return np.unique(every, axis=0, return_inverse=True)[1].reshape(-1)

    def evidence(self, rows: Rows) -> Floats:
        """(q, f) what is known of some pairs, each column with mean 0 and deviation 1 over them.

        What is not known is taken to be the mean; that it is not known is a column of its own.
        """
        part = self.table.take(pa.array(rows))
        odds = logit(np.clip(self.probability[rows], LEAST, 1 - LEAST))
        words = np.sort(np.log1p(self.words[self.ends[rows]]), axis=1)
        columns = [odds, self.joined[rows].astype(float), *words.T]
        for name in NUMBERS:
            values = part[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
            unknown = np.isnan(values)
            mean = values[~unknown].mean() if not unknown.all() else 0.0
            columns += [np.where(unknown, mean, values), unknown.astype(float)]
        columns += [part[name].to_numpy(zero_copy_only=False).astype(float) for name in FLAGS]
        for column in (*(part[name] for name in WORDS), _kinds(part)):
            found, number = factorize_strings(column)
            columns += [(number == place).astype(float) for place in range(len(found))]
        shapes = np.sort(self.shape[self.ends[rows]], axis=1)
        _, number, count = np.unique(shapes, axis=0, return_inverse=True, return_counts=True)
        usual = np.argsort(-count, kind="stable")[:USUAL]
        columns += [(number.reshape(-1) == place).astype(float) for place in usual]
        every = np.stack(columns, axis=1)
        spread = every.std(axis=0)
        return np.asarray((every - every.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def view_pairs(
    pairs: pa.Table, *, accept: float, clusters: pa.Table | None, records: pa.Table | None
) -> PairView:
    """Look at all pairs of a run.

    Args:
        pairs: `COLUMNS` at least, in any order.
        clusters: record_id and cluster_id; None: what reaches `accept` is taken for joined, and
            each record is a region of its own.
        records: record_id, word_count and fields; None: only their sources are known.
    """
    table = pairs.select(COLUMNS).sort_by([(key, "ascending") for key in PAIR])
    probability = round_probability(table["probability"])
    both = pa.chunked_array([as_strings(table[key]) for key in PAIR])
    ids, numbers = factorize_strings(both)
    ends = regions = numbers.reshape(2, -1).T
    joined = probability >= accept
    if clusters is not None:
        _, cluster = factorize_strings(clusters["cluster_id"])
        at = positions_in(ids, as_strings(clusters["record_id"]))
        region = np.where(at >= 0, np.append(cluster, 0)[at], len(cluster) + np.arange(len(ids)))
        regions = region[ends]
        joined = regions[:, 0] == regions[:, 1]
    shape, words = _shapes(ids, records)
    return PairView(table, probability, ends, regions, joined, shape, words)


def _shapes(ids: pa.Array, records: pa.Table | None) -> tuple[Rows, Floats]:
    """(r,) number of each record's source and columns; (r,) words of its text, 0: not known."""
    source = pc.struct_field(pc.extract_regex(ids, SOURCE), "source")
    words = np.zeros(len(ids))
    if records is not None:
        rows = records.select(["fields", "word_count"]).take(
            pc.index_in(ids, value_set=as_strings(records["record_id"]))
        )
        fields = as_array(rows["fields"])
        names = pa.ListArray.from_arrays(fields.offsets, fields.keys)
        columns = pc.fill_null(pc.binary_join(names, "\0"), "")
        source = pc.binary_join_element_wise(source, columns, "\0")
        words = pc.fill_null(rows["word_count"], 0).to_numpy().astype(float)
    return factorize_strings(source)[1], words


def _kinds(table: pa.Table) -> pa.ChunkedArray:
    """(p,) the kind of each pair's strongest difference; null where nobody looked."""
    return pc.struct_field(pc.extract_regex(table["differences"], KIND), "kind")


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["left_id"], table["right_id"], "\0")
