"""The best assignment between two sides: each record has one partner at most, the sum is greatest.

What is summed is -log(1 - p) of the chosen links, which is about the log-odds of a probable link
and never below zero. What it gains over taking the most probable link first is in the room's page.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from pipeline.arrays import Flags, Floats, Rows, components

DENSE = 1_000_000  # cells of a matrix up to which a component is solved as one
EXACT = 20_000  # records of a component's smaller side; above, the best link goes first
CERTAIN = 1 - 5e-5  # probabilities have four decimals: of 1 the logarithm is taken here


def best_assignment(left: Rows, right: Rows, probability: Floats) -> Flags:
    """Choose links so that no node has two.

    Exact but in components whose smaller side has more than `EXACT` nodes. What is chosen in a
    component depends on nothing outside it, and of equal sums on the order of the numbers alone.

    Args:
        left, right: (m,) ends, from 0 on each side, every pair once, sorted.
        probability: (m,) of each link.
    """
    gain = -np.log1p(-np.minimum(probability, CERTAIN))
    chosen = np.zeros(len(left), bool)
    component, hard = _components(left, right), []
    at = np.arange(len(left))
    while len(at):
        taken = at[_undisputed(left[at], right[at], gain[at])]
        chosen[taken] = True
        at = at[~(_among(left[at], left[taken]) | _among(right[at], right[taken]))]
        # A component in which nothing was undisputed goes to the solver as it is now.
        stuck = ~_among(component[at], component[taken])
        hard.append(at[stuck])
        at = at[~stuck]
    rest = np.concatenate([at, *hard])
    rest = rest[np.argsort(_components(left[rest], right[rest]), kind="stable")]
    bounds = np.flatnonzero(np.diff(_components(left[rest], right[rest]))) + 1
    for part in np.split(rest, bounds) if len(rest) else ():
        chosen[part[_solve(left[part], right[part], gain[part])]] = True
    return chosen


def _components(left: Rows, right: Rows) -> Rows:
    """(m,) component of each link."""
    first = int(left.max(initial=-1)) + 1
    found = components(first + int(right.max(initial=-1)) + 1, left, right + first)
    return found[left]


def _among(values: Rows, chosen: Rows) -> Flags:
    there = np.zeros(int(values.max(initial=-1)) + 1, bool)
    there[chosen[chosen < len(there)]] = True
    found: Flags = there[values]
    return found


def _undisputed(left: Rows, right: Rows, gain: Floats) -> Flags:
    """(m,) links worth at least as much as the next best of both their ends together.

    Some best assignment has them all: whatever else is chosen, a link could be exchanged for them.
    """
    rank = np.empty(len(left), np.int64)
    rank[np.lexsort((right, left, -gain))] = np.arange(len(left))
    first, next_best = np.ones(len(left), bool), np.zeros(len(left))
    for side in (left, right):
        order = np.lexsort((rank, side))
        head = np.append(True, np.diff(side[order]) != 0)
        lead = np.flatnonzero(head)
        first[order[~head]] = False
        size = np.diff(np.append(lead, len(order)))
        several = lead[size > 1]
        next_best[order[several]] += gain[order[several + 1]]
    found: Flags = first & (gain >= next_best)
    return found


def _solve(left: Rows, right: Rows, gain: Floats) -> Rows:
    """Places of the chosen links of one component."""
    rows, row = np.unique(left, return_inverse=True)
    columns, column = np.unique(right, return_inverse=True)
    if len(rows) * len(columns) <= DENSE:
        matrix = np.zeros((len(rows), len(columns)))
        matrix[row, column] = gain
        matched = linear_sum_assignment(matrix, maximize=True)
        partner = np.full(len(rows), -1)
        partner[matched[0]] = matched[1]
    elif min(len(rows), len(columns)) <= EXACT:
        partner = _sparse(row, column, gain, (len(rows), len(columns)))
    else:
        return _greedy(row, column, gain)
    return np.flatnonzero(partner[row] == column)


def _sparse(row: Rows, column: Rows, gain: Floats, shape: tuple[int, int]) -> Rows:
    """(r,) column of each row; one beyond the columns: none. Each row has a partner of its own."""
    if shape[0] > shape[1]:
        other = _sparse(column, row, gain, shape[::-1])
        partner = np.full(shape[0], -1)
        has = np.flatnonzero(other < shape[0])
        partner[other[has]] = has
        return partner
    own = np.arange(shape[0])
    cost = np.concatenate([gain.max() + 1 - gain, np.full(shape[0], gain.max() + 1)])
    ends = np.concatenate([row, own]), np.concatenate([column, shape[1] + own])
    graph = csr_matrix((cost, ends), shape=(shape[0], shape[1] + shape[0]))
    found = np.full(shape[0], -1)
    matched = min_weight_full_bipartite_matching(graph)
    found[matched[0]] = matched[1]
    return found


def _greedy(row: Rows, column: Rows, gain: Floats) -> Rows:
    """Places of the links chosen best first, of equal ones by their ends."""
    order = np.lexsort((column, row, -gain)).tolist()
    rows, columns = row.tolist(), column.tolist()
    given, got, kept = set(), set(), []
    for link in order:
        if rows[link] not in given and columns[link] not in got:
            given.add(rows[link])
            got.add(columns[link])
            kept.append(link)
    return np.array(sorted(kept), np.int64)
