"""Dense groups: contents with so many near copies that listing every pair would be quadratic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import FLOAT32, Flags, Matrix, Positions, Scores, Vectors, cosines, fastest

SAMPLE = 2048  # at most; see `_sample_size`
# An estimate from fewer hits in the sample than this is noise, and raises nothing.
FEWEST_HITS = 8
LADDER = 8
ROWS = 2048  # at a time
ROUNDS = 4  # of leaders
LEADING = 2048  # rows that the leaders of a round are chosen from
# A leader takes in at least so much of what the best would: the first such row in the order of the
# hashes stays the leader night after night, while the best changes with every row that comes.
NEARLY = 0.75


@dataclass(frozen=True)
class DenseGroups:
    """Contents with so many near copies that listing every pair would be quadratic.

    Attributes:
        member, leader: (m,) row numbers; each member's exact cosine to its leader is at least the
            collapse cosine and is the score of a pair that is listed, and a leader is never a
            member.
        kept: (k,) ascending row numbers that go on to the search: everything but the members.
        floor: (k,) search floor of each kept row: the common one, or a higher one at which a row
            in a dense group has about as many near copies as may be listed. A pair is listed when
            it reaches the lower of its two rows' floors, so the nearest copies are always there.
        raised: kept rows whose floor was raised.

    A near pair of a collapsed member with anything outside its group is represented by the
    leader's pair: by the triangle inequality for angles the leader is at most arccos(collapse
    cosine) farther away.
    """

    member: Positions
    leader: Positions
    kept: Positions
    floor: Scores
    raised: int

    @property
    def crowded(self) -> int:
        """Rows that are not searched down to the common floor."""
        return len(self.member) + self.raised


def find_dense_groups(
    vectors: Matrix, *, floor: float, max_neighbours: int, cosine: float
) -> DenseGroups:
    """Bound the pairs of every row: raise floors in dense groups, collapse near-identical rows.

    How many near copies a row has is estimated against a sample: the first rows, as good as any in
    the order of a hash and, night after night, nearly the same ones. Where there are more than
    `max_neighbours` at the floor, the row's floor rises by steps towards `cosine` until there are
    not. Where there are more even at `cosine`, rows are grouped around leaders; groups that turn
    out smaller than `max_neighbours` are left as they were.

    The work is linear in the rows: each meets the sample once, and fewer than LEADING leaders in
    each of at most ROUNDS rounds. What is counted and grouped are exact cosines, so that neither
    threads nor blocks nor the kernel can change the outcome.
    """
    count = len(vectors)
    floors = np.full(count, floor, np.float32)
    empty = np.zeros(0, np.int64)
    if count <= max_neighbours:
        return DenseGroups(empty, empty, np.arange(count), floors, 0)
    steps = np.linspace(floor, max(cosine, floor), LADDER, dtype=np.float32)
    sample = vectors[: _sample_size(count, max_neighbours)]
    limit, densest = _limit(max_neighbours, len(sample), count), [empty]
    kernel = fastest(count * len(sample))
    drawn = kernel.of(sample)
    for start in range(0, count, ROWS):
        block = vectors[start : start + ROWS]
        # Where the sieve finds no more than the limit there are no more.
        rows = np.flatnonzero(kernel.counts(kernel.of(block), drawn, floor) > limit)
        dense = _dense_steps(block[rows], sample, steps, limit)
        floors[start + rows] = steps[np.minimum(dense, LADDER - 1)]
        densest.append(start + rows[dense == LADDER])
    members, leaders = _collapse(
        vectors, np.concatenate(densest), max_neighbours=max_neighbours, cosine=max(cosine, floor)
    )
    kept = np.setdiff1d(np.arange(count), members)
    return DenseGroups(members, leaders, kept, floors[kept], int((floors[kept] > floor).sum()))


def _sample_size(count: int, max_neighbours: int) -> int:
    """Rows of which a dense group has about ten, a power of two: the same from night to night."""
    wanted = 2 ** int(np.ceil(np.log2(10 * count / max_neighbours)))
    return int(np.clip(wanted, 512, SAMPLE))


def _limit(max_neighbours: int, sample: int, count: int) -> float:
    """Rows of a sample out of `count` that a dense group has, at least what chance cannot give."""
    return max_neighbours if sample >= count else max(max_neighbours * sample / count, FEWEST_HITS)


def _dense_steps(block: Vectors, sample: Vectors, steps: Scores, limit: float) -> Positions:
    """(r,) at how many of the ascending steps a row has more than `limit` near copies."""
    scores = block @ sample.T
    dense, rows = np.zeros(len(block), np.int64), np.arange(len(block))
    for step in steps:
        if not len(rows):
            break
        near = _cosines_within(scores[rows], block[rows], sample, step)
        rows = rows[np.count_nonzero(near, axis=1) > limit]
        dense[rows] += 1
    return dense


def _cosines_within(
    scores: Scores, queries: Vectors, base: Vectors, cosine: np.float32 | float
) -> Flags:
    """(m, n) whether the exact cosines reach `cosine`, given the products in float32."""
    cosine, slack = np.float32(cosine), np.float32(FLOAT32.slack)
    near = scores >= cosine - slack
    row, column = np.nonzero(near & (scores < cosine + slack))
    near[row, column] = cosines(base, row, column, queries=queries) >= cosine
    return near


def _collapse(
    vectors: Matrix, dense: Positions, *, max_neighbours: int, cosine: float
) -> tuple[Positions, Positions]:
    """Members and their leaders, out of rows in a dense group even at `cosine`."""
    left, members, leaders = dense, [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for _ in range(ROUNDS):
        drawn = left[:LEADING]
        sample = vectors[drawn]
        heads = drawn[
            _heads(sample, cosine=cosine, limit=_limit(max_neighbours, len(drawn), len(left)))
        ]
        own = _first_head(vectors, left, heads, cosine)
        whole = np.bincount(own + 1, minlength=len(heads) + 1)[1:] >= max_neighbours
        taken = np.append(whole, False)[own]
        if not taken.any():
            break
        members.append(left[taken])
        leaders.append(heads[own[taken]])
        left = left[~taken & ~np.isin(left, heads[whole])]
    return np.concatenate(members), np.concatenate(leaders)


def _heads(sample: Vectors, *, cosine: float, limit: float) -> Positions:
    """Rows of a sample that lead more than `limit` of it each, in the order they are to take in.

    A greedy cover: the next one has nearly the most rows around it that no earlier one has.
    """
    near = _cosines_within(sample @ sample.T, sample, sample, cosine)
    np.fill_diagonal(near, True)
    free, gain, heads = np.ones(len(sample), bool), near.sum(axis=1), list[int]()
    while (most := gain.max(initial=0, where=free)) > limit:
        head = int(np.flatnonzero(free & (gain > limit) & (gain >= NEARLY * most))[0])
        heads.append(head)
        covered = near[head] & free
        free &= ~covered
        gain = gain - near[:, covered].sum(axis=1)
    return np.array(heads, np.int64)


def _first_head(vectors: Matrix, rows: Positions, heads: Positions, cosine: float) -> Positions:
    """(r,) number of the first head within `cosine` of each row, -1: none, or itself a head."""
    own = np.full(len(rows), -1)
    base = vectors[heads]
    for start in range(0, len(rows) if len(heads) else 0, ROWS):
        part = rows[start : start + ROWS]
        block = vectors[part]
        near = _cosines_within(block @ base.T, block, base, cosine)
        near[np.isin(part, heads)] = False
        own[start : start + ROWS] = np.where(near.any(axis=1), near.argmax(axis=1), -1)
    return own
