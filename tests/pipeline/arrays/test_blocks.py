"""Inner products of rows are exact and do not depend on what stands beside them."""

import math

import numpy as np
import pytest

from pipeline.arrays.blocks import STEP, row_products


@pytest.mark.parametrize("width", [1, 256, 384, 1000])
def test_products_are_exact_and_each_row_stands_alone(width: int) -> None:
    generator = np.random.default_rng(width)
    first, second = generator.normal(size=(2, STEP // width + 50, width)).astype(np.float32)
    found = row_products(first, second)
    rows = [0, len(first) // 2, len(first) - 1]
    for row in rows:
        terms = (float(a) * float(b) for a, b in zip(first[row], second[row], strict=True))
        assert found[row] == pytest.approx(math.fsum(terms), abs=1e-12)
        assert row_products(first[row : row + 1], second[row : row + 1])[0] == found[row]


def test_no_rows_have_no_products() -> None:
    assert row_products(np.zeros((0, 8), np.float32), np.zeros((0, 8), np.float32)).shape == (0,)
