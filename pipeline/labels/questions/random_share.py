"""The random share: pairs drawn with a known probability, which speak for all others."""

from __future__ import annotations

import numpy as np

from pipeline.arrays import Floats, Ints, Rows

RANDOM = "random"  # what the reason of a drawn pair begins with


def draw_random(
    rows: Rows, probability: Floats, *, count: int, accept: float, review: float, seed: int
) -> tuple[Rows, list[str], Floats]:
    """Draw rows evenly from strata of the score, each row of a stratum with one probability.

    Args:
        rows: those that may be drawn. probability: (p,) of all rows.

    Returns:
        The rows in an order that is random too, so that the first of them are a sample as well;
        why, `random 0.5 to 1`; and the rows that each stands for, which together are all `rows`.
    """
    strata = _strata(rows, probability, count=count, accept=accept, review=review)
    generator = np.random.default_rng(seed)
    drawn, why, weight = [np.zeros(0, np.int64)], [], [np.zeros(0)]
    shares = even_shares([len(part) for _, part in strata], count)
    for (name, part), share in zip(strata, shares, strict=True):
        if share:
            drawn.append(generator.choice(part, size=share, replace=False))
            weight.append(np.full(share, len(part) / share))
            why += [name] * share
    order = generator.permutation(len(why))
    names = [why[place] for place in order]
    return np.concatenate(drawn)[order], names, np.concatenate(weight)[order]


def _strata(
    rows: Rows, probability: Floats, *, count: int, accept: float, review: float
) -> list[tuple[str, Ints]]:
    """Strata of the score, the highest first, as fine as the draws suffice for one of each.

    No stratum crosses the accept threshold, unless one draw is all there is.
    """
    inner = [{review / 2, review, accept, (1 + accept) / 2}, {review, accept}, {accept}, set()]
    found: list[tuple[str, Ints]] = []
    for borders in inner:
        edges = [0.0, *sorted(round(edge, 6) for edge in borders if 0 < edge < 1), np.inf]
        place = np.searchsorted(edges, probability[rows], side="right") - 1
        found = [
            (f"{RANDOM} {edges[at]:g} to {min(edges[at + 1], 1):g}", rows[place == at])
            for at in range(len(edges) - 2, -1, -1)
            if (place == at).any()
        ]
        if len(found) <= count:
            break
    return found


def even_shares(sizes: list[int], count: int) -> list[int]:
    """Share `count` out evenly, to none more than its size; what is left over goes to the first."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_places = [place for place, size in enumerate(sizes) if shares[place] < size]
        each = max(left // len(open_places), 1)
        for place in open_places:
            more = min(each, sizes[place] - shares[place], left)
            shares[place] += more
            left -= more
    return shares
