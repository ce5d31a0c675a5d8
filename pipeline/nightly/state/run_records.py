"""The run's records and content groups, read from its scratch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, combine_large, take_in_batches
from pipeline.candidates import ContentGroups, make_groups
from pipeline.catalog import Catalog
from pipeline.clustering import same_thing
from pipeline.ingestion import exact_groups
from pipeline.nightly.state.context import RunContext

Modality = Literal["text", "image"]

GATHERED_ROWS = 65_536


@dataclass(frozen=True)
class RecordsVersion:
    """The version of the table `records` that a run's ingest wrote."""

    version: int


def groups_of(context: RunContext) -> ContentGroups:
    """The groups of the run's records, computed once per process."""
    config = context.config
    return groups_at(
        context.catalog,
        context.run,
        _version(context),
        min_tokens=config.text.min_tokens,
        min_detail=config.images.min_detail,
    )


@lru_cache(maxsize=2)
def groups_at(
    catalog: Catalog, run: str, version: int, *, min_tokens: int, min_detail: float
) -> ContentGroups:
    """The groups of a run's records, which are at `version`; two nights' are kept."""
    columns = ["record_id", "text_hash", "image_hash", "word_count", "image_detail"]
    records = records_at(catalog, run, version, columns)
    return make_groups(records, exact_groups(records), min_tokens=min_tokens, min_detail=min_detail)


def read_records(context: RunContext, columns: list[str]) -> pa.Table:
    """Columns of the run's records, in the order of the record ids."""
    return records_at(context.catalog, context.run, _version(context), columns)


def _version(context: RunContext) -> int:
    return context.work.require(RecordsVersion).version


def records_at(catalog: Catalog, run: str, version: int, columns: list[str]) -> pa.Table:
    """Columns of a run's records, put in order: Delta's writer takes the batches in any."""
    table = catalog.tables.read("records", version=version, columns=columns)
    order = _order(catalog, run, version)
    if order is None:
        return table
    return pa.Table.from_batches(
        take_in_batches(table, order, rows=GATHERED_ROWS), schema=table.schema
    )


@lru_cache(maxsize=2)
def _order(catalog: Catalog, run: str, version: int) -> npt.NDArray[np.int64] | None:
    """Rows of a run's records by record id; None when they are stored so."""
    ids = catalog.tables.read("records", version=version, columns=["record_id"])
    order = np.asarray(pc.sort_indices(ids["record_id"]), np.int64)
    return None if (np.diff(order) == 1).all() else order


def record_ids(context: RunContext) -> pa.Array:
    """The record ids by row."""
    return read_records(context, ["record_id"])["record_id"].combine_chunks()


def bare_records(context: RunContext) -> Flags:
    """(n,) records of duplicate-free sources that say one text column of several.

    Of two lists that hold each thing once, rows that are a street alone are often equal without
    being one thing. Where no source promises that, equal rows are one row twice.
    """
    several = [
        source.name
        for source in context.config.sources
        if source.duplicate_free and source.has_fields
    ]
    if not several:
        return np.zeros(len(record_ids(context)), bool)
    records = read_records(context, ["source", "fields"])
    said = [np.diff(np.asarray(part.offsets)) for part in records["fields"].chunks]
    one = np.concatenate([*said, np.zeros(0, np.int32)]) == 1
    among = np.asarray(pc.is_in(records["source"], value_set=pa.array(several)), bool)
    return np.asarray(one & among)


def same_as_leader(context: RunContext, leader: npt.NDArray[np.int64]) -> Flags:
    """(n,) records that are the same row or picture file as their leader, under another name."""
    same = same_thing(read_records(context, ["text", "origin", "image_file"]), leader)
    return np.asarray(same, bool)


def modalities(context: RunContext) -> dict[str, npt.NDArray[np.bool_]]:
    """For 'text' and 'image', which records (n,) have it."""
    hashes = read_records(context, ["text_hash", "image_hash"])
    return {
        name: pc.is_valid(hashes[f"{name}_hash"]).to_numpy().astype(bool)
        for name in ("text", "image")
    }


def _stored_records(context: RunContext, columns: list[str]) -> pa.Table:
    return context.catalog.tables.read("records", version=_version(context), columns=columns)


def read_column(
    context: RunContext, hashes: pa.Array, *, modality: Modality, column: str
) -> pa.Array:
    """A column of the records by content: row i is that of the first record with hash i.

    Strings come as `large_string`: the distinct texts of a run may exceed 2 GB.
    """
    key = f"{modality}_hash"
    records = _stored_records(context, [key, column])
    place = pc.index_in(hashes, value_set=records[key].combine_chunks())
    values = combine_large(records[column])
    del records  # it would be a third copy beside the joined column and the rows taken from it
    return values.take(place)
