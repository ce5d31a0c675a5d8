"""Unit vectors."""

import numpy as np

from pipeline.arrays.aliases import Scores


def normalise(rows: np.ndarray) -> Scores:
    """Rows of length 1, (n, d) float32."""
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def random_vectors(count: int, dimension: int, *, seed: int = 0) -> Scores:
    """(count, dimension) directions without a preferred one."""
    return normalise(np.random.default_rng(seed).normal(size=(count, dimension)))
