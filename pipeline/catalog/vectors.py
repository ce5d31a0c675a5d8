"""Embeddings of one encoder: append-only Parquet parts keyed by content hash.

Parts are plain Parquet because Delta turns fixed-size lists into lists. A part is written under a
temporary name and renamed, so a killed run leaves whole parts or none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.embeddings import WRITE_OPTIONS
from pipeline.errors import CatalogError
from pipeline.schemas import vector_schema


class VectorStore:
    """The parts of one encoder's vectors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hashes(self) -> pa.Array:
        """Content hashes that have a vector, (n,) strings, in no particular order."""
        chunks = [pq.read_table(part, columns=["content_hash"])[0] for part in self._parts()]
        if not chunks:
            return pa.array([], pa.string())
        return pa.chunked_array([c for column in chunks for c in column.chunks]).combine_chunks()

    def parts(self) -> Iterator[pa.RecordBatch]:
        """Every stored row, in batches of bounded size.

        Raises:
            CatalogError: a part cannot be read; vectors are derived, so deleting it is safe.
        """
        for part in self._parts():
            try:
                yield from pq.ParquetFile(part).iter_batches(batch_size=16_384)
            except (pa.ArrowInvalid, OSError) as error:
                raise CatalogError(
                    f"the vector part {part} is damaged ({error}); delete it: its contents will "
                    "be embedded again"
                ) from error

    def append(self, table: pa.Table) -> int:
        """Add one part; return its size in bytes.

        Args:
            table: schema `vector_schema(d)`, hashes not yet stored.
        """
        dimension = table.schema.field("vector").type.list_size
        self.folder.mkdir(parents=True, exist_ok=True)
        # The name is the content's: the same part written twice is one part.
        first, last = table["content_hash"][0].as_py(), table["content_hash"][-1].as_py()
        path = self.folder / f"part-{first}-{last}-{len(table)}.parquet"
        partial = path.with_suffix(".partial")
        pq.write_table(table.cast(vector_schema(dimension)), partial, **WRITE_OPTIONS)
        os.replace(partial, path)
        return path.stat().st_size

    def keep(self, needed: pa.Array, *, slack: float = 0.0) -> int:
        """Drop the vectors of other hashes than `needed`; return how many went.

        A part is written anew, then the old one is deleted: a kill in between leaves both, which
        say the same, and the next call ends it.

        Args:
            slack: parts of which no greater share is to go stay as they are.
        """
        gone = 0
        for part in self._parts():
            table = pq.read_table(part)
            kept = table.filter(pc.is_in(table["content_hash"], value_set=needed))
            stale = len(table) - len(kept)
            if stale <= slack * len(table):
                continue
            if len(kept):
                self.append(kept)
            part.unlink()
            gone += stale
        return gone

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))
