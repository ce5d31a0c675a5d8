"""The vector cache: what is missing, parts and back, against plain Python."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from pipeline.encoders.base import Encoded
from pipeline.encoders.embeddings import WRITE_OPTIONS, gather_vectors, missing_hashes, to_table
from pipeline.errors import PipelineError
from pipeline.storage.schemas import vector_schema


def digest(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def part(numbers: list[int], dimension: int = 3) -> pa.Table:
    vectors = np.array([[number + 1] * dimension for number in numbers], np.float32)
    positions = np.arange(len(numbers))[::-1]
    encoded = Encoded(positions, vectors[::-1], np.ones(len(numbers), np.int32))
    return to_table(pa.array([digest(number) for number in numbers]), encoded)


@given(st.lists(st.integers(0, 9) | st.none()), st.sets(st.integers(0, 9)))
def test_missing_is_each_unknown_hash_once_in_order(
    numbers: list[int | None], known: set[int]
) -> None:
    hashes = [None if number is None else digest(number) for number in numbers]
    have = {digest(number) for number in known}
    expected = sorted({name for name in hashes if name is not None} - have)
    positions = missing_hashes(pa.array(hashes, pa.string()), pa.array(sorted(have), pa.string()))
    assert [hashes[at] for at in positions] == expected
    assert [hashes.index(name) for name in expected] == positions.tolist()
    again = missing_hashes(np.array(hashes, dtype=object), pa.array(sorted(have), pa.string()))
    assert again.tolist() == positions.tolist()


def test_a_part_is_in_the_order_of_its_items_and_fits_the_schema() -> None:
    table = part([4, 2, 9])
    assert table.schema == vector_schema(3)
    assert table["content_hash"].to_pylist() == [digest(number) for number in (4, 2, 9)]
    assert table["vector"].to_pylist() == [[5.0] * 3, [3.0] * 3, [10.0] * 3]
    without = Encoded(
        np.array([1]), np.ones((1, 3), np.float32), np.array([2], np.int32), ((0, "x"),)
    )
    assert to_table(pa.array(["a", "b"]), without).to_pydict() == {
        "content_hash": ["b"],
        "vector": [[1.0, 1.0, 1.0]],
        "chunks": [2],
    }


@pytest.mark.parametrize("kind", ["table", "batch", "slice"])
def test_gather_fills_what_the_parts_have(kind: str, tmp_path: Path) -> None:
    tables = [part(list(range(start, start + 50))) for start in (0, 50, 100)]
    match kind:
        case "table":
            parts = tables
        case "batch":
            parts = [batch for table in tables for batch in table.to_batches(max_chunksize=7)]
        case _:
            parts = [table.slice(1, 48) for table in tables]
    wanted = sorted(range(0, 200, 3), key=digest)
    out = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", np.float32, (len(wanted), 3))
    found = gather_vectors(iter(parts), pa.array([digest(number) for number in wanted]), out)
    stored = {row for table in parts for row in table["content_hash"].to_pylist()}
    assert found.tolist() == [digest(number) in stored for number in wanted]
    expected = [number + 1 if hit else 0 for number, hit in zip(wanted, found, strict=True)]
    np.testing.assert_array_equal(out[:, 0], expected)


def test_gather_refuses_another_dimension_and_takes_nothing() -> None:
    with pytest.raises(PipelineError, match="another encoder"):
        gather_vectors(
            [part([1], dimension=4)], pa.array([digest(1)]), np.zeros((1, 3), np.float32)
        )
    assert (
        gather_vectors([part([1])], pa.array([], pa.string()), np.zeros((0, 3), np.float32)).size
        == 0
    )


def test_parts_survive_parquet_bit_for_bit(tmp_path: Path) -> None:
    table = part(list(range(20)))
    pq.write_table(table, tmp_path / "part.parquet", **WRITE_OPTIONS)
    assert pq.read_table(tmp_path / "part.parquet").equals(table)
    column = pq.ParquetFile(tmp_path / "part.parquet").metadata.row_group(0).column(1)
    assert "BYTE_STREAM_SPLIT" in column.encodings
