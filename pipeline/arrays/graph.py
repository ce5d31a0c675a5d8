"""Connected components of a graph of pairs."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.arrays.aliases import Rows


def components(count: int, left: Rows, right: Rows) -> Rows:
    """Number the connected components of `count` nodes; numbers ascend with the smallest node."""
    graph = csr_matrix((np.ones(len(left), np.int32), (left, right)), (count, count))
    _, found = connected_components(graph, directed=False)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.int64)
