"""Crowds: contents with so many near copies that listing every pair would be quadratic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.indexes.blocks import Positions, Vectors, block_hits, cosines
from pipeline.indexes.kernel import FLOAT32, fastest

CROWD_SAMPLE = 2048  # at most; see `_sample_size`
# An estimate from fewer hits in the sample than this is noise, and raises nothing.
CROWD_HITS = 8
LADDER = 8


@dataclass(frozen=True)
class Crowds:
    """Contents with so many near copies that listing every pair would be quadratic.

    Attributes:
        member, leader: (m,) row numbers; each member's exact cosine to its leader is at least the
            collapse cosine, and a leader is never a member.
        kept: (k,) ascending row numbers that go on to the search: everything but the members.
        floor: (k,) search floor of each kept row: the common one, or a higher one at which a row
            in a crowd has about as many near copies as may be listed. A pair is listed when it
            reaches the lower of its two rows' floors, so the nearest copies are always there.
        raised: kept rows whose floor was raised.

    A near pair of a collapsed member with anything outside its crowd is represented by the
    leader's pair: by the triangle inequality for angles the leader is at most arccos(collapse
    cosine) farther away.
    """

    member: Positions
    leader: Positions
    kept: Positions
    floor: npt.NDArray[np.float64]
    raised: int

    @property
    def crowded(self) -> int:
        """Rows that are not searched down to the common floor."""
        return len(self.member) + self.raised


def find_crowds(vectors: Vectors, *, floor: float, crowd: int, cosine: float) -> Crowds:
    """Bound the pairs of every row: raise floors inside crowds, collapse what is nearly identical.

    How many near copies a row has is estimated against a sample: the first rows, as good as any in
    the order of a hash and, night after night, nearly the same ones. Where there are more than
    `crowd` at the floor, the row's floor rises by steps towards `cosine` until there are not. Where
    there are more even at `cosine`, rows are grouped around leaders in row order, in time linear in
    the crowd; groups that turn out smaller than `crowd` are left as they were.
    """
    count = len(vectors)
    floors = np.full(count, floor)
    empty = np.zeros(0, np.int64)
    if count <= crowd:
        return Crowds(empty, empty, np.arange(count), floors, 0)
    sample = np.ascontiguousarray(vectors[: _sample_size(count, crowd)])
    limit = max(crowd * len(sample) / count, CROWD_HITS)
    dense = np.arange(count)
    for step in np.linspace(floor, max(cosine, floor), LADDER):
        # Where the sieve finds no more than the limit there are no more.
        for kernel in dict.fromkeys((fastest(), FLOAT32)):
            hits = np.zeros(len(dense), np.int64)
            searched = vectors if len(dense) == count else vectors[dense]
            for found in block_hits(searched, sample, float(step), kernel=kernel):
                np.add.at(hits, found.row, 1)
            dense = dense[hits > limit]
        if not len(dense):
            break
        floors[dense] = min(step + (cosine - floor) / (LADDER - 1), cosine)
    members, leaders = _greedy_leaders(vectors, dense, crowd=crowd, cosine=cosine)
    kept = np.setdiff1d(np.arange(count), members)
    return Crowds(members, leaders, kept, floors[kept], int((floors[kept] > floor).sum()))


def _sample_size(count: int, crowd: int) -> int:
    """Rows of which a crowd has about ten, a power of two: the same from night to night."""
    wanted = 2 ** int(np.ceil(np.log2(10 * count / crowd)))
    return int(np.clip(wanted, 512, CROWD_SAMPLE))


def _greedy_leaders(
    vectors: Vectors, dense: Positions, *, crowd: int, cosine: float
) -> tuple[Positions, Positions]:
    left = dense
    members, leaders = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while len(left) > crowd:
        block = np.ascontiguousarray(vectors[left])
        open_rows = np.ones(len(left), bool)
        # One pass over a contiguous copy; it is compacted when half of it has been assigned.
        for position in range(len(left)):
            if not open_rows[position]:
                continue
            near = open_rows & (block @ block[position] >= cosine)
            near[position] = True
            group = left[near]
            open_rows &= ~near
            others = group[group != left[position]]
            exact = cosines(vectors, others, np.full(len(others), left[position])) >= cosine
            if exact.sum() >= crowd:
                members.append(others[exact])
                leaders.append(np.full(int(exact.sum()), left[position]))
            if open_rows.sum() * 2 < len(left):
                break
        left = left[open_rows]
    return np.concatenate(members), np.concatenate(leaders)
