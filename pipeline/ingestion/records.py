"""Rows to records: texts made, pictures decoded; drop repeated ids; find exact copies.

Pure but for the decoder it is given, which reads the pictures that rows name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.arrays import as_array, with_64bit_offsets
from pipeline.config import ImageSettings
from pipeline.ingestion.decoding import DecodedPicture
from pipeline.ingestion.picture_cache import PictureDecoder
from pipeline.ingestion.sources.tabular import RAW_LIMIT, REREAD
from pipeline.ingestion.texts import RecordTexts, record_texts
from pipeline.storage import QUARANTINE, RECORDS, conform

IMAGE_BYTES = pa.schema([("image_hash", pa.string()), ("image_bytes", pa.binary())])


@dataclass(frozen=True)
class RecordBatchResult:
    """What became of a batch of rows: each is a record or in quarantine."""

    records: pa.Table  # schemas.RECORDS
    rejected: pa.Table  # schemas.QUARANTINE
    image_bytes: pa.Table  # IMAGE_BYTES: pictures out of a bytes column, one per hash
    row: NDArray[np.int64]  # of the batch, that each record was made of; ascending


def build_records(
    batch: pa.Table,
    *,
    source: str,
    images: ImageSettings,
    now: datetime,
    decoder: PictureDecoder,
    storage_options: Mapping[str, Any] | None = None,
    files: Sequence[str | None] | None = None,
) -> RecordBatchResult:
    """Turn rows (schemas.ROWS) into records; rows in = records + rejected.

    A row is refused when it has no id, or neither a text nor a picture that can be used. Where a
    text is beside a picture that cannot, the record keeps the text, and `problem` says why it has
    no picture. `storage_options` are for picture URLs of the source's own storage. `files`: which
    object each picture is, of the rows that name one (`FileStamp.file`); None: not known.

    Raises:
        PipelineError: the decoder processes died.
    """
    texts = record_texts(batch)
    pictures = _pictures(batch, decoder, settings=images, storage_options=storage_options)
    reasons = [
        _reason(key, has_text=has_text, picture=picture)
        for key, has_text, picture in zip(
            batch["key"].to_pylist(), texts.text.is_valid().to_pylist(), pictures, strict=True
        )
    ]
    keep = pa.array([reason is None for reason in reasons], pa.bool_())
    good = batch.filter(keep)
    kept = [item for item, reason in zip(pictures, reasons, strict=True) if reason is None]
    mine = RecordTexts(*(part.filter(keep) for part in (texts.text, texts.hash, texts.words)))
    records = _records(
        good, texts=mine, pictures=kept, files=_of_rows(batch, files).filter(keep), source=source,
        now=now,
    )  # fmt: skip
    return RecordBatchResult(
        records=records,
        rejected=_reject(batch, reasons=reasons, source=source),
        image_bytes=_encode(good["image_bytes"], records["image_hash"]),
        row=np.flatnonzero(keep),
    )


def drop_duplicate_ids(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Keep one record per id, whatever the input's order, and refuse the others.

    One out of a broken row never stays beside another. Else the newest timestamp does (none is
    oldest), then the smallest text hash, image hash (none last) and location. The records keep
    their order; their columns are filtered chunk by chunk, because gathering rows fails in Arrow
    once a column exceeds 2 GB.

    Returns:
        (records with unique ids, quarantine rows naming the location that was kept).
    """
    ranking = [("timestamp", "descending"), ("text_hash", "ascending"), ("image_hash", "ascending")]
    keys = [
        ("record_id", "ascending"),
        ("reread", "ascending"),
        *ranking,
        ("location", "ascending"),
    ]
    # Hashes and locations of many records pass 2 GB too, and are gathered whole here.
    reread = pc.ends_with(records["location"], REREAD)
    columns = with_64bit_offsets(
        records.append_column("reread", reread).select(["source", *(name for name, _ in keys)])
    )
    order = pc.sort_indices(columns, sort_keys=keys)
    ids = as_array(columns["record_id"].take(order))
    best = np.ones(len(ids), dtype=bool)
    best[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    if best.all():
        return records, QUARANTINE.empty_table()
    rows = order.to_numpy()
    keep = np.zeros(len(rows), dtype=bool)
    keep[rows[best]] = True
    winner = np.empty(len(rows), np.int64)
    winner[rows] = rows[best][np.cumsum(best) - 1]
    lost = np.flatnonzero(~keep)
    others, locations = columns.take(lost), columns["location"].take(winner[lost]).cast(pa.string())
    refused = pa.table(
        {
            "source": others["source"],
            "location": others["location"],
            "reason": pc.binary_join_element_wise("duplicate id: kept ", locations, ""),
            "raw": pa.array(_shown(records.filter(pa.array(~keep)), key="record_id")),
        }
    )
    return records.filter(pa.array(keep)), conform(refused, QUARANTINE)


def exact_groups(records: pa.Table) -> NDArray[np.int64]:
    """Return for every record the row of its leader among those of equal content.

    Equal means the same text hash and the same image hash, absent ones included. The leader is the
    member of the smallest record id; a record of its own is its own leader.
    """
    content = [_codes(records[name]) for name in ("text_hash", "image_hash")]
    group = content[0] * (len(records) + 1) + content[1]
    order = pc.sort_indices(records["record_id"]).to_numpy()
    _, first, inverse = np.unique(group[order], return_index=True, return_inverse=True)
    leaders = np.empty(len(order), dtype=np.int64)
    leaders[order] = order[first[inverse]]
    return leaders


def _pictures(
    batch: pa.Table,
    decoder: PictureDecoder,
    *,
    settings: ImageSettings,
    storage_options: Mapping[str, Any] | None,
) -> list[DecodedPicture | str | None]:
    """Decode the pictures of a batch; None where a row names none."""
    uris, data = batch["image_uri"].to_pylist(), batch["image_bytes"].to_pylist()
    named = [i for i in range(len(uris)) if uris[i] is not None or data[i] is not None]
    pictures: list[DecodedPicture | str | None] = [None] * len(uris)
    found = decoder.decode(
        [uris[i] for i in named],
        [data[i] for i in named],
        settings=settings,
        storage_options=storage_options,
    )
    for i, picture in zip(named, found, strict=True):
        pictures[i] = picture
    return pictures


def _reason(key: str | None, *, has_text: bool, picture: DecodedPicture | str | None) -> str | None:
    if not key:
        return "missing id"
    if has_text or isinstance(picture, DecodedPicture):
        return None
    return picture or "neither text nor picture"


def _of_rows(batch: pa.Table, files: Sequence[str | None] | None) -> pa.Array:
    """The picture file of each row, null without."""
    out: list[str | None] = [None] * len(batch)
    if files is not None:
        named = pc.or_(pc.is_valid(batch["image_uri"]), pc.is_valid(batch["image_bytes"]))
        for row, file in zip(np.flatnonzero(named.to_numpy()), files, strict=True):
            out[row] = file
    return pa.array(out, pa.string())


def _records(
    rows: pa.Table,
    *,
    texts: RecordTexts,
    files: pa.Array,
    pictures: Sequence[DecodedPicture | str | None],
    source: str,
    now: datetime,
) -> pa.Table:
    def of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(picture, name, None) for picture in pictures], kind)

    same = {"source": source, "first_seen": now, "last_seen": now, "deleted": False}
    taken = ("location", "image_uri", "fields", "attributes", "timestamp", "origin")
    columns = {
        "record_id": pc.binary_join_element_wise(source, rows["key"], ":"),
        "text": texts.text,
        "text_hash": texts.hash,
        "word_count": texts.words,
        "image_hash": of("hash", pa.string()),
        "image_width": of("width", pa.int32()),
        "image_height": of("height", pa.int32()),
        "image_detail": of("detail", pa.float32()),
        "image_effective_side": of("true_side", pa.float32()),
        "thumbnail": of("thumbnail", pa.binary()),
        "image_file": files,
        "image_frames": of("frames", pa.int32()),
        "image_bits": of("bits", pa.int16()),
        "image_alpha": of("alpha", pa.bool_()),
        "image_quality": of("quality", pa.int16()),
        "image_raw": of("raw", pa.bool_()),
        "image_beyond": of("beyond", pa.string()),
        "problem": pa.array([p if isinstance(p, str) else None for p in pictures], pa.string()),
        **{name: rows[name] for name in taken},
        **{
            name: pa.repeat(pa.scalar(value, RECORDS.field(name).type), rows.num_rows)
            for name, value in same.items()
        },
    }
    return conform(pa.table(columns), RECORDS)


def _reject(batch: pa.Table, *, reasons: Sequence[str | None], source: str) -> pa.Table:
    bad = pa.array([i for i, reason in enumerate(reasons) if reason is not None], pa.int64())
    columns = {
        "source": pa.repeat(source, len(bad)),
        "location": batch["location"].take(bad),
        "reason": [reason for reason in reasons if reason is not None],
        "raw": _shown(batch.take(bad), key="key"),
    }
    return pa.table(columns, schema=QUARANTINE)


def _shown(rows: pa.Table, *, key: str) -> list[str]:
    """Rows as JSON, with all that was read of each: id, text columns, picture, attributes, time."""
    names = ("fields", "attributes")
    out = []
    for row in rows.select([key, "text", "image_uri", "timestamp", *names]).to_pylist():
        fields, attributes = (dict(row.pop(name) or ()) for name in names)
        if fields:
            row.pop("text")
        row = {"id": row.pop(key), **fields, **row, **attributes}
        kept = {name: value for name, value in row.items() if value is not None}
        out.append(json.dumps(kept, ensure_ascii=False, default=str)[:RAW_LIMIT])
    return out


def _encode(data: pa.ChunkedArray, hashes: pa.ChunkedArray) -> pa.Table:
    """Keep the encoded bytes of each distinct picture once, the first row's."""
    hashes = as_array(hashes)
    held = pc.and_(data.is_valid(), hashes.is_valid()).to_numpy()
    rows = np.flatnonzero(held)
    _, first = np.unique(_codes(pa.chunked_array([hashes]))[rows], return_index=True)
    keep = np.zeros(len(held), dtype=bool)
    keep[rows[first]] = True
    table = pa.table({"image_hash": hashes, "image_bytes": data}, schema=IMAGE_BYTES)
    return table.filter(pa.array(keep))


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number the distinct values from 1; null is 0."""
    encoded = as_array(column).dictionary_encode()
    codes: NDArray[np.int64] = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64) + 1
    return codes
