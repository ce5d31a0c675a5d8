"""Portions against plain Python: every row once, in order, within the limit."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.arrays import chunks as portions
from pipeline.storage.schemas import STRINGS

TEXT = st.none() | st.text(max_size=8)


@given(st.lists(st.integers(0, 50)), st.integers(1, 60), st.none() | st.integers(1, 9))
def test_slices_cover_every_row_once_within_the_limit(
    sizes: list[int], limit: int, rows: int | None
) -> None:
    parts = list(portions.chunk_bounds(np.array(sizes, np.int64), rows=rows, limit=limit))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(
        range(len(sizes))
    )
    for part in parts:
        count = part.stop - part.start
        assert count == 1 or sum(sizes[part]) <= limit
        assert rows is None or count <= rows
        after = sizes[part.start : part.stop + 1]
        full = part.stop == len(sizes) or count == rows or sum(after) > limit
        assert full, "a slice ended early"


@given(st.lists(TEXT), st.integers(0, 3), st.sampled_from(["string", "large_string", "dictionary"]))
def test_the_bytes_of_strings_are_counted(texts: list[str | None], skip: int, kind: str) -> None:
    array = pa.array(texts, pa.string())
    array = array.dictionary_encode() if kind == "dictionary" else array.cast(kind)
    want = [len((text or "").encode()) for text in texts[skip:]]
    assert portions.value_bytes(array.slice(skip)).tolist() == want


@given(st.lists(st.dictionaries(st.text(max_size=3), TEXT, max_size=3)), st.integers(0, 3))
def test_the_bytes_of_maps_are_counted(maps: list[dict[str, str | None]], skip: int) -> None:
    array = pa.array([list(item.items()) for item in maps], STRINGS).slice(skip)
    want = [sum(len((k + (v or "")).encode()) for k, v in m.items()) for m in maps[skip:]]
    assert portions.value_bytes(array).tolist() == want


ROW = st.fixed_dictionaries(
    {
        "text": TEXT,
        "picture": st.none() | st.binary(max_size=6),
        "number": st.none() | st.integers(-9, 9),
        "map": st.lists(st.tuples(st.sampled_from("abc"), TEXT), max_size=2),
    }
)
SCHEMA = pa.schema(
    [("text", pa.string()), ("picture", pa.binary()), ("number", pa.int32()), ("map", STRINGS)]
)


@given(st.lists(st.lists(ROW, max_size=5), max_size=4), st.randoms(use_true_random=False))
def test_rows_are_gathered_as_a_whole_table_would_give_them(
    chunks: list[list[dict[str, Any]]], generator: Any
) -> None:
    table = pa.concat_tables(
        [pa.Table.from_pylist(rows, schema=SCHEMA) for rows in chunks] or [SCHEMA.empty_table()]
    )
    # Unsigned, as Arrow's sort_indices has it.
    order: Any = np.array(generator.sample(range(len(table)), k=len(table)), np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "LIMIT", 12)
        batches = list(portions.take_in_batches(table, order, rows=3))
    assert all(batch.num_rows <= 3 for batch in batches)
    got = pa.Table.from_batches(batches, schema=SCHEMA)
    assert got.to_pylist() == table.combine_chunks().take(pa.array(order)).to_pylist()


def test_what_is_joined_whole_has_64_bit_offsets() -> None:
    """Arrow refuses to join 32-bit strings past 2 GB, which no test can hold in memory."""
    column = pa.chunked_array([["a"], ["b", None]], pa.string())
    assert portions.combine_large(column).type == pa.large_string()
    assert portions.combine_large(column.cast(pa.binary())).type == pa.large_binary()
    table = portions.with_64bit_offsets(pa.table({"text": column, "number": [1, 2, 3]}))
    assert table.schema.types == [pa.large_string(), pa.int64()]
