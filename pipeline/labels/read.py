"""Labels in: files and verdicts → labelled pairs over records, contradictions settled.

`conflicts.RULE` settles contradictions; *related* and *unsure* are left out
(`files.parse_labels`); an entity of more than LARGE_ENTITY records gives a spanning selection
of its pairs; a record that a file puts into two clusters is left out of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Rows, Words, as_array
from pipeline.config import ClusterLabels, InlineLabels, TrainConfig
from pipeline.errors import ConfigError
from pipeline.ingestion import Decoder, exact_groups
from pipeline.labels.conflicts import (
    EXAMPLES,
    HELD_OUT,
    ORIGINS,
    LabelRows,
    join_rows,
    resolve_conflicts,
)
from pipeline.labels.entries import Entry, read_entry, tie_pairs
from pipeline.labels.files import LEFT_OUT
from pipeline.labels.labelled_pairs import (
    LabelFacts,
    LabelledPairs,
    QuarantinedRow,
    QuarantineFacts,
    ReadFacts,
    UnknownIds,
)
from pipeline.labels.records import INLINE, read_labelled_records
from pipeline.storage import QUARANTINE, RECORDS, conform


def read_labelled(
    config: TrainConfig,
    *,
    published: pa.Table | None,
    verdicts: pa.Table | None,
    decoder: Decoder | None = None,
    now: datetime,
    few: int = 0,
) -> LabelledPairs:
    """Read every entry of `config.labels` into labelled pairs over the records they name.

    Args:
        published: the catalog's published records; for labels by id when no sources are named.
        verdicts: the catalog's labels table; None when there is none yet.
        decoder: reads pictures; default: one of its own, for the configured image settings.
        now: first and last seen of the records made here.
        few: of fewer pairs one duplicate is enough.

    Raises:
        ConfigError: a file, column or value cannot be used; every id of a file is unknown; there
            is one class only, or too few duplicates; or all contents are one.
    """
    with nullcontext(decoder) if decoder is not None else Decoder(config.images) as reader:
        records, claims, facts = read_label_rows(
            config, published=published, verdicts=verdicts, decoder=reader, now=now
        )
    return _finish(config, records, claims, facts, few=few)


def read_label_rows(
    config: TrainConfig,
    *,
    published: pa.Table | None,
    verdicts: pa.Table | None,
    decoder: Decoder,
    now: datetime,
) -> tuple[pa.Table, LabelRows, ReadFacts]:
    """Read every entry as `read_labelled` does, but leave contradictions and repetitions in.

    One claim for every usable row in the rows' order, self pairs too: what a benchmark with an
    official test split is scored on.

    Returns:
        (schemas.RECORDS by ascending id, the claims about their rows, facts).
    """
    names = slice_names(config)
    entries = [
        read_entry(entry, config, names, verdicts=verdicts, decoder=decoder, now=now)
        for entry in config.labels
    ]
    records, quarantined = _records(config, entries, published=published, decoder=decoder, now=now)
    ids = as_array(records["record_id"])
    entries = [tie_pairs(entry, ids) for entry in entries]
    claims = join_rows([entry.claims for entry in entries], names)
    return records, claims, _facts(entries, quarantined)


def slice_names(config: TrainConfig) -> tuple[str, ...]:
    """Attributes by which failures are told apart: the configured, then those of inline files."""
    kept = (entry.attributes for entry in config.labels if isinstance(entry, InlineLabels))
    return tuple(dict.fromkeys((*config.slices, *(name for names in kept for name in names))))


def _records(
    config: TrainConfig,
    entries: Sequence[Entry],
    *,
    published: pa.Table | None,
    decoder: Decoder,
    now: datetime,
) -> tuple[pa.Table, pa.Table]:
    """The records that any entry names, ids ascending, and the quarantined rows."""
    tables = [entry.inline.records for entry in entries if entry.inline is not None]
    refused = [entry.inline.quarantined for entry in entries if entry.inline is not None]
    named = {name for entry in entries for ids in entry.ids for name in ids.to_pylist()}
    if any(entry.ids for entry in entries):
        known, quarantined = read_labelled_records(
            config, published=published, decoder=decoder, now=now, only=named
        )
        tables.append(known)
        refused.append(quarantined)
    records = pa.concat_tables([RECORDS.empty_table(), *(conform(t, RECORDS) for t in tables)])
    order = pc.sort_indices(records["record_id"]).to_numpy()
    ids = np.array(records["record_id"].to_pylist(), dtype=str)[order]
    first = np.ones(len(ids), bool)
    first[1:] = ids[1:] != ids[:-1]  # one content in two inline files
    return records.take(pa.array(order[first])), pa.concat_tables(
        [QUARANTINE.empty_table(), *refused]
    )


def _facts(entries: Sequence[Entry], quarantined: pa.Table) -> ReadFacts:
    each = [entry.facts for entry in entries]
    unknown = [facts.unknown_ids for facts in each if facts.unknown_ids is not None]
    refused = quarantined.select(["location", "reason"]).slice(0, EXAMPLES).to_pylist()
    return ReadFacts(
        rows=sum(facts.rows for facts in each),
        entries=tuple(each),
        unknown_ids=UnknownIds(
            sum(item.rows for item in unknown),
            sum(item.ids for item in unknown),
            sum(item.ambiguous for item in unknown),
            tuple(name for item in unknown for name in item.examples)[:EXAMPLES],
        ),
        self_pairs=sum(facts.self_pairs for facts in each),
        self_pairs_different=sum(facts.self_pairs_different for facts in each),
        left_out={word: sum(facts.left_out[word] for facts in each) for word in LEFT_OUT},
        quarantined=QuarantineFacts(
            len(quarantined), tuple(QuarantinedRow(**row) for row in refused)
        ),
    )


def _finish(
    config: TrainConfig, records: pa.Table, claims: LabelRows, read: ReadFacts, *, few: int
) -> LabelledPairs:
    _check_contents(records, read)
    found = resolve_conflicts(claims, _names_called(records))
    settled, same = found.claims, found.claims.same
    equal = exact_groups(records)
    facts = LabelFacts(
        **vars(read),
        conflicts=found.conflicts,
        repeated_pairs=found.repeated_pairs,
        split_twice=found.split_twice,
        pairs=len(same),
        positives=int(same.sum()),
        negatives=int((~same).sum()),
        graded=int(((settled.grade > 0) & (settled.grade < 1)).sum()),
        origins={str(name): int((settled.rank == rank).sum()) for rank, name in enumerate(ORIGINS)},
        equal_content_different=int((~same & (equal[settled.left] == equal[settled.right])).sum()),
        records=len(records),
        contents=len(np.unique(equal)),
    )
    _check_classes(config, facts, few=few)
    return LabelledPairs(
        records=records,
        left=settled.left,
        right=settled.right,
        grade=settled.grade,
        origin=ORIGINS[settled.rank],
        split=HELD_OUT[settled.split],
        slices={
            name: pair_slice(records, name, own, settled.left, settled.right)
            for name, own in settled.slices.items()
        },
        facts=facts,
    )


def _check_contents(records: pa.Table, facts: ReadFacts) -> None:
    if len(np.unique(exact_groups(records))) == 1:
        raise ConfigError(
            f"labels: all {facts.rows} labelled rows have one and the same content; there is "
            "nothing to learn to tell apart, check which columns are named"
        )


def _check_classes(config: TrainConfig, facts: LabelFacts, *, few: int) -> None:
    positives, negatives = facts.positives, facts.negatives
    if not positives and not negatives:
        raise ConfigError(
            f"labels: no labelled pair is left of {facts.rows} rows (unknown ids: "
            f"{facts.unknown_ids.rows}, self pairs: {facts.self_pairs}, related or "
            f"unsure: {sum(facts.left_out.values())}); add labels"
        )
    later = config.negatives.closed_world or any(
        isinstance(entry, ClusterLabels) for entry in config.labels
    )
    if not positives or (not negatives and not later):
        only, other = ("different", "duplicates") if not positives else ("the same", "differ")
        raise ConfigError(
            f"labels: one class only: all {positives + negatives} pairs are {only}; add pairs that "
            f"{'are ' if not positives else ''}{other}"
            + ("" if not positives else ", or set negatives.closed_world: true")
        )
    if positives < config.min_positives and facts.pairs >= few:
        raise ConfigError(
            f"labels: {positives} labelled duplicates are fewer than min_positives = "
            f"{config.min_positives}; label more (`gemel label suggest`), or lower min_positives"
        )


def _names_called(records: pa.Table) -> Words:
    """What a person finds a record by: its id, or the row of the file it stands in."""
    inline = pc.equal(as_array(records["source"]), INLINE)
    shown = pc.if_else(inline, as_array(records["location"]), as_array(records["record_id"]))
    return np.array(shown.to_pylist(), dtype=str)


def pair_slice(records: pa.Table, name: str, own: Words, left: Rows, right: Rows) -> Words:
    """(p,) each pair's own value, else that of its records: 'a' when both say a, else 'a | b'."""
    value = _record_values(records, name)
    low, high = value[left], value[right]
    low, high = np.where(low <= high, low, high), np.where(low <= high, high, low)
    both = np.char.add(np.char.add(low, " | "), high)
    theirs = np.where((low == high) | (low == ""), high, both)
    return np.asarray(np.where(own != "", own, theirs), dtype=str)


def _record_values(records: pa.Table, name: str) -> Words:
    """An attribute of each record; else its text field, else, for 'source', its source; else ''."""
    found = [
        pc.map_lookup(as_array(records[column]), name, "first")
        for column in ("attributes", "fields")
    ]
    if name == "source":
        found.append(as_array(records["source"]))
    return np.array(pc.fill_null(pc.coalesce(*found), "").to_pylist(), dtype=str)
