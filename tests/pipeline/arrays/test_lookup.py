"""Where values are among others."""

import numpy as np
import pyarrow as pa
from hypothesis import given, strategies as st

from pipeline.arrays.lookup import factorize_strings, sorted_unique


@given(st.lists(st.lists(st.integers(-(2**60), 2**60) | st.integers(0, 5))))
def test_distinct_values_of_some_arrays_in_order(parts: list[list[int]]) -> None:
    arrays = [np.array(part, np.int64) for part in parts]
    assert sorted_unique(arrays).tolist() == sorted({value for part in parts for value in part})
    assert not arrays, "what is in the result is not held twice"


@given(st.lists(st.none() | st.text(max_size=2)), st.integers(1, 4))
def test_strings_and_their_places_among_the_distinct_ones(
    values: list[str | None], step: int
) -> None:
    chunks = [values[start : start + step] for start in range(0, len(values), step)]
    distinct, place = factorize_strings(pa.chunked_array(chunks, pa.string()))
    assert distinct.to_pylist() == sorted({v for v in values if v is not None}, key=str.encode)
    assert [None if p < 0 else distinct[p].as_py() for p in place.tolist()] == values
