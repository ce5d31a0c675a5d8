"""Pair keys: one integer for an unordered pair of rows, and all pairs that groups of rows make."""

from __future__ import annotations

import numpy as np

from pipeline.arrays.aliases import Ints, Rows


def pair_key(left: Rows, right: Rows, n: int) -> Ints:
    """lower * n + higher of each pair of rows below `n`, which sorts as the pairs do.

    Equal for both orders of a pair. `n` is at most 3,037,000,499, the root of the greatest int64.
    """
    key = np.minimum(left, right)
    key *= n
    key += np.maximum(left, right)
    return key


def pair_sides(key: Ints, n: int) -> tuple[Rows, Rows]:
    """The (lower, higher) rows of keys; numpy's divmod is several times slower."""
    low = key // max(n, 1)
    return low, key - low * n


def cross_join(left: Rows, right: Rows, *, starts: Rows, sizes: Rows) -> tuple[Rows, Rows, Rows]:
    """Pair every member of one group with every member of another, for many pairs of groups.

    Args:
        left, right: (p,) numbers of groups.
        starts, sizes: (g,) where the members of each group begin in a list of all, and how many.

    Returns:
        (q,) places of the members in that list, and which of the p pairs each comes from,
        ascending; of one pair sorted by left member, then right.
    """
    source, within = repeat_each(np.arange(len(left)), sizes[left] * sizes[right])
    row, column = np.divmod(within, np.maximum(sizes[right[source]], 1))
    return starts[left[source]] + row, starts[right[source]] + column, source


def repeat_each(values: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """Each value as often as its count says, and 0, 1, 2 … within each repetition."""
    repeated = np.repeat(values, counts)
    return repeated, np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
