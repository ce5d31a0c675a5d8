"""A student before its teacher: which of the student's pairs the teacher must see.

A pair passes when the student's cosine reaches the floor and, raised by the margin, would satisfy
the judge beside the words of both texts. Floor and margin come from a sample of texts whose pairs,
far below any floor worth having, were judged with the teacher's vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Positions, Vectors, block_hits, cosines, fastest
from pipeline.evaluation import share_interval

ALWAYS = -1.0  # the cosine that a pair needs where the words do not bound it
# With fewer duplicates in the sample nothing can be learned from them, and these are taken.
FEWEST, FLOOR, MARGIN = 30, 0.7, 1.0
STEP = 0.01  # of floor and margin
WAITING = 1 << 21  # pairs, after which strata are thinned


@dataclass(frozen=True)
class CascadeThresholds:
    """The floor and the margin of a cascade, and how they were found.

    Attributes:
        floor: student's cosine at or above which pairs are proposed.
        margin: how much closer than the student says the teacher may find two texts.
        recall, low, high: share of the sample's duplicates that pass, counted as if one more were
            lost, with a 95 % interval (Wilson's, over the sampled texts that have one).
        texts: sampled. duplicates: pairs of them that the teacher's judge accepts.
        judged: pairs that the teacher was asked about.
        measured: whether floor and margin come from the sample; else they are stated defaults.
    """

    floor: float
    margin: float
    recall: float
    low: float
    high: float
    texts: int
    duplicates: int
    judged: int
    measured: bool

    def passes(self, cosine: Floats, needed: Floats) -> Flags:
        """(p,) whether the teacher must see each pair; see `choose`."""
        return passes(cosine, needed, floor=self.floor, margin=self.margin)


def passes(cosine: Floats, needed: Floats, *, floor: float, margin: float) -> Flags:
    """(p,) whether pairs with these cosines by the student may be the judge's duplicates."""
    likely = np.minimum(cosine + margin, 1.0)
    return np.asarray((cosine >= floor) & (needed <= likely))


@dataclass(frozen=True)
class SampledPairs:
    """Pairs of sampled texts, judged with the teacher's vectors.

    Attributes:
        text: (p,) the sampled text. cosine: (p,) by the student.
        needed: (p,) cosine at which the judge would accept, see `Rule.needed_cosine`.
        duplicate: (p,) the judge accepts. weight: (p,) pairs that each stands for.
    """

    text: Positions
    cosine: Floats
    needed: Floats
    duplicate: Flags
    weight: Floats


def choose_thresholds(
    found: SampledPairs, *, target: float, texts: int, lowest: float
) -> CascadeThresholds:
    """The highest floor, then the smallest margin, that together let `target` pass.

    Half of what may be lost is spent on the floor, which costs the student's time, and the rest on
    the margin, which costs the teacher's. What may be lost is counted as if one more duplicate,
    unseen, were lost too: as in conformal prediction (Vovk, Gammerman and Shafer 2005), so that
    the target is met on average over samples and a small sample loses none of its own.

    Args:
        texts: sampled. lowest: cosine down to which the sample was searched.
    """
    yes = found.duplicate
    cosine, needed, weight = found.cosine[yes], found.needed[yes], found.weight[yes]
    measured = int(yes.sum()) >= FEWEST
    floor, margin = max(FLOOR, lowest), MARGIN
    if measured:
        allowed = max((1 - target) * (weight.sum() + 1) - 1, 0.0)
        floor = max(_rounded_down(_thresholds_keeping(cosine, weight, allowed / 2)), lowest)
        lost = weight[cosine < floor].sum()
        over = cosine >= floor
        gap = _thresholds_keeping(cosine[over] - needed[over], weight[over], allowed - lost)
        margin = max(0.0, -_rounded_down(gap))
    kept = passes(cosine, needed, floor=floor, margin=margin)
    recall, low, high = _recall(found.text[yes], kept, weight)
    return CascadeThresholds(
        floor, margin, recall, low, high, texts, int(yes.sum()), len(found.text), measured
    )


def _thresholds_keeping(values: Floats, weight: Floats, allowed: float) -> float:
    """The highest bound below which values of no more than `allowed` weight lie."""
    order = np.argsort(values, kind="stable")
    lost = np.cumsum(weight[order]) - weight[order]
    return float(values[order][lost <= allowed + 1e-9][-1])


def _rounded_down(value: float) -> float:
    return float(round(np.floor(value / STEP + 1e-6) * STEP, 2))


def _recall(text: Positions, kept: Flags, weight: Floats) -> tuple[float, float, float]:
    if not len(text):
        return 1.0, 0.0, 1.0
    recall = float(weight[kept].sum() / (weight.sum() + 1))
    # Of pairs that stand for different numbers fewer are as good as these (Kish 1965).
    effective = weight.sum() ** 2 / (len(weight) * (weight**2).sum())
    units = max(round(len(np.unique(text)) * effective), 1)
    found = share_interval(round(recall * units), units)
    return recall, min(found.low, recall), max(found.high, recall)


class Strata:
    """Pairs of a stream, at most so many of each stratum, with what each stands for.

    Which pairs stay depends on the pairs alone, not on their order or on how they come in parts.

    Args:
        limit: pairs kept of one stratum, between half of it and all where there are more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rate: dict[int, float] = {}
        self.parts: list[tuple[npt.NDArray[Any], ...]] = []
        self.waiting = 0  # pairs added since the last thinning

    def add(self, stratum: Positions, *columns: npt.NDArray[Any]) -> None:
        """Add (p,) pairs; the first two of the columns name a pair."""
        part = (stratum, _priority(columns[0], columns[1]), *columns)
        self.parts.append(part)
        self.waiting += len(stratum)
        if self.waiting > WAITING:
            self._thin()

    def _thin(self) -> None:
        self.waiting = 0
        if not self.parts:
            return
        whole = tuple(np.concatenate(column) for column in zip(*self.parts, strict=True))
        stratum, priority = whole[0], whole[1]
        kept = np.ones(len(stratum), bool)
        for number in np.unique(stratum).tolist():
            rows = np.flatnonzero(stratum == number)
            rate = self.rate.get(number, 1.0)
            while (priority[rows] < rate).sum() > self.limit:
                rate /= 2
            self.rate[number] = rate
            kept[rows] = priority[rows] < rate
        self.parts = [tuple(column[kept] for column in whole)]

    def pairs(self) -> tuple[npt.NDArray[Any], ...]:
        """The columns of the pairs that stayed, and last their (p,) weights."""
        self._thin()
        if not self.parts:
            return ()
        stratum, _, *columns = self.parts[0]
        weight = np.array([1 / self.rate[number] for number in stratum.tolist()])
        order = np.lexsort((columns[1], columns[0]))
        return (*(column[order] for column in columns), weight[order])


def _priority(left: Positions, right: Positions) -> Floats:
    """(p,) uniform in 0 … 1, from the numbers of the pair alone (the finaliser of SplitMix64)."""
    mixed = left.astype(np.uint64) << np.uint64(32) ^ right.astype(np.uint64)
    mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / (1 << 53)


# Down to this cosine by the student the sampled texts' pairs are looked at.
PROBE = 0.6
WIDTH = 0.05  # of a stratum of cosines
# Pairs of one stratum whose words are compared, and that the teacher is asked about.
COMPARED, ASKED = 200_000, 400
CHUNK = 256  # sampled texts searched at a time


def sample_neighbours(vectors: Vectors, size: int) -> tuple[npt.NDArray[Any], ...]:
    """Pairs of the first texts, which are as good as any in the order of a hash, with weights."""
    strata = Strata(COMPARED)
    nothing = np.zeros(0, np.int64)
    strata.add(nothing, nothing, nothing, np.zeros(0))
    for start in range(0, size, CHUNK):
        queries = np.ascontiguousarray(vectors[start : min(start + CHUNK, size)])
        for hits in block_hits(queries, vectors, PROBE, kernel=fastest(size * len(vectors))):
            own, other = hits.row + start, hits.column
            once = np.where(other < size, own < other, True)
            own, other = own[once], other[once]
            cosine = cosines(vectors, own, other).astype(np.float64)
            near = cosine >= PROBE
            strata.add((cosine[near] / WIDTH).astype(int), own[near], other[near], cosine[near])
    return strata.pairs()


def doubt_of(cosine: Floats, needed: Floats) -> Positions:
    """(p,) strata by how far the student is from what the judge needs; by its cosine if unknown."""
    gap = np.floor((needed - cosine) / WIDTH).astype(int)
    return np.where(needed == ALWAYS, 1000 + (cosine / WIDTH).astype(int), gap)
