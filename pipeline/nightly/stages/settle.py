"""The end of an ingest: one row per record id, every table written, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import take_in_batches
from pipeline.catalog import RecordChanges
from pipeline.errors import CheckError, SourceError
from pipeline.ingestion import (
    ENTRIES,
    RecordDiff,
    diff_records,
    drop_duplicate_ids,
    keep_pictures,
    stamp_seen,
)
from pipeline.labels import read_labels, require_known
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.run_records import RecordsVersion
from pipeline.nightly.state.stage import StageResult
from pipeline.storage import QUARANTINE, RECORDS, conform

GATHERED_ROWS = 16_384
WHERE = ("source", "location")  # the order of the quarantine


@dataclass(frozen=True, kw_only=True)
class IngestResult(StageResult):
    """What was read, and how it stands to the last night's.

    Attributes:
        quarantine_reasons, problems: kind of reason -> rows quarantined, records kept without
            their picture. left_out: source -> ending -> files not read.
        pictures_decoded: those not known already.
        carried: records that stay without having been delivered.
        sources: source -> its counts. removed_sources: source -> records that went with it.
    """

    records: int
    quarantined: int
    with_text: int
    with_image: int
    pictures_decoded: int = 0
    quarantine_reasons: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    changes: RecordChanges = field(default_factory=RecordChanges)
    carried: int = 0
    unchanged: int = 0
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    removed_sources: dict[str, int] = field(default_factory=dict)


def finish_ingest(
    context: RunContext, rows: Mapping[str, int], *, size: int,
    left_out: Mapping[str, dict[str, int]],
) -> IngestResult:  # fmt: skip
    """Resolve duplicate ids, add what stays of other nights, and write the tables.

    Args:
        rows: rows read of each source; they must come out even. size: bytes written of them.
        left_out: files of each source that are no input of it, by ending.

    Raises:
        CheckError: a row was lost.
        SourceError: no row could be used.
        ConfigError: no labelled pair names two of the records.
    """
    work, tables = context.work, context.catalog.tables
    records, repeated = drop_duplicate_ids(work.read_shards("records", RECORDS))
    quarantine = pa.concat_tables([work.read_shards("quarantine", QUARANTINE), repeated])
    _check_rows(sum(rows.values()), records, quarantine)
    night = diff_records(records, quarantine, _base(context), context.config.sources)
    records = stamp_seen(records, night.first_seen, now=context.started)
    records = pa.concat_tables([records, *_carry_seen(context, night)])
    if not len(records):
        raise SourceError("the sources, all append-only, have never delivered a row")
    if context.config.labels:
        labels, ids = read_labels(context.config.labels), records["record_id"].combine_chunks()
        require_known(labels, ids, path=context.config.labels)
    entries = work.read_shards("pictures", ENTRIES)
    counts = night.counts(rows)
    versions = {
        "records": tables.replace("records", _sort(records, "record_id")),
        "quarantine": tables.replace("quarantine", _sort(quarantine, *WHERE)),
    }
    if len(entries):
        versions["pictures"] = tables.replace("pictures", keep_pictures(entries))
    work.keep(RecordsVersion(versions["records"]))
    return IngestResult(
        rows=sum(rows.values()),
        bytes=size,
        versions=versions,
        records=len(records),
        quarantined=len(quarantine),
        with_text=len(records) - records["text_hash"].null_count,
        with_image=len(records) - records["image_hash"].null_count,
        pictures_decoded=pc.sum(entries["decoded"]).as_py() or 0,
        quarantine_reasons=_reasons(quarantine["reason"]),
        problems=_reasons(records["problem"].drop_null()),
        left_out=dict(left_out),
        changes=RecordChanges(counts["new"], counts["changed"], counts["deleted"]),
        carried=counts["carried"],
        unchanged=counts["unchanged"],
        sources=counts["sources"],
        removed_sources=counts["removed_sources"],
    )


def _check_rows(rows: int, records: pa.Table, quarantine: pa.Table) -> None:
    if rows != len(records) + len(quarantine):
        raise CheckError(
            f"{rows} rows were read but {len(records)} records and {len(quarantine)} quarantined "
            "rows came out; nothing is published, please report this"
        )
    if rows and not len(records):
        raise SourceError(
            f"none of the {rows} rows could be used; the first reason: {_first(quarantine)}"
        )


def _base(context: RunContext) -> pa.Table | None:
    """What telling tonight from the last night needs of the records published then."""
    base = context.base_run
    columns = ["record_id", "source", "location", "text_hash", "image_hash", "first_seen"]
    return None if base is None else context.catalog.read("records", run=base, columns=columns)


def _carry_seen(context: RunContext, night: RecordDiff) -> Iterator[pa.Table]:
    """The records of the last night that stay without having been delivered, whole."""
    base = context.base_run
    if base is None or not len(night.carried):
        return
    wanted = pc.field("record_id").isin(night.carried)
    yield conform(context.catalog.dataset("records", run=base).to_table(filter=wanted), RECORDS)


def _reasons(given: pa.ChunkedArray) -> dict[str, int]:
    """How many rows each kind of reason is of; what follows a colon names one row or file."""
    kinds = pc.list_element(pc.split_pattern(given, ":", max_splits=1), 0)
    reasons = pc.value_counts(kinds.combine_chunks()).to_pylist()
    return {entry["values"]: entry["counts"] for entry in reasons}


def _sort(table: pa.Table, *columns: str) -> Iterator[pa.RecordBatch]:
    """The rows in the order of some columns, a bounded batch at a time."""
    return take_in_batches(table, _order(table, *columns), rows=GATHERED_ROWS)


def _order(table: pa.Table, *columns: str) -> npt.NDArray[np.int64]:
    keys = [(name, "ascending") for name in columns]
    return np.asarray(pc.sort_indices(table, sort_keys=keys), np.int64)


def _first(quarantine: pa.Table) -> str:
    if not len(quarantine):
        return "no rows"
    return str(quarantine["reason"][int(_order(quarantine, *WHERE)[0])])
