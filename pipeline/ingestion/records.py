"""Rows to records: normalise, decode, hash, count; drop repeated ids; find exact copies.

Pure but for the decoder it is given, which reads the pictures that rows name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.arrays import as_array, with_64bit_offsets
from pipeline.config import ImageSettings
from pipeline.ingestion.decoding import DecodedPicture
from pipeline.ingestion.picture_cache import PictureDecoder
from pipeline.storage import QUARANTINE, RECORDS, conform

IMAGE_BYTES = pa.schema([("image_hash", pa.string()), ("image_bytes", pa.binary())])
RAW_LIMIT = 2000  # characters of a refused row kept for the eye

# Controls but white space; zero-width and direction marks too, but not the joiners (U+200C/D),
# which change words of some scripts and emoji.
_CONTROLS = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\x{ad}\x{200b}\x{200e}\x{200f}"
    r"\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]"
)
# All white space but a single plain space, which is most of it and needs no replacing.
_SPACES = r"[\s\x0b\x{85}\p{Z}]{2,}|[\t\n\x0b\f\r\x{85}\p{Zl}\p{Zp}\x{1680}]"
# Scripts written without spaces count one word a character.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]|[^ {_UNSPACED}]+"


@dataclass(frozen=True)
class RecordBatchResult:
    """What became of a batch of rows: each is a record or in quarantine."""

    records: pa.Table  # schemas.RECORDS
    rejected: pa.Table  # schemas.QUARANTINE
    image_bytes: pa.Table  # IMAGE_BYTES: pictures out of a bytes column, one per hash
    row: NDArray[np.int64]  # of the batch, that each record was made of; ascending


def normalise_text(column: pa.Array) -> pa.Array:
    """Drop control characters, apply Unicode NFKC, make white space single; empty becomes null."""
    text = pc.replace_substring_regex(column, _CONTROLS, "")
    text = pc.utf8_normalize(text, form="NFKC")
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, _SPACES, " "))
    return pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, pa.string()), text)


def content_hash(column: pa.Array) -> pa.Array:
    """Hash strings (UTF-8, blake2b) to 32 hex digits each; null stays null."""
    data = column.cast(pa.binary()).to_pylist()
    return pa.array(
        [None if item is None else blake2b(item, digest_size=16).hexdigest() for item in data],
        pa.string(),
    )


def count_words(column: pa.Array) -> pa.Array:
    """Count the words (int32) of normalised texts; null stays null."""
    words = pc.add(pc.count_substring(column, " "), 1).cast(pa.int32())
    unspaced = pc.fill_null(pc.match_substring_regex(column, f"[{_UNSPACED}]"), False)
    if not pc.any(unspaced).as_py():
        return words
    exact = pc.count_substring_regex(column.filter(unspaced), _WORD).cast(pa.int32())
    return pc.replace_with_mask(words, unspaced, exact)


def build_records(
    batch: pa.Table,
    *,
    source: str,
    images: ImageSettings,
    now: datetime,
    decoder: PictureDecoder,
    storage_options: Mapping[str, Any] | None = None,
) -> RecordBatchResult:
    """Turn rows (schemas.ROWS) into records; rows in = records + rejected.

    A row is refused whole when it has no id, neither text nor picture, or a picture that cannot
    be used, even beside a text: no record is judged on half of what it holds. `storage_options`
    are for picture URLs of the source's own storage.

    Raises:
        PipelineError: the decoder processes died.
    """
    text = normalise_text(as_array(batch["text"]))
    pictures = _pictures(batch, decoder, settings=images, storage_options=storage_options)
    reasons = [
        _reason(key, has_text=has_text, picture=picture)
        for key, has_text, picture in zip(
            batch["key"].to_pylist(), text.is_valid().to_pylist(), pictures, strict=True
        )
    ]
    keep = pa.array([reason is None for reason in reasons], pa.bool_())
    good = batch.filter(keep)
    kept = [item for item, reason in zip(pictures, reasons, strict=True) if reason is None]
    records = _records(good, text=text.filter(keep), pictures=kept, source=source, now=now)
    return RecordBatchResult(
        records=records,
        rejected=_reject(batch, reasons=reasons, source=source),
        image_bytes=_encode(good["image_bytes"], records["image_hash"]),
        row=np.flatnonzero(keep),
    )


def drop_duplicate_ids(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Keep one record per id, whatever the input's order, and refuse the others.

    The newest timestamp stays (none is oldest), then the smallest text hash, image hash (none
    last) and location. The records keep their order; their columns are filtered chunk by chunk,
    because gathering rows fails in Arrow once a column exceeds 2 GB.

    Returns:
        (records with unique ids, quarantine rows naming the location that was kept).
    """
    ranking = [("timestamp", "descending"), ("text_hash", "ascending"), ("image_hash", "ascending")]
    keys = [("record_id", "ascending"), *ranking, ("location", "ascending")]
    # Hashes and locations of many records pass 2 GB too, and are gathered whole here.
    columns = with_64bit_offsets(records.select(["source", *(name for name, _ in keys)]))
    order = pc.sort_indices(columns, sort_keys=keys)
    ids = as_array(columns["record_id"].take(order))
    first = np.ones(len(ids), dtype=bool)
    first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    if first.all():
        return records, QUARANTINE.empty_table()
    rows = order.to_numpy()
    keep = np.zeros(len(rows), dtype=bool)
    keep[rows[first]] = True
    winner = rows[first][np.cumsum(first) - 1]  # of each sorted row's id
    others = columns.take(rows[~first])
    locations = columns["location"].take(winner[~first]).cast(pa.string())
    refused = pa.table(
        {
            "source": others["source"],
            "location": others["location"],
            "reason": pc.binary_join_element_wise("duplicate id: kept ", locations, ""),
            "raw": others["record_id"],
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
    if isinstance(picture, str):
        return picture
    return None if has_text or picture is not None else "neither text nor picture"


def _records(
    rows: pa.Table,
    *,
    text: pa.Array,
    pictures: Sequence[DecodedPicture | str | None],
    source: str,
    now: datetime,
) -> pa.Table:
    def of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(picture, name, None) for picture in pictures], kind)

    same = {"source": source, "first_seen": now, "last_seen": now, "deleted": False}
    taken = ("location", "image_uri", "fields", "attributes", "timestamp")
    columns = {
        "record_id": pc.binary_join_element_wise(source, rows["key"], ":"),
        "text": text,
        "text_hash": content_hash(text),
        "word_count": _own_words(text, as_array(rows["fields"])),
        "image_hash": of("hash", pa.string()),
        "image_width": of("width", pa.int32()),
        "image_height": of("height", pa.int32()),
        "image_detail": of("detail", pa.float32()),
        "image_effective_side": of("true_side", pa.float32()),
        "thumbnail": of("thumbnail", pa.binary()),
        **{name: rows[name] for name in taken},
        **{
            name: pa.repeat(pa.scalar(value, RECORDS.field(name).type), rows.num_rows)
            for name, value in same.items()
        },
    }
    return conform(pa.table(columns), RECORDS)


def _own_words(text: pa.Array, fields: pa.MapArray) -> pa.Array:
    """Count the words (int32) of each text, the names of its columns left out; null stays null."""
    offsets = np.asarray(fields.offsets)
    if not len(text) or np.diff(offsets).max(initial=0) < 2:
        return count_words(text)
    first, last = int(offsets[0]), int(offsets[-1])
    values = normalise_text(fields.items.slice(first, last - first))
    words = np.asarray(pc.fill_null(count_words(values), 0), np.int64)
    total = np.concatenate([[0], np.cumsum(words)])
    own = total[offsets[1:] - first] - total[offsets[:-1] - first]
    return pc.if_else(text.is_valid(), pa.array(own.astype(np.int32)), pa.scalar(None, pa.int32()))


def _reject(batch: pa.Table, *, reasons: Sequence[str | None], source: str) -> pa.Table:
    bad = [i for i, reason in enumerate(reasons) if reason is not None]
    shown = batch.select(["key", "text", "image_uri"]).take(pa.array(bad, pa.int64())).to_pylist()
    raw = [{name: value for name, value in row.items() if value is not None} for row in shown]
    columns = {
        "source": [source] * len(bad),
        "location": batch["location"].take(pa.array(bad, pa.int64())),
        "reason": [reasons[i] for i in bad],
        "raw": [json.dumps(row, ensure_ascii=False)[:RAW_LIMIT] for row in raw],
    }
    return pa.table(columns, schema=QUARANTINE)


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
