"""The end of an ingest: one row per record id, both tables written, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.catalog import carry_first_seen
from pipeline.context import RunContext
from pipeline.errors import CheckError, SourceError
from pipeline.records import drop_duplicate_ids
from pipeline.schemas import QUARANTINE, RECORDS

GATHERED_ROWS = 16_384


def settle_records(context: RunContext, rows: int) -> dict[str, Any]:
    """Resolve duplicate ids and write both tables; the count of rows must come out even."""
    work, tables = context.work, context.catalog.tables
    records, repeated = drop_duplicate_ids(work.read_shards("records", RECORDS))
    records = carry_first_seen(records, context.catalog.first_seen())
    quarantine = pa.concat_tables([work.read_shards("quarantine", QUARANTINE), repeated])
    quarantine = quarantine.sort_by([("source", "ascending"), ("location", "ascending")])
    if rows != len(records) + len(quarantine):
        raise CheckError(
            f"{rows} rows were read but {len(records)} records and {len(quarantine)} quarantined "
            "rows came out; nothing is published, please report this"
        )
    if not len(records):
        raise SourceError(
            f"none of the {rows} rows could be used; the first reason: "
            f"{quarantine['reason'][0].as_py() if len(quarantine) else 'no rows'}"
        )
    # What follows the colon names one row or file; the kinds of reason are few.
    kinds = pc.list_element(pc.split_pattern(quarantine["reason"], ":", max_splits=1), 0)
    reasons = pc.value_counts(kinds.combine_chunks()).to_pylist()
    return {
        "records": len(records),
        "quarantined": len(quarantine),
        "with_text": len(records) - records["text_hash"].null_count,
        "with_image": len(records) - records["image_hash"].null_count,
        "quarantine_reasons": {entry["values"]: entry["counts"] for entry in reasons},
        "versions": {
            "records": tables.replace("records", _by_id(records)),
            "quarantine": tables.replace("quarantine", quarantine),
        },
    }


def _by_id(records: pa.Table) -> Iterator[pa.RecordBatch]:
    """The records in the order of their ids, gathered a bounded batch at a time.

    A whole table cannot be gathered at once: thumbnails pass Arrow's 2 GB per column.
    """
    order = pc.sort_indices(records["record_id"])
    at = records.schema.get_field_index("thumbnail")
    thumbnails = records["thumbnail"].cast(pa.large_binary()).combine_chunks()
    wide = records.set_column(at, "thumbnail", thumbnails).combine_chunks()
    for start in range(0, len(order), GATHERED_ROWS):
        rows = wide.take(order.slice(start, GATHERED_ROWS)).cast(RECORDS)
        yield from rows.combine_chunks().to_batches()
