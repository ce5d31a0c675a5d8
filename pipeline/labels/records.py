"""The records behind labels: read from sources, or made of the texts and pictures in the rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Rows, as_array, positions_in
from pipeline.config import Columns, InlineLabels, SourceConfig, TrainConfig
from pipeline.errors import ConfigError
from pipeline.ingestion import (
    Decoder,
    build_records,
    check_columns,
    content_hash,
    drop_duplicate_ids,
    json_text,
    make_rows,
    open_source,
)
from pipeline.labels.files import read_strings
from pipeline.storage import QUARANTINE, RECORDS

INLINE = "inline"
SHARD_ROWS = 16_384
IMAGE_ROWS = 1024  # pictures are decoded a bounded batch at a time


@dataclass(frozen=True)
class InlineRecords:
    """Records of one inline file, and which each side of its rows names (-1: unusable)."""

    records: pa.Table  # schemas.RECORDS, ids ascending
    quarantined: pa.Table  # schemas.QUARANTINE
    left: Rows
    right: Rows


def read_labelled_records(
    config: TrainConfig,
    *,
    published: pa.Table | None,
    decoder: Decoder,
    now: datetime,
    only: Collection[str] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Read the records that labels by id may name, as the nightly run would make them.

    Args:
        published: the catalog's records, taken when the configuration names no sources.
        only: ids or bare keys that are wanted; default: all, also those no label names.

    Returns:
        (schemas.RECORDS by ascending id without deleted ones, schemas.QUARANTINE).

    Raises:
        ConfigError: there are neither sources nor published records.
        SourceError: a source cannot be read.
    """
    if config.sources:
        parts = [
            part
            for source in config.sources
            for part in _from_source(config, source, decoder=decoder, now=now, only=only)
        ]
        records, repeated = drop_duplicate_ids(pa.concat_tables([part[0] for part in parts]))
        quarantined = pa.concat_tables([*(part[1] for part in parts), repeated])
    elif published is not None:
        records = published.filter(pc.invert(pc.fill_null(published["deleted"], False)))
        if only is not None:
            wanted = pa.array(sorted(only), pa.string())
            known = [pc.is_in(ids, value_set=wanted) for ids in _names(records["record_id"])]
            records = records.filter(pc.or_(*known))
        quarantined = QUARANTINE.empty_table()
    else:
        raise ConfigError(
            f"labels by record id need records, and the catalog {config.catalog} has none "
            "published; name them under `sources`, or run `gemel run` on this catalog first"
        )
    return records.take(pc.sort_indices(records["record_id"])), quarantined


def find_rows(wanted: pa.Array, record_ids: pa.Array) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Find the record each id names: 'source:key', or a key that one source alone has.

    Args:
        record_ids: (n,) ascending, unique.

    Returns:
        (p,) rows, -1 where unknown; and (p,) true where several sources have the key.
    """
    ids, keys = (pa.array(names.to_pylist(), pa.string()) for names in _names(record_ids))
    exact = positions_in(wanted, ids)
    if not len(keys):
        return exact, np.zeros(len(exact), bool)
    encoded = keys.dictionary_encode()
    count = np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))
    first = np.unique(encoded.indices.to_numpy(), return_index=True)[1]
    place = positions_in(wanted, encoded.dictionary)
    ambiguous = (exact < 0) & (place >= 0) & (count[place] > 1)
    found = np.where((place >= 0) & (count[place] == 1), first[place], -1)
    return np.where(exact >= 0, exact, found), ambiguous


def inline_records(
    entry: InlineLabels, config: TrainConfig, *, decoder: Decoder, now: datetime
) -> InlineRecords:
    """Make the records of an inline file; rows of one content share the record of its hash.

    Texts are serialised as sources do it; JSON fields in the order of `names`, or else in the
    order in which the file first mentions them.

    Raises:
        ConfigError: the file or its columns cannot be used.
    """
    fields, pictures = _sides(entry)
    columns = [as_array(column) for column in (*fields.columns, *pictures)]
    joined = as_array(pc.binary_join_element_wise(*columns, "\x1f")).dictionary_encode()
    content = joined.indices.to_numpy()
    first = np.unique(content, return_index=True)[1]  # by number, which is first appearance
    rows, where = len(content) // 2, os.path.basename(entry.path)
    distinct = [column.take(pa.array(first)) for column in columns]
    batch = make_rows(
        dict(zip(fields.column_names, distinct, strict=False)),
        named=True,
        images=distinct[-1] if pictures else None,
        image_root=os.path.dirname(os.path.abspath(entry.path)),
        key=pa.array([str(number) for number in range(len(first))]),
        location=pa.array([f"{where}:{row % rows + 1}" for row in first.tolist()], pa.string()),
    )
    records, made_of, quarantined = _build_in_portions(batch, config, decoder=decoder, now=now)
    ids = _content_ids(records)
    words = np.array(ids.to_pylist(), dtype=str)
    _, chosen, number = np.unique(words, return_index=True, return_inverse=True)
    record_of = np.full(len(first), -1, np.int64)
    record_of[made_of] = number
    left, right = np.split(record_of[content], 2)
    named = records.set_column(0, RECORDS.field("record_id"), ids)
    return InlineRecords(named.take(pa.array(chosen)), quarantined, left, right)


def _build_in_portions(
    batch: pa.Table, config: TrainConfig, *, decoder: Decoder, now: datetime
) -> tuple[pa.Table, Rows, pa.Table]:
    """The records of a batch, the row each was made of, and what was refused."""
    records, rows, refused = [], [], []
    for start in range(0, len(batch), IMAGE_ROWS):
        built = build_records(
            batch.slice(start, IMAGE_ROWS),
            source=INLINE,
            images=config.images,
            now=now,
            decoder=decoder,
        )
        records.append(built.records)
        rows.append(built.row + start)
        refused.append(built.rejected)
    return pa.concat_tables(records), np.concatenate(rows), pa.concat_tables(refused)


def _from_source(
    config: TrainConfig,
    source_config: SourceConfig,
    *,
    decoder: Decoder,
    now: datetime,
    only: Collection[str] | None,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    source = open_source(source_config)
    source.check()
    pictures = source_config.type == "image_folder" or (
        source_config.columns.image or source_config.columns.image_bytes
    )
    wanted = None if only is None else pa.array(sorted(only), pa.string())
    yield RECORDS.empty_table(), QUARANTINE.empty_table()
    for batch in source.batches(rows=IMAGE_ROWS if pictures else SHARD_ROWS):
        rows = batch.rows
        if wanted is not None:
            full = pc.binary_join_element_wise(source.name, rows["key"], ":")
            rows = rows.filter(
                pc.or_(pc.is_in(rows["key"], value_set=wanted), pc.is_in(full, value_set=wanted))
            )
        built = build_records(
            rows,
            source=source.name,
            images=config.images,
            now=now,
            decoder=decoder,
            storage_options=source_config.storage_options,
        )
        yield built.records, pa.concat_tables([batch.rejected, built.rejected])


def _names(record_ids: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The full ids, and the keys behind their first colon; no source name has a colon."""
    return record_ids, pc.replace_substring_regex(record_ids, r"(?s)^[^:]*:(.*)$", r"\1")


def _content_ids(records: pa.Table) -> pa.Array:
    """'inline:' and the hash of the text, of the picture, or of both hashes together."""
    hashes = [
        (words or "") + (picture or "") if not (words and picture) else None
        for words, picture in zip(
            records["text_hash"].to_pylist(), records["image_hash"].to_pylist(), strict=True
        )
    ]
    both = content_hash(
        pc.binary_join_element_wise(
            records["text_hash"].combine_chunks(), records["image_hash"].combine_chunks(), ""
        )
    )
    ids = pc.coalesce(pa.array(hashes, pa.string()), both)
    return pc.binary_join_element_wise(INLINE, ids, ":")


def _sides(entry: InlineLabels) -> tuple[pa.Table, list[pa.ChunkedArray]]:
    """The fields of all left sides, then of all right ones, as strings, and their pictures."""
    if entry.left_json and entry.right_json:
        table = read_strings(entry.path, [entry.left_json, entry.right_json])
        objects = [
            _objects(entry.path, name, table[name]) for name in (entry.left_json, entry.right_json)
        ]
        present = list(dict.fromkeys(name for row in (*objects[0], *objects[1]) for name in row))
        if not present:
            raise ConfigError(f"labels: {entry.path} has no fields in {entry.left_json}")
        check_columns(
            Columns(id=present[0], text=entry.names or tuple(present)),
            present,
            where=f"labels: {entry.path} names",
        )
        names = entry.names or tuple(present)
        columns = [
            {
                name: pa.array([json_text(row.get(name)) or "" for row in side], pa.string())
                for name in names
            }
            for side in objects
        ]
    else:
        names = entry.names or entry.left_text
        if len(names) != len(entry.left_text):
            raise ConfigError(
                f"labels: {entry.path}: {len(names)} names for {len(entry.left_text)} text "
                "columns; give as many"
            )
        columns = [
            dict(zip(names, read_strings(entry.path, side).select(side).columns, strict=True))
            if side
            else {}
            for side in (entry.left_text, entry.right_text)
        ]
    fields = pa.concat_tables([pa.table(side) for side in columns])
    if not entry.left_image or not entry.right_image:
        return fields, []
    paths = read_strings(entry.path, [entry.left_image, entry.right_image])
    both = [as_array(paths[name]) for name in (entry.left_image, entry.right_image)]
    return fields, [pa.chunked_array(both)]


def _objects(path: str, name: str, column: pa.ChunkedArray) -> list[dict[str, object]]:
    found = []
    for row, value in enumerate(column.to_pylist(), start=1):
        try:
            item = orjson.loads(value or "{}")
        except orjson.JSONDecodeError as error:
            raise ConfigError(
                f"labels: {path} row {row} column {name!r} is no JSON: {error} ({value!r:.80})"
            ) from error
        if not isinstance(item, dict):
            raise ConfigError(f"labels: {path} row {row} column {name!r} is no JSON object")
        found.append(item)
    return found
