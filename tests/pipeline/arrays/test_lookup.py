"""Where values are among others."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.arrays.lookup import sorted_unique


@given(st.lists(st.lists(st.integers(-(2**60), 2**60) | st.integers(0, 5))))
def test_distinct_values_of_some_arrays_in_order(parts: list[list[int]]) -> None:
    arrays = [np.array(part, np.int64) for part in parts]
    assert sorted_unique(arrays).tolist() == sorted({value for part in parts for value in part})
    assert not arrays, "what is in the result is not held twice"
