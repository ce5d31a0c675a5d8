"""Embeddings of one encoder: append-only Parquet parts keyed by content hash.

Parts are plain Parquet because Delta turns fixed-size lists into lists. A part becomes visible
whole or not at all. Vectors are derived: a damaged part is moved aside, and what it held is
embedded again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.encoders import WRITE_OPTIONS
from pipeline.errors import DamagedVectorsError
from pipeline.storage import DamageError, Place, check_footer, vector_schema, write_parts

BATCH = 16_384
_READ_ERRORS = (DamageError, pa.ArrowException, OSError)


class VectorStore:
    """The parts of one encoder's vectors.

    Attributes:
        moved_aside: damaged parts that were moved to `damaged/`, with what was wrong with them.
    """

    def __init__(self, folder: Place, *, moved_aside: list[str] | None = None) -> None:
        self.folder = folder
        self.moved_aside = [] if moved_aside is None else moved_aside

    def hashes(self) -> pa.Array:
        """Content hashes that have a vector, (n,) strings, in no particular order.

        A part that is missing its end, or whose hashes were altered, is moved aside: its contents
        have no vector then.
        """
        chunks: list[pa.Array] = []
        for part in self._parts():
            try:
                check_footer(part)
                chunks += self._open(part).read(columns=["content_hash"])[0].chunks
            except _READ_ERRORS as error:
                self._move_aside(part, error)
        if not chunks:
            return pa.array([], pa.string())
        return pa.chunked_array(chunks).combine_chunks()

    def parts(self) -> Iterator[pa.RecordBatch]:
        """Every stored row, in batches of bounded size.

        Raises:
            DamagedVectorsError: a part was altered and is now moved aside; ask for the `hashes`
                that are left and embed the others again.
        """
        for part in self._parts():
            try:
                check_footer(part)
                yield from self._open(part).iter_batches(batch_size=BATCH)
            except _READ_ERRORS as error:
                raise DamagedVectorsError(self._move_aside(part, error)) from error

    def append(self, table: pa.Table) -> int:
        """Add one part; return its size in bytes.

        Args:
            table: schema `vector_schema(d)`, hashes not yet stored.
        """
        dimension = table.schema.field("vector").type.list_size
        # The name is the content's: the same part written twice is one part.
        first, last = table["content_hash"][0].as_py(), table["content_hash"][-1].as_py()
        schema = vector_schema(dimension)
        written = write_parts(
            self.folder,
            f"part-{first}-{last}-{len(table)}",
            table.cast(schema).to_batches(),
            schema,
            **WRITE_OPTIONS,
        )
        return sum(part.bytes for part in written)

    def keep(self, needed: pa.Array, *, slack: float = 0.0) -> int:
        """Drop the vectors of other hashes than `needed`; return how many went.

        A part is written anew, then the old one is deleted: a kill in between leaves both, which
        say the same, and the next call ends it.

        Args:
            slack: parts of which no greater share is to go stay as they are.
        """
        gone = 0
        for part in self._parts():
            table = self._open(part).read()
            kept = table.filter(pc.is_in(table["content_hash"], value_set=needed))
            stale = len(table) - len(kept)
            if stale <= slack * len(table):
                continue
            if len(kept):
                self.append(kept)
            part.remove()
            gone += stale
        return gone

    def files(self) -> list[Place]:
        """The files of the parts, for a check that moves nothing."""
        return self._parts()

    def _parts(self) -> list[Place]:
        names = (name for name in self.folder.names() if name.startswith("part-"))
        return [self.folder / name for name in names if name.endswith(".parquet")]

    def _open(self, part: Place) -> pq.ParquetFile:
        return pq.ParquetFile(part.key, filesystem=part.arrow, page_checksum_verification=True)

    def _move_aside(self, part: Place, error: BaseException) -> str:
        aside = self.folder / "damaged" / part.name
        part.move(aside)
        said = (
            f"the vector part {part} was damaged ({' '.join(str(error).split())[:200]}) and is now "
            f"{aside}; what it held is embedded again"
        )
        self.moved_aside.append(said)
        return said
