"""Adaptation of the shipped judge of texts to the corpus it judges, without labels. SHELL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats, Pairs, Positions, pair_sides
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy
from pipeline.matching import (
    DOUBTFUL,
    NEAR_VERBATIM,
    SURE,
    CorpusStatistics,
    DocumentFrequencies,
    Kind,
    TextEvidence,
    TransferredRule,
    evidence_of,
    inside_of,
    learn_column_levels,
    shift_bounds,
    shift_of,
    with_differences,
)
from pipeline.nightly.state.contents import contents_of
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.rules import rules_of
from pipeline.nightly.state.word_statistics import (
    keep_statistics,
    known_statistics,
    learn_statistics,
)

# Candidates that are scored, and those of them whose differences are read.
SAMPLE = 20_000
READ = 2_000
# Fewer candidates tell nothing of the corpus.
FEWEST = 1_000
# Log-odds inside a source from which it is taken for a list that holds a thing once.
LISTED = -1.0
ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class AdaptedStatistics:
    """What the shipped judge knows of the corpus, and the version of its table."""

    statistics: CorpusStatistics
    version: int


def statistics_of(
    context: RunContext,
    groups: ContentGroups,
    candidates: CandidatePairs,
    frequencies: DocumentFrequencies,
) -> AdaptedStatistics | None:
    """What the shipped judge of texts knows of the corpus; None: another judge is at work."""
    rule = rules_of(context).text.rule
    if not isinstance(rule, TransferredRule):
        return None
    if (known := known_statistics(context)) is not None:
        return AdaptedStatistics(*known)
    learned = learn_statistics(context, groups)
    adapted = _adapt(context, groups, candidates, frequencies, learned, rule)
    return AdaptedStatistics(adapted, keep_statistics(context, adapted))


def _adapt(
    context: RunContext,
    groups: ContentGroups,
    candidates: CandidatePairs,
    frequencies: DocumentFrequencies,
    learned: CorpusStatistics,
    rule: TransferredRule,
) -> CorpusStatistics:
    """Ask a sample of the candidates where the corpus' matches lie, and how copies differ."""
    left, right = pair_sides(candidates.key, len(groups.rows))
    texts = groups.text[left], groups.text[right]
    able = (texts[0] >= 0) & (texts[1] >= 0) & (texts[0] != texts[1])
    # What shares rare words is nearer than most of what is near by vector, of which there may be
    # hundreds to a text.
    worded = able & ((candidates.proposed_by & (ProposedBy.RARE_WORD | ProposedBy.LEXICAL)) > 0)
    drawn = _of_some_groups(left, right, worded if worded.any() else able)
    if len(drawn) < FEWEST:
        return learned
    pairs = left[drawn], right[drawn]
    sampled = _Sampled(context, groups, frequencies, learned, pairs)
    found = _partners(context, sampled, rule, learned)
    accepted = found.odds >= 0
    best = accepted & (found.odds == _best(sampled.own, found.odds))
    # Where a thing is once in a source, a lesser partner in it is another thing.
    slot = sampled.own * len(sampled.sources) + sampled.source_of_other
    match = accepted & found.listed & (found.odds == _best(slot, found.odds))
    lesser = accepted & found.listed & ~match
    read = _first(best) | _first(match) | _first(lesser)
    told = with_differences(sampled.evidence, sampled.contents, sampled.sides, read).text
    names = sampled.contents.columns.names if sampled.contents.columns else ()
    bits = told.differing
    columns = learn_column_levels(names, bits[read & match], bits[read & lesser])
    differ = _first(best) & (told.difference >= DOUBTFUL) & (told.verbatim >= NEAR_VERBATIM)
    loose = differ & _in_several_places(told)
    return found.adapted.seen(
        columns, near_copies=int(differ.sum()), loose=int(loose.sum()), promised=found.protected
    )


@dataclass(frozen=True)
class _Partners:
    """What the best partners of some groups say of the corpus.

    Attributes:
        odds: (p,) log-odds of the sampled pairs in it, counted from the threshold.
        listed: (p,) pairs across two sources that look as if they held a thing once; none where
            they are promised to, since then the best assignment decides.
        protected: all pairs are between sources that are promised to.
    """

    adapted: CorpusStatistics
    odds: Floats
    listed: Flags
    protected: bool


def _partners(
    context: RunContext, sampled: _Sampled, rule: TransferredRule, learned: CorpusStatistics
) -> _Partners:
    """Look at the best partners of some groups, inside and across the sources."""
    odds, own, names = rule.score(sampled.evidence.text), sampled.own, sampled.sources
    source, several = sampled.source_of_own, len(sampled.sources) > 1
    same = source == sampled.source_of_other
    free = np.isin(names, context.config.duplicate_free)

    def sure(chosen: Flags) -> list[int]:
        """Sampled groups of each source with a sure partner."""
        _, first = np.unique(own[chosen & (odds >= SURE)], return_index=True)
        found = source[chosen & (odds >= SURE)][first]
        return list(map(int, np.bincount(found, minlength=len(names))))

    inside = np.array(list(map(inside_of, sure(same), sure(~same)))) * several
    plenty = rule.judge.plenty_of(odds)
    odds = np.where(same, odds + inside[source], odds)
    odds[same & free[source]] = -np.inf
    best = _best(own, odds)[np.unique(own, return_index=True)[1]]
    # Where a source holds a thing once, the best assignment decides between rivals.
    protected = several and bool((free[source] | ~same).all())
    columns = any(entry.has_fields for entry in context.config.sources)
    least, most = shift_bounds(plenty, several=several, protected=protected, columns=columns)
    shift = shift_of(best, least=least, most=most)
    known = {name: float(worth) for name, worth in zip(names, inside, strict=True) if worth}
    listed = free | (inside <= LISTED)
    pairs = ~same & listed[source] & listed[sampled.source_of_other] & (not protected)
    return _Partners(learned.adapted(shift, known), odds + shift, pairs, protected)


class _Sampled:
    """Some pairs of groups with their evidence.

    Attributes:
        own: (p,) the group by which each pair was drawn.
        sources: names; source_of_own, source_of_other: (p,) places in them.
    """

    def __init__(
        self,
        context: RunContext,
        groups: ContentGroups,
        frequencies: DocumentFrequencies,
        learned: CorpusStatistics,
        pairs: Pairs,
    ) -> None:
        self.own = _own(*pairs)
        chosen, place = np.unique(np.concatenate(pairs), return_inverse=True)
        self.sides = place[: len(pairs[0])], place[len(pairs[0]) :]
        self.contents = contents_of(context, groups, chosen, frequencies, learned)
        levels = self.contents.sources
        assert levels is not None  # there are statistics
        self.sources, source = levels.names, levels.code
        left = self.own == pairs[0]
        ends = source[self.sides[0]], source[self.sides[1]]
        self.source_of_own = np.where(left, *ends)
        self.source_of_other = np.where(left, *ends[::-1])
        nothing = np.full(len(pairs[0]), np.nan, np.float32)
        self.evidence = evidence_of(self.contents, *self.sides, nothing)


def _of_some_groups(left: Positions, right: Positions, able: Flags) -> Positions:
    """Rows of at most SAMPLE able pairs: all those of some groups, drawn by their numbers."""
    rows = np.flatnonzero(able)
    turn = np.minimum(left[rows].astype(np.uint64) * ODD, right[rows].astype(np.uint64) * ODD)
    drawn: Positions = rows[np.argsort(turn, kind="stable")[:SAMPLE]]
    return drawn


def _first(chosen: Flags) -> Flags:
    """(p,) the first READ of some pairs."""
    return np.asarray(chosen & (np.cumsum(chosen) <= READ))


def _own(left: Positions, right: Positions) -> Positions:
    """(p,) the group of each pair by which it was drawn."""
    turn = left.astype(np.uint64) * ODD, right.astype(np.uint64) * ODD
    own: Positions = np.where(turn[0] < turn[1], left, right)
    return own


def _best(own: Positions, scores: Floats) -> Floats:
    """(p,) the best score that the group of each pair has.

    What is made from one template is alike too; a group's own copy is nearer.
    """
    most = np.full(int(own.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(most, own, scores)
    return np.asarray(most[own])


def _in_several_places(told: TextEvidence) -> Flags:
    """(p,) texts that differ in two places or more, by a typo, or by a column that one lacks."""
    several = np.array([bool(spans) and "; " in spans for spans in told.spans.tolist()], bool)
    return np.asarray(several | ((told.kinds & (Kind.MISSING | Kind.SPELLING)) > 0))
