"""Design effect: how many independent pairs are labelled ones worth that fail together.

A share's variance is that of independent pairs times the design effect (Kish, 1965),
1 + ρ (K / n − 1): K is the number of ordered couples of pairs that share an entity, each pair with
itself among them, and ρ the correlation within a couple. So n pairs are worth n over that.

ρ is the moment estimate of an exchangeable correlation (Liang and Zeger, 1986): residuals
multiplied over all couples, over the product of their standard deviations. To both, PRIOR couples
that fail together are added: where labels are too few, or too pure, to tell, an entity's pairs are
taken to stand or fall as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats, Ints

PRIOR = 10


@dataclass(frozen=True)
class ClusteredSample:
    """Which of p pairs share an entity.

    Attributes:
        pairs, entity: (i,) every pair with each of its entities, in the order of the pairs.
        across, both: (a,) every pair between two entities, and a number for these two together.
        count: p.
    """

    pairs: Ints
    entity: Ints
    across: Ints
    both: Ints
    count: int

    @classmethod
    def of(cls, sides: Ints) -> ClusteredSample:
        """Args: sides: (p,) entity of each pair, or (p, 2) those of both its sides."""
        count = len(sides)
        _, number = np.unique(sides, return_inverse=True)
        number = number.reshape(count, -1)
        low, high = number.min(axis=1, initial=count * 2), number.max(axis=1, initial=-1)
        across = np.flatnonzero(low != high)
        pairs = np.concatenate([np.arange(count), across])
        order = np.argsort(pairs, kind="stable")
        entity = np.concatenate([low, high[across]])[order]
        _, both = np.unique(np.stack([low, high])[:, across], axis=1, return_inverse=True)
        return cls(pairs[order], entity, across, both.ravel(), count)

    def summed(self, values: Floats) -> float:
        """Products of the values (p,) of two different pairs, over all couples."""
        one, two = values[self.pairs], values[self.across]
        found = (np.bincount(self.entity, weights=one) ** 2).sum() - (one**2).sum()
        # A couple that shares both entities was counted twice.
        twice = (np.bincount(self.both, weights=two) ** 2).sum() - (two**2).sum()
        return float(found - twice)

    def couples(self) -> Floats:
        """(p,) couples among the first 1, 2, … p pairs, each pair with itself among them."""
        added = np.bincount(self.pairs, 2.0 * _earlier_pairs(self.entity) + 1, minlength=self.count)
        twice = np.bincount(self.across, 2.0 * _earlier_pairs(self.both) + 1, minlength=self.count)
        return np.asarray(np.cumsum(added - twice))


def residual_correlation(score: Floats, same: Flags, sides: Ints) -> float:
    """ρ in [0, 1] of the labels given the scores: are an entity's pairs wrong together?

    What a score lets expect is an isotonic regression of the labels on the scores.
    """
    if not len(score):
        return 1.0
    _, place = np.unique(score, return_inverse=True)
    mass = np.bincount(place)
    from scipy.optimize import isotonic_regression

    expected = isotonic_regression(np.bincount(place, weights=same) / mass, weights=mass).x[place]
    spread = np.sqrt(np.clip(expected * (1 - expected), 0, None))
    return _correlation(same - expected, spread, ClusteredSample.of(sides), unit=0.25)


def rank_correlation(score: Floats, sides: Ints) -> float:
    """ρ in [0, 1] of the scores' ranks: are an entity's duplicates found or missed together?"""
    if not len(score):
        return 1.0
    _, place = np.unique(score, return_inverse=True)
    mass = np.bincount(place)
    rank = (np.cumsum(mass) - (mass - 1) / 2)[place] / len(score)
    residual = rank - rank.mean()
    spread = np.full(len(score), float(residual.std()))
    return _correlation(residual, spread, ClusteredSample.of(sides), unit=1 / 12)


def effective_sample_size(count: Floats, couples: Floats, correlation: float) -> Floats:
    """How many independent pairs `count` pairs with so many couples are worth; at most as many."""
    effect = 1 + correlation * (couples / np.maximum(count, 1) - 1)
    return np.asarray(count / np.maximum(effect, 1), np.float64)


def _correlation(
    residual: Floats, spread: Floats, sharing: ClusteredSample, *, unit: float
) -> float:
    """ρ; `unit` is the variance of a pair that nothing is known of."""
    together, most = sharing.summed(residual), sharing.summed(spread)
    return float(np.clip((together + PRIOR * unit) / (most + PRIOR * unit), 0.0, 1.0))


def _earlier_pairs(key: Ints) -> Ints:
    """(i,) how many earlier places hold the same key."""
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(key)))
    out = np.empty(len(key), np.int64)
    out[order] = np.arange(len(key)) - np.repeat(starts, sizes)
    return out
