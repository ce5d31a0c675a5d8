"""Cache of pictures that the previous run decoded, found by their stamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.arrays import positions_in_sorted, take_rows
from pipeline.config import ImageSettings
from pipeline.ingestion.decoding import UNREADABLE, DecodedPicture
from pipeline.ingestion.file_stamps import FileStamp
from pipeline.storage import PICTURES, RECORDS

# Columns of the records that are what a picture came to, in the order of `Picture`.
DETAILS = (
    "image_hash", "image_width", "image_height", "image_detail", "image_effective_side",
    "thumbnail", "image_frames", "image_bits", "image_alpha", "image_quality", "image_raw",
    "image_beyond",
)  # fmt: skip
DETAILS_SCHEMA = pa.schema([RECORDS.field(name) for name in DETAILS])
# The entries of a shard: also whether the picture was decoded for it.
ENTRIES = PICTURES.append(pa.field("decoded", pa.bool_(), nullable=False))

CachedPicture = DecodedPicture | str | None


class PictureDecoder(Protocol):
    """What turns n pictures into what records keep of them, or the reason why not."""

    def decode(
        self,
        uris: Sequence[str | None],
        data: Sequence[bytes | None],
        *,
        settings: ImageSettings,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Sequence[DecodedPicture | str]:
        """See `Decoder.decode`."""


class PictureCache:
    """What pictures came to on another night.

    Args:
        pictures: schema PICTURES.
        details: batches of DETAILS, of every hash in `pictures`; may be mapped from a file.
    """

    def __init__(self, pictures: pa.Table, details: Sequence[pa.RecordBatch]) -> None:
        pictures = pictures.sort_by("key")
        self._keys = _bytes(pictures["key"])
        self._pictures = pictures
        self._details = list(details)
        self._ends = np.cumsum([batch.num_rows for batch in details], dtype=np.int64)
        hashes = [_bytes(batch["image_hash"]) for batch in details]
        rows = np.concatenate(hashes) if hashes else np.zeros(0, "S32")
        self._hashes, self._rows = np.unique(rows, return_index=True)

    def find(self, stamps: Sequence[FileStamp]) -> list[CachedPicture]:
        """What each picture came to; None: it has to be decoded."""
        found: list[CachedPicture] = [None] * len(stamps)
        at, places = _places(self._keys, [stamp.key for stamp in stamps])
        entries = self._pictures.select(["image_hash", "reason"]).take(pa.array(places))
        wanted: list[tuple[int, str]] = []
        for place, row in zip(at.tolist(), entries.to_pylist(), strict=True):
            if not stamps[place].firm:
                continue
            if row["image_hash"] is None:
                found[place] = row["reason"]
            else:
                wanted.append((place, row["image_hash"]))
        held, rows = _places(self._hashes, [digest for _, digest in wanted])
        pictures = self._read(self._rows[rows])
        for number, picture in zip(held.tolist(), pictures, strict=True):
            found[wanted[number][0]] = picture
        return found

    def _read(self, rows: NDArray[np.int64]) -> list[DecodedPicture]:
        if not len(rows):
            return []
        batch = take_rows(self._details, self._ends, rows)
        return [DecodedPicture(*row.values()) for row in batch.select(list(DETAILS)).to_pylist()]


class CachedDecoder:
    """Decodes the pictures of one batch of rows that are not known, and keeps what all came to.

    Args:
        stamps: of the pictures, in the order in which they will be asked for.
    """

    def __init__(
        self, decoder: PictureDecoder, known: PictureCache | None, stamps: Sequence[FileStamp]
    ) -> None:
        self._decoder, self._known, self._stamps = decoder, known, stamps
        self.entries = ENTRIES.empty_table()

    def decode(
        self,
        uris: Sequence[str | None],
        data: Sequence[bytes | None],
        *,
        settings: ImageSettings,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Sequence[DecodedPicture | str]:
        """See `Decoder.decode`; `entries` then has a row (ENTRIES) for every picture."""
        known = self._known.find(self._stamps) if self._known else [None] * len(uris)
        new = [i for i, picture in enumerate(known) if picture is None]
        decoded = self._decoder.decode(
            [uris[i] for i in new],
            [data[i] for i in new],
            settings=settings,
            storage_options=storage_options,
        )
        again = dict(zip(new, decoded, strict=True))
        found = [again[i] if picture is None else picture for i, picture in enumerate(known)]
        self.entries = _entries(self._stamps, found, decoded=set(new))
        return found


def keep_pictures(entries: pa.Table) -> pa.Table:
    """The entries worth keeping for another night, schema PICTURES, one per key, in their order."""
    lasting = entries.filter(pc.not_equal(entries["key"], "")).select(PICTURES.names)
    groups = lasting.group_by("key", use_threads=False)
    first = groups.aggregate([("image_hash", "first"), ("reason", "first")])
    return first.rename_columns(PICTURES.names).sort_by("key").cast(PICTURES)


def _entries(
    stamps: Sequence[FileStamp], found: Sequence[DecodedPicture | str], decoded: set[int]
) -> pa.Table:
    """One row per picture; what will not be recognised again, or may be mended, has no key."""
    rows = [
        {
            "key": stamp.key if stamp.firm and not _passing_entries(picture) else "",
            "image_hash": picture.hash if isinstance(picture, DecodedPicture) else None,
            "reason": picture if isinstance(picture, str) else None,
            "decoded": number in decoded,
        }
        for number, (stamp, picture) in enumerate(zip(stamps, found, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=ENTRIES)


def _passing_entries(picture: DecodedPicture | str) -> bool:
    """Whether a refusal is not the file's own: rights, mounts and memory leave no trace in it."""
    return isinstance(picture, str) and (
        picture.startswith(UNREADABLE) or picture.endswith(MemoryError.__name__)
    )


def _bytes(column: pa.ChunkedArray | pa.Array) -> NDArray[np.bytes_]:
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype("S32")


def _places(
    known: NDArray[np.bytes_], sought: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of `sought` are in the sorted `known`, and where."""
    found = positions_in_sorted(np.array(sought, "S32"), known)
    there = np.flatnonzero(found >= 0)
    return there, found[there]
