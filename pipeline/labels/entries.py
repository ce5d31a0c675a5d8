"""One configured source of labels: read, tied to records, clusters turned into pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Rows, Words, as_array
from pipeline.config import (
    ClusterLabels,
    InlineLabels,
    LabelConfig,
    PairLabels,
    TrainConfig,
    VerdictLabels,
)
from pipeline.errors import ConfigError
from pipeline.ingestion import Decoder
from pipeline.labels.conflicts import EXAMPLES, HELD_OUT, ORIGINS, LabelRows
from pipeline.labels.files import parse_labels, parse_splits, read_strings
from pipeline.labels.labelled_pairs import ClusterFacts, EntryFacts, UnknownIds
from pipeline.labels.records import InlineRecords, find_rows, inline_records
from pipeline.labels.verdicts import latest_verdicts
from pipeline.storage import LABELS

LARGE_ENTITY = 64  # records of one entity up to which all its pairs are listed


@dataclass(frozen=True)
class Entry:
    """One configured source of labels, read but not yet tied to records.

    Attributes:
        ids: the ids in the left and right column (pairs), or in the only one (clusters).
        claims: its claims; rows -1 where unknown, filled in by `tied`.
        cluster: (n,) cluster of each row of a file of clusters.
    """

    config: LabelConfig
    ids: tuple[pa.Array, ...]
    claims: LabelRows
    facts: EntryFacts
    cluster: Words | None = None
    inline: InlineRecords | None = None


def read_entry(
    entry: LabelConfig,
    config: TrainConfig,
    names: tuple[str, ...],
    *,
    verdicts: pa.Table | None,
    decoder: Decoder,
    now: datetime,
) -> Entry:
    """Read one configured source of labels, with the slices `names`; its ids are not looked up.

    Raises:
        ConfigError: a file, column or value cannot be used.
    """
    match entry:
        case PairLabels():
            table = read_strings(
                entry.path, _given_pairs(entry, entry.left, entry.right, entry.label)
            )
            ids = tuple(_trim(table[name]) for name in (entry.left, entry.right))
            return _entry(entry, table, table[entry.label], names, rank="given", ids=ids)
        case InlineLabels():
            table = read_strings(entry.path, _given_pairs(entry, entry.label, *entry.attributes))
            inline = inline_records(entry, config, decoder=decoder, now=now)
            read = _entry(entry, table, table[entry.label], names, rank="given", ids=())
            return replace(read, inline=inline)
        case ClusterLabels():
            table = read_strings(entry.path, _given_pairs(entry, entry.id, entry.cluster))
            ones = pa.array(np.full(len(table), "1"))
            ids = (_trim(table[entry.id]),)
            read = _entry(entry, table, ones, names, rank="cluster", ids=ids)
            return replace(read, cluster=np.array(_trim(table[entry.cluster]).to_pylist(), str))
        case VerdictLabels():
            table = latest_verdicts(LABELS.empty_table() if verdicts is None else verdicts)
            ids = (as_array(table["left_id"]), as_array(table["right_id"]))
            read = _entry(entry, table, table["label"], names, rank="verdict", ids=ids)
            at = np.asarray(as_array(table["at"]).cast(pa.int64()).to_numpy(), np.int64)
            return replace(read, claims=replace(read.claims, at=at))
        case _:
            assert_never(entry)


def _given_pairs(entry: LabelConfig, *columns: str) -> list[str]:
    split = None if isinstance(entry, VerdictLabels) else entry.split
    return [*columns, *([split] if split else [])]


def _where(entry: LabelConfig) -> str:
    return "the verdicts in the catalog" if isinstance(entry, VerdictLabels) else entry.path


def _entry(
    entry: LabelConfig,
    table: pa.Table,
    label: pa.ChunkedArray,
    names: tuple[str, ...],
    *,
    rank: str,
    ids: tuple[pa.Array, ...],
) -> Entry:
    count, where = len(table), _where(entry)
    grade, left_out = parse_labels(as_array(label), where=where)
    split = np.zeros(count, np.int64)
    if not isinstance(entry, VerdictLabels) and entry.split:
        words = parse_splits(as_array(table[entry.split]), where=where)
        split = np.argsort(HELD_OUT)[np.searchsorted(np.sort(HELD_OUT), words)]
    own = entry.attributes if isinstance(entry, InlineLabels) else ()
    slices = {
        name: np.array(table[name].to_pylist() if name in own else [""] * count, dtype=str)
        for name in names
    }
    unknown = np.full(count, -1, np.int64)
    claims = LabelRows(
        left=unknown,
        right=unknown,
        grade=grade,
        rank=np.full(count, int(np.flatnonzero(rank == ORIGINS)[0])),
        at=np.zeros(count, np.int64),
        split=split,
        slices=slices,
    )
    return Entry(entry, ids, claims, EntryFacts(where, entry.type, count, left_out))


def tie_pairs(entry: Entry, ids: pa.Array) -> Entry:
    """Tie the claims to record rows; drop and count those of unknown ids and what is left out."""
    claims, facts = entry.claims, entry.facts
    if entry.inline is not None:
        row = pc.index_in(as_array(entry.inline.records["record_id"]), value_set=ids).to_numpy()
        row = np.append(row, -1).astype(np.int64)
        sides = [row[entry.inline.left], row[entry.inline.right]]
        unusable = int(((sides[0] < 0) | (sides[1] < 0)).sum())
        facts = replace(facts, unusable_rows=unusable)
        if len(sides[0]) == unusable:
            raise ConfigError(f"labels: {_where(entry.config)} has no row with two usable sides")
    else:
        found = [find_rows(wanted, ids) for wanted in entry.ids]
        sides = [rows for rows, _ in found]
        unknown = _unknown(entry, sides, [ambiguous for _, ambiguous in found])
        facts = replace(facts, unknown_ids=unknown)
    if entry.cluster is not None:
        return _expand(entry, sides[0], facts)
    left, right = np.minimum(sides[0], sides[1]), np.maximum(sides[0], sides[1])
    kept = (left >= 0) & ~np.isnan(claims.grade)
    self_pairs = kept & (left == right)
    facts = replace(
        facts,
        self_pairs=int(self_pairs.sum()),
        self_pairs_different=int((self_pairs & (claims.grade < 0.5)).sum()),
        pairs=int((kept & ~self_pairs).sum()),
    )
    return replace(entry, claims=replace(claims, left=left, right=right).take(kept), facts=facts)


def _unknown(entry: Entry, sides: list[Rows], ambiguous: list[Flags]) -> UnknownIds:
    """Count the unknown ids.

    Raises:
        ConfigError: every row of a file has one.
    """
    lost = np.any([rows < 0 for rows in sides], axis=0)
    names = sorted(
        {
            name
            for ids, rows in zip(entry.ids, sides, strict=True)
            for name in ids.filter(pa.array(rows < 0)).to_pylist()
        }
    )
    several = int(sum(flags.sum() for flags in ambiguous))
    if len(lost) and lost.all() and not isinstance(entry.config, VerdictLabels):
        hint = "several sources have these keys; write source:key" if several else (
            "ids are 'source:key', or a key that one source alone has"
        )  # fmt: skip
        raise ConfigError(
            f"labels: every row of {_where(entry.config)} names an unknown record, such as "
            f"{', '.join(map(repr, names[:3]))}; {hint}"
        )
    return UnknownIds(int(lost.sum()), len(names), several, tuple(names[:EXAMPLES]))


def _expand(entry: Entry, rows: Rows, facts: EntryFacts) -> Entry:
    """Turn records with their cluster into pairs; see `cluster_pairs`."""
    assert entry.cluster is not None
    known = (rows >= 0) & (entry.cluster != "")
    split = entry.claims.split[known]
    _, code = np.unique(entry.cluster[known], return_inverse=True)
    members = np.unique(np.stack([rows[known], code]), axis=1)
    twice = np.isin(members[0], members[0][1:][np.diff(members[0]) == 0])
    record, code = members[:, ~twice]
    left, right, large = cluster_pairs(record, code)
    wanted = np.zeros(int(rows.max(initial=0)) + 1, np.int64)
    np.maximum.at(wanted, rows[known], split)
    sides = wanted[left], wanted[right]
    crossing = (sides[0] != sides[1]) & (sides[0] > 0) & (sides[1] > 0)
    left, right = left[~crossing], right[~crossing]
    sizes = np.bincount(code)
    claims = LabelRows(
        left=left,
        right=right,
        grade=np.ones(len(left)),
        rank=np.zeros(len(left), np.int64),
        at=np.zeros(len(left), np.int64),
        split=np.maximum(*sides)[~crossing],
        slices={name: np.full(len(left), "") for name in entry.claims.slices},
    )
    clusters = ClusterFacts(
        clusters=int((sizes > 0).sum()),
        clusters_of_two_or_more=int((sizes > 1).sum()),
        records_in_several_clusters=len(np.unique(members[0][twice])),
        rows_without_cluster=int((entry.cluster == "").sum()),
        large_entities=large,
        pairs_not_listed=int((sizes * (sizes - 1) // 2).sum()) - len(crossing),
        pairs_across_given_splits=int(crossing.sum()),
    )
    facts = replace(facts, pairs=len(left), clusters=clusters)
    return replace(entry, claims=claims, facts=facts)


def cluster_pairs(record: Rows, cluster: Rows) -> tuple[Rows, Rows, int]:
    """List the pairs inside clusters, all up to LARGE_ENTITY records.

    A larger cluster gives a spanning selection: in the order of the rows, around a ring, each
    member with those 1, 2, 4, 8, … places further: connected, n log2 n pairs at most.

    Args:
        record: (n,) record rows, each once.
        cluster: (n,) cluster number of each.

    Returns:
        (left, right, how many clusters were larger), left < right, each pair once.
    """
    order = np.lexsort((record, cluster))
    record, cluster = record[order], cluster[order]
    starts = np.flatnonzero(np.diff(cluster, prepend=-1))
    sizes = np.diff(np.append(starts, len(cluster)))
    lefts, rights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[sizes > 1]).tolist():
        members = record[starts[sizes == size][:, None] + np.arange(size)]
        first, second = np.triu_indices(size, 1)
        if size > LARGE_ENTITY:
            steps = 2 ** np.arange(int(np.log2(size - 1)) + 1)
            places = np.arange(size)[:, None]
            ring = np.stack([np.broadcast_to(places, (size, len(steps))), (places + steps) % size])
            first, second = np.unique(np.sort(ring.reshape(2, -1), axis=0), axis=1)
        lefts.append(members[:, first].ravel())
        rights.append(members[:, second].ravel())
    left, right = np.concatenate(lefts), np.concatenate(rights)
    return left, right, int((sizes > LARGE_ENTITY).sum())


def _trim(column: pa.ChunkedArray) -> pa.Array:
    return pc.utf8_trim_whitespace(as_array(column))
