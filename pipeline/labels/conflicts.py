"""What label rows claim about pairs, and how claims that contradict each other are settled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from pipeline.arrays import Flags, Rows, Words, components

ORIGINS = np.array(["cluster", "given", "verdict"])  # by rank: a later one beats an earlier one
HELD_OUT = np.array(["", "train", "valid", "test"])  # a pair given two splits is in the later one
EXAMPLES = 10
RULE = (
    "One pair labelled both ways: a verdict beats a given label, which beats a pair of a cluster; "
    "among verdicts the latest wins; what is still contradictory is dropped, both rows. "
    "A = B = C but A ≠ C: the 'different' stands when at most one 'same' of its own rank, beside "
    "any of lower rank, must go to part A from C (the fewest that do, of equals those nearest the "
    "smaller id), and these are dropped; a 'different' that would take two or more of its own "
    "rank, or one of a higher, is outnumbered and is dropped itself."
)


@dataclass(frozen=True)
class LabelRows:
    """n claims about pairs of record rows.

    Attributes:
        left, right: (n,) record rows, left <= right; equal: a self pair, which `settle` drops.
        grade: (n,) 1 duplicate … 0 different.
        rank: (n,) place in ORIGINS.
        at: (n,) time of a verdict in microseconds, 0 for the others.
        split: (n,) place in HELD_OUT.
        slices: attribute -> (n,) value, '' where the row names none.
    """

    left: Rows
    right: Rows
    grade: npt.NDArray[np.float64]
    rank: Rows
    at: Rows
    split: Rows
    slices: dict[str, Words]

    @property
    def same(self) -> Flags:
        """(n,) true where the claim is 'same'."""
        return np.asarray(self.grade >= 0.5)

    def take(self, places: Rows | Flags) -> LabelRows:
        """The claims at some places."""
        return replace(
            self,
            slices={name: values[places] for name, values in self.slices.items()},
            **{name: getattr(self, name)[places] for name in _COLUMNS},
        )


_COLUMNS = ("left", "right", "grade", "rank", "at", "split")


def join_rows(parts: list[LabelRows], names: tuple[str, ...]) -> LabelRows:
    """Put claims one after another; `names` are the slices each has."""
    return replace(
        parts[0],
        slices={name: np.concatenate([part.slices[name] for part in parts]) for name in names},
        **{
            column: np.concatenate([getattr(part, column) for part in parts]) for column in _COLUMNS
        },
    )


def resolve_conflicts(claims: LabelRows, names: Words) -> tuple[LabelRows, dict[str, Any]]:
    """Make one claim per pair, sorted, none contradicting another; see RULE.

    Nothing depends on the order of the claims.

    Args:
        names: (records,) what each record is called in the examples.

    Returns:
        The settled claims, and the facts: conflicts, repeated pairs, pairs in two splits.
    """
    once, facts = _one_each(claims.take(claims.left < claims.right), names)
    keep, transitive = _cut_contradictions(once, names)
    facts["conflicts"]["transitive"] = transitive
    return once.take(keep), facts


def _one_each(claims: LabelRows, names: Words) -> tuple[LabelRows, dict[str, Any]]:
    key = claims.left * len(names) + claims.right
    claims = claims.take(np.lexsort((claims.grade, -claims.at, -claims.rank, key)))
    key = np.sort(key)
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    if not len(starts):
        conflicts = {"rule": RULE, "direct": {"count": 0, "dropped": 0, "examples": []}}
        return claims, {"conflicts": conflicts, "repeated_pairs": 0, "split_twice": 0}
    group = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
    best = (claims.rank == claims.rank[starts][group]) & (claims.at == claims.at[starts][group])
    clash = _both_ways(claims.same, starts, np.ones(len(key), bool))
    lost = _both_ways(claims.same, starts, best)
    counted = np.add.reduceat(best, starts)
    first = claims.take(starts)
    merged = LabelRows(
        left=first.left,
        right=first.right,
        grade=np.add.reduceat(np.where(best, claims.grade, 0.0), starts) / counted,
        rank=first.rank,
        at=first.at,
        split=np.maximum.reduceat(claims.split, starts),
        slices={name: _smallest(values, starts) for name, values in claims.slices.items()},
    )
    least = np.minimum.reduceat(np.where(claims.split > 0, claims.split, len(HELD_OUT)), starts)
    examples = [
        {
            "left": str(names[first.left[i]]),
            "right": str(names[first.right[i]]),
            "kept": None if lost[i] else ("same" if merged.grade[i] >= 0.5 else "different"),
        }
        for i in np.flatnonzero(clash)[:EXAMPLES]
    ]
    return merged.take(~lost), {
        "conflicts": {
            "rule": RULE,
            "direct": {
                "count": int(clash.sum()),
                "dropped": int(lost.sum()),
                "examples": examples,
            },
        },
        "repeated_pairs": len(key) - len(starts),
        "split_twice": int((merged.split > least).sum()),
    }


def _both_ways(same: Flags, starts: Rows, counted: Flags) -> Flags:
    """(groups,) true where some counted claim of the group says same and another different."""
    yes = np.logical_or.reduceat(same & counted, starts)
    no = np.logical_or.reduceat(~same & counted, starts)
    return np.asarray(yes & no)


def _smallest(values: Words, starts: Rows) -> Words:
    """(groups,) the smallest value of each group, '' only where all are."""
    words, code = np.unique(values, return_inverse=True)
    blank = words[code] == ""
    least = np.minimum.reduceat(np.where(blank, len(words), code), starts)
    return np.append(words, "")[least]


def _cut_contradictions(claims: LabelRows, names: Words) -> tuple[Flags, dict[str, Any]]:
    """Which claims stay so that no 'different' runs inside a component of 'same'."""
    keep = np.ones(len(claims.left), bool)
    links = np.flatnonzero(claims.same)
    component = components(len(names), claims.left[links], claims.right[links])
    links = links[np.argsort(component[claims.left[links]], kind="stable")]
    home = component[claims.left[links]]
    inside = ~claims.same & (component[claims.left] == component[claims.right])
    suspects = np.flatnonzero(inside)
    order = np.lexsort((suspects, -claims.at[suspects], -claims.rank[suspects]))
    found, dropped = 0, 0
    examples: list[dict[str, Any]] = []
    for suspect in suspects[order]:
        start, end = np.searchsorted(home, component[claims.left[suspect]] + np.array([0, 1]))
        around = links[start:end]
        stands, cut = _minimum_cut(claims, suspect, around[keep[around]])
        if stands and not len(cut):
            continue  # an earlier cut freed it
        found, dropped = found + 1, dropped + len(cut)
        keep[cut if stands else suspect] = False
        if len(examples) < EXAMPLES:
            gone = [f"{names[claims.left[i]]} = {names[claims.right[i]]}" for i in cut[:EXAMPLES]]
            examples.append(
                {
                    "left": str(names[claims.left[suspect]]),
                    "right": str(names[claims.right[suspect]]),
                    "kept": "different" if stands else "same",
                    "dropped": gone,
                }
            )
    facts = {
        "count": found,
        "different_dropped": int((~keep & ~claims.same).sum()),
        "same_dropped": dropped,
        "examples": examples,
    }
    return keep, facts


def _minimum_cut(claims: LabelRows, suspect: int, links: Rows) -> tuple[bool, Rows]:
    """Whether a 'different' stands against the 'same' links around it, and which must then go.

    A minimum cut: a link of lower rank costs 1, of equal rank more than all of these, of higher
    rank twice as much; the cut nearest the smaller id is unique.
    """
    nodes, ends = np.unique(
        np.concatenate([claims.left[links], claims.right[links]]), return_inverse=True
    )
    left, right = ends[: len(links)], ends[len(links) :]
    pair = np.array([claims.left[suspect], claims.right[suspect]])
    if not np.isin(pair, nodes).all():
        return True, links[:0]
    source, sink = np.searchsorted(nodes, pair)
    # Bounded so that the flow, at most twice the unit times the links of an end, fits 32 bits.
    degree = int(np.bincount(ends)[[source, sink]].min())
    unit = min(len(links) + 1, (2**31 - 1) // (2 * degree + 2))
    cost = np.array([1, unit, 2 * unit])[np.sign(claims.rank[links] - claims.rank[suspect]) + 1]
    shape = (len(nodes), len(nodes))
    capacity = csr_matrix(
        (np.tile(cost, 2).astype(np.int32), (np.append(left, right), np.append(right, left))), shape
    )
    flow = maximum_flow(capacity, source, sink)
    if flow.flow_value >= 2 * unit:
        return False, links[:0]
    residual = capacity - flow.flow
    residual.eliminate_zeros()
    reached = np.zeros(len(nodes), bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return True, links[reached[left] != reached[right]]
