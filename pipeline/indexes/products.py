"""Inner products of rows beside rows, exact: what a cosine is decided by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.indexes.kernel import Vectors

# Numbers in one step: they stay in the processor's cache, and torch wakes no second thread for
# fewer than 32,768, which would cost more than the sum.
STEP = 32_767


def row_products(first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """(p,) inner product of each row with the one beside it, summed in float64.

    Args:
        first, second: (p, d) float32.
    """
    import torch

    out = np.empty(len(first))
    rows = max(STEP // max(first.shape[1], 1), 1)
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        products = first[part].astype(np.float64)
        products *= second[part]
        out[part] = torch.from_numpy(products).sum(dim=1).numpy()
    return out
