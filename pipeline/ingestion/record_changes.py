"""Record changes since the previous run: new, changed, unchanged, deleted, carried over.

A source declared complete deletes by absence, where its files were read to their end. An
append-only source deletes nothing: what it does not deliver again stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_array
from pipeline.config import SourceConfig
from pipeline.storage import RECORDS

# How a row's location ends; that of a file as a whole, refused or cut short, has no number.
ROW = r":\d+$"


@dataclass(frozen=True)
class RecordDiff:
    """How tonight's records stand to the last night's.

    Attributes:
        first_seen: of tonight's records, in their order; null for a new one.
        carried: ids of the records that stay without having been delivered.
        by_source: counts by source of tonight: records, quarantined, new, changed, unchanged,
            deleted, carried.
        removed: records deleted with each source that is no longer configured.
    """

    first_seen: pa.Array
    carried: pa.Array
    by_source: dict[str, dict[str, int]]
    removed: dict[str, int]

    def counts(self, rows: Mapping[str, int]) -> dict[str, Any]:
        """The facts of an ingest: totals, and by source with the rows read of each."""
        sources = {name: {"rows": rows[name], **self.by_source[name]} for name in rows}
        totals = {
            kind: sum(counts[kind] for counts in sources.values())
            for kind in ("new", "changed", "unchanged", "deleted", "carried")
        }
        totals["deleted"] += sum(self.removed.values())
        return {**totals, "sources": sources, "removed_sources": self.removed}


def diff_records(
    records: pa.Table,
    quarantine: pa.Table,
    base: pa.Table | None,
    sources: Sequence[SourceConfig],
) -> RecordDiff:
    """Compare tonight's records (schema RECORDS, unique ids) with the last night's.

    A record is changed when its text or its picture is another; its other columns may differ.

    Args:
        base: record_id, source, location, text_hash, image_hash and first_seen; None on the first
            night.
    """
    if base is None:
        base = RECORDS.empty_table()
    base = base.select(["record_id", "source", "location", "text_hash", "image_hash", "first_seen"])
    before = {name: as_array(base[name]) for name in base.column_names}
    place = pc.index_in(as_array(records["record_id"]), value_set=before["record_id"])
    known = pc.is_valid(place)
    same = known
    for name in ("text_hash", "image_hash"):
        same = pc.and_(same, _equal(records, before, place, name))
    missing = pc.invert(pc.is_in(before["record_id"], value_set=as_array(records["record_id"])))
    stays = pc.and_(missing, _may_stay(before, quarantine, sources))
    gone = pc.and_(missing, pc.invert(stays))
    tallies = {
        "records": _tally(records["source"]),
        "quarantined": _tally(quarantine["source"]),
        "new": _tally(records["source"], pc.invert(known)),
        "changed": _tally(records["source"], pc.and_(known, pc.invert(same))),
        "unchanged": _tally(records["source"], same),
        "deleted": _tally(before["source"], gone),
        "carried": _tally(before["source"], stays),
    }
    names = [source.name for source in sources]
    return RecordDiff(
        first_seen=before["first_seen"].take(place),
        carried=before["record_id"].filter(stays),
        by_source={
            name: {kind: tally.get(name, 0) for kind, tally in tallies.items()} for name in names
        },
        removed={
            name: count for name, count in sorted(tallies["deleted"].items()) if name not in names
        },
    )


def stamp_seen(records: pa.Table, first_seen: pa.Array, *, now: datetime) -> pa.Table:
    """Give tonight's records the times when they were seen, whatever run built them."""
    when = pa.scalar(now, RECORDS.field("last_seen").type)
    seen = {
        "first_seen": pc.coalesce(first_seen, when),
        "last_seen": pa.repeat(when, len(records)),
    }
    for name, values in seen.items():
        at = records.schema.get_field_index(name)
        records = records.set_column(at, records.schema.field(at), values)
    return records


def _equal(records: pa.Table, before: Mapping[str, pa.Array], place: pa.Array, name: str) -> Any:
    """Whether a content hash is the one of the last night; absent on both nights is equal."""
    earlier = pc.fill_null(before[name].take(place), "")
    return pc.equal(pc.fill_null(as_array(records[name]), ""), earlier)


def _may_stay(
    before: Mapping[str, pa.Array], quarantine: pa.Table, sources: Sequence[SourceConfig]
) -> pa.Array:
    """Which records of the last night are not deleted by their absence."""
    feeds = [source.name for source in sources if not source.complete]
    stays = pc.is_in(before["source"], value_set=pa.array(feeds, pa.string()))
    names = pa.array([source.name for source in sources], pa.string())
    numbered = pc.match_substring_regex(quarantine["location"], ROW)
    whole = pc.and_(pc.invert(numbered), pc.is_in(quarantine["source"], value_set=names))
    unread = quarantine.filter(whole)
    # The file of each row of the last night; its own location where it is no row of a file.
    files = pc.replace_substring_regex(before["location"], ROW, "")
    lost = pc.is_in(_within(before["source"], files), value_set=as_array(_within(*_places(unread))))
    of_file = pc.match_substring_regex(before["location"], ROW)
    stays = pc.or_(stays, pc.and_(lost, of_file))
    closed = unread.filter(pc.starts_with(unread["reason"], "folder "))
    for row in closed.to_pylist():
        below = pc.starts_with(before["location"], f"{row['location']}/".removeprefix("./"))
        stays = pc.or_(stays, pc.and_(pc.equal(before["source"], row["source"]), below))
    return stays


def _places(quarantine: pa.Table) -> tuple[pa.Array, pa.Array]:
    return as_array(quarantine["source"]), as_array(quarantine["location"])


def _within(source: pa.Array, place: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(source, place, "\0")


def _tally(sources: pa.ChunkedArray | pa.Array, chosen: pa.Array | None = None) -> dict[str, int]:
    values = as_array(sources) if chosen is None else as_array(sources).filter(chosen)
    return {str(e["values"]): int(e["counts"]) for e in pc.value_counts(values).to_pylist()}
