"""Intervals: Wilson's for a share, the bootstrap by entity for everything else.

The bootstrap draws entities with replacement, so that the many pairs of one entity count as one
observation. A pair between two entities has the product of both counts (the pigeonhole bootstrap:
Owen, 2007), a little wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Floats, Ints

CHUNK = 4_000_000  # weights held at a time


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, 95 % unless said otherwise: low <= high."""

    value: float
    low: float
    high: float


def share_interval(successes: int, trials: int) -> Estimate:
    """A proportion with its 95 % Wilson interval; 0 between 0 and 1 of nothing."""
    if not trials:
        return Estimate(0.0, 0.0, 1.0)
    return Estimate(successes / trials, *wilson_interval(successes / trials, trials))


def wilson_interval(
    share: float, trials: float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's two-sided interval for a share of any positive number of trials, whole or not."""
    if math.isinf(trials):
        return share, share
    from scipy.special import ndtri  # here: who reads a summary needs none of it

    z = float(ndtri((1 + confidence) / 2))
    whole = 2 * (trials + z**2)
    middle = (2 * trials * share + z**2) / whole
    half = z / whole * math.sqrt(4 * trials * share * (1 - share) + z**2)
    return 0.0 if share == 0 else middle - half, 1.0 if share == 1 else middle + half


def bootstrap_draws(count: int, *, resamples: int, seed: int, width: int = 0) -> Iterator[Floats]:
    """Yield (b, count) how often each of `count` entities was drawn, `resamples` rows in all.

    The same seed and count give the same draws, so two models are compared on the same ones.

    Args:
        width: values that the caller holds per row, if more than `count`.
    """
    random = np.random.default_rng(seed)
    rows = max(1, CHUNK // max(count, width, 1))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = random.integers(0, max(count, 1), (size, count))
        places = drawn + np.arange(size)[:, None] * count
        yield np.bincount(places.ravel(), minlength=size * count).reshape(size, count).astype(float)


def pair_weights(entity: Ints, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield (b, p) weights of the pairs in each resample of the entities.

    Args:
        entity: (p,) entity of each pair, or (p, 2) those of both its sides.
    """
    values, number = np.unique(entity, return_inverse=True)
    number = number.reshape(entity.shape)
    for drawn in bootstrap_draws(len(values), resamples=resamples, seed=seed, width=len(entity)):
        if number.ndim == 1:
            yield drawn[:, number]
            continue
        left, right = number.T
        yield drawn[:, left] * np.where(left == right, 1.0, drawn[:, right])


def bootstrap_interval(values: Floats, *, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; NaN ones (nothing was drawn) are left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
