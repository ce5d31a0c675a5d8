"""Adaptation of the shipped judge of texts to the corpus it judges, without labels. SHELL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats, Pairs, Positions, pair_sides
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy
from pipeline.matching import (
    DOUBTFUL,
    NEAR_VERBATIM,
    CorpusStatistics,
    DocumentFrequencies,
    Kind,
    TextEvidence,
    TransferredRule,
    evidence_of,
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

# Candidates whose scores tell the share of matches, and those of them whose differences are read.
SAMPLE = 20_000
READ = 2_000
# Fewer candidates tell no share of matches.
FEWEST = 1_000
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
    """Ask samples of the candidates for the share of matches, and how copies differ."""
    left, right = pair_sides(candidates.key, len(groups.rows))
    texts = groups.text[left], groups.text[right]
    able = (texts[0] >= 0) & (texts[1] >= 0) & (texts[0] != texts[1])
    drawn = _of_some_groups(left, right, able)
    if len(drawn) < FEWEST:
        return learned
    sampled = _Sampled(context, groups, frequencies, learned, (left[drawn], right[drawn]))
    shift = rule.judge.shift_of(rule.score(sampled.evidence.text))
    # What shares rare words is nearer than most of what is near by vector, of which there may be
    # hundreds to a text.
    worded = able & ((candidates.proposed_by & (ProposedBy.RARE_WORD | ProposedBy.LEXICAL)) > 0)
    drawn = _of_some_groups(left, right, worded)
    sampled = _Sampled(context, groups, frequencies, learned, (left[drawn], right[drawn]))
    probability = rule.adapted(shift).probability(sampled.evidence.text)
    likely = (probability >= rule.accept) & _nearest(left[drawn], right[drawn], probability)
    likely &= np.cumsum(likely) <= READ
    told = with_differences(sampled.evidence, sampled.contents, sampled.sides, likely).text
    differ = (told.difference >= DOUBTFUL) & (told.verbatim >= NEAR_VERBATIM)
    loose = differ & _in_several_places(told)
    return learned.adapted(shift=shift, near_copies=int(differ.sum()), loose=int(loose.sum()))


class _Sampled:
    """Some pairs of groups with their evidence."""

    def __init__(
        self,
        context: RunContext,
        groups: ContentGroups,
        frequencies: DocumentFrequencies,
        learned: CorpusStatistics,
        pairs: Pairs,
    ) -> None:
        chosen, place = np.unique(np.concatenate(pairs), return_inverse=True)
        self.sides = place[: len(pairs[0])], place[len(pairs[0]) :]
        self.contents = contents_of(context, groups, chosen, frequencies, learned)
        nothing = np.full(len(pairs[0]), np.nan, np.float32)
        self.evidence = evidence_of(self.contents, *self.sides, nothing)


def _of_some_groups(left: Positions, right: Positions, able: Flags) -> Positions:
    """Rows of at most SAMPLE able pairs: all those of some groups, drawn by their numbers."""
    rows = np.flatnonzero(able)
    turn = np.minimum(left[rows].astype(np.uint64) * ODD, right[rows].astype(np.uint64) * ODD)
    drawn: Positions = rows[np.argsort(turn, kind="stable")[:SAMPLE]]
    return drawn


def _nearest(left: Positions, right: Positions, probability: Floats) -> Flags:
    """(p,) pairs than which the group that was drawn has none more probable.

    What is made from one template is alike too; a group's own copy is nearer.
    """
    turn = left.astype(np.uint64) * ODD, right.astype(np.uint64) * ODD
    own = np.where(turn[0] < turn[1], left, right)
    most = np.zeros(int(own.max(initial=-1)) + 1)
    np.maximum.at(most, own, probability)
    return np.asarray(probability == most[own])


def _in_several_places(told: TextEvidence) -> Flags:
    """(p,) texts that differ in two places or more, by a typo, or by a column that one lacks."""
    several = np.array([bool(spans) and "; " in spans for spans in told.spans.tolist()], bool)
    return np.asarray(several | ((told.kinds & (Kind.MISSING | Kind.SPELLING)) > 0))
