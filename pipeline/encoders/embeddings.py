"""The cache of vectors: what it lacks, how a part of it looks, and reading it back in bulk.

A vector is keyed by encoder fingerprint and content hash, so equal content is embedded once and
never again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.arrays import positions_in_sorted
from pipeline.encoders.base import Encoded
from pipeline.errors import PipelineError
from pipeline.storage import vector_schema

# For `pyarrow.parquet.write_table`: hashes and unit floats repeat nothing worth a dictionary;
# byte-stream-split puts the similar exponent bytes of floats side by side for the compressor.
WRITE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,  # 3 takes twice as long and saves nothing
    "use_dictionary": False,
    "use_byte_stream_split": ["vector.list.element"],
    "write_statistics": ["content_hash"],
}


def missing_hashes(hashes: NDArray[Any] | pa.Array, known: pa.Array) -> NDArray[np.int64]:
    """Return the positions to embed: one per distinct hash that is not in `known`.

    hashes: strings, nulls are skipped. The first position of a hash stands for it; the result is
    in the order of the hashes themselves, whatever order they came in.
    """
    column = pa.array(hashes, type=pa.string(), from_pandas=True)
    wanted = pa.table({"hash": column, "position": np.arange(len(column), dtype=np.int64)})
    lacking = pc.and_(
        pc.is_valid(wanted["hash"]),
        pc.invert(pc.is_in(wanted["hash"], value_set=known.cast(pa.string()))),
    )
    first = wanted.filter(lacking).group_by("hash").aggregate([("position", "min")])
    return np.asarray(first.sort_by("hash")["position_min"], dtype=np.int64)


def to_table(hashes: pa.Array, encoded: Encoded) -> pa.Table:
    """Return `encoded` under the hashes of its items, in the order of the items.

    hashes: (items,), the hash of every item that was given to the encoder, by position.
    """
    order = np.argsort(encoded.positions, kind="stable")
    vectors = np.ascontiguousarray(encoded.vectors[order], dtype=np.float32)
    dimension = vectors.shape[1]
    columns = [
        hashes.take(pa.array(encoded.positions[order])),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimension),
        pa.array(encoded.chunks[order], type=pa.int32()),
    ]
    return pa.Table.from_arrays(columns, schema=vector_schema(dimension))


def gather_vectors(
    parts: Iterable[pa.Table | pa.RecordBatch], hashes: pa.Array, out: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Fill `out` with the vectors of `hashes` and tell which were found.

    parts: read one after the other, none is kept. hashes: sorted, distinct strings (n,). out:
    float32 (n, dimension), may be a memory map; rows not found are left as they are.

    Raises:
        PipelineError: the dimension of a part differs from that of `out`.
    """
    if len(hashes) != len(out):
        raise PipelineError(f"{len(hashes)} hashes but room for {len(out)} vectors")
    sought = np.asarray(hashes).astype("S")
    found = np.zeros(len(sought), dtype=np.bool_)
    for part in parts:
        for batch in part.to_batches() if isinstance(part, pa.Table) else (part,):
            rows, places = _matches(np.asarray(batch["content_hash"]).astype("S"), sought=sought)
            out[places] = _vectors(batch["vector"], dimension=out.shape[1])[rows]
            found[places] = True
    return found


def _matches(
    keys: NDArray[np.bytes_], *, sought: NDArray[np.bytes_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of `keys` and their places in the sorted `sought`, for those that are there."""
    places = positions_in_sorted(keys, sought)
    rows = np.flatnonzero(places >= 0)
    # Ascending places make the writes into a memory map sequential.
    rows = rows[np.argsort(places[rows], kind="stable")]
    return rows, places[rows]


def _vectors(column: Any, *, dimension: int) -> NDArray[np.float32]:
    """View a fixed-size list column as (rows, dimension)."""
    if column.type.list_size != dimension:
        raise PipelineError(
            f"a stored part has vectors of {column.type.list_size} dimensions, expected "
            f"{dimension}; it belongs to another encoder"
        )
    return np.asarray(column.flatten(), dtype=np.float32).reshape(-1, dimension)
