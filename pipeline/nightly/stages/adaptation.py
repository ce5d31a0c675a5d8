"""Adaptation of the shipped judge of texts to the corpus it judges, without labels. SHELL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Floats, Pairs, Positions, factorize_strings, pair_sides
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy
from pipeline.matching import (
    DOUBTFUL,
    LEAST,
    LEAST_ACROSS,
    MOST,
    NEAR_VERBATIM,
    SURE,
    USUAL,
    CorpusStatistics,
    DocumentFrequencies,
    Kind,
    TextEvidence,
    TransferredRule,
    evidence_of,
    inside_of,
    shift_of,
    with_differences,
)
from pipeline.nightly.state.contents import contents_of
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.rules import rules_of
from pipeline.nightly.state.run_records import read_records
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
    adapted = _partners(context, sampled, _own(*pairs), rule, learned)
    sampled = _Sampled(context, groups, frequencies, adapted, pairs)
    known = rule.adapted(USUAL if adapted.shift is None else adapted.shift)
    probability = known.probability(sampled.evidence.text)
    likely = (probability >= rule.accept) & (probability == _best(_own(*pairs), probability))
    likely &= np.cumsum(likely) <= READ
    told = with_differences(sampled.evidence, sampled.contents, sampled.sides, likely).text
    differ = (told.difference >= DOUBTFUL) & (told.verbatim >= NEAR_VERBATIM)
    loose = differ & _in_several_places(told)
    return adapted.seen(near_copies=int(differ.sum()), loose=int(loose.sum()))


def _partners(
    context: RunContext,
    sampled: _Sampled,
    own: Positions,
    rule: TransferredRule,
    learned: CorpusStatistics,
) -> CorpusStatistics:
    """What the best partners of some groups say of the corpus, inside and across its sources."""
    odds = rule.score(sampled.evidence.text)
    code, names = sampled.source, sampled.sources
    same = code[sampled.sides[0]] == code[sampled.sides[1]]
    free = np.isin(names, context.config.duplicate_free)
    promised = same & free[code[sampled.sides[0]]]
    of_own = np.zeros(int(own.max()) + 1, np.int64)
    of_own[own] = code[np.where(own == sampled.pairs[0], *sampled.sides)]
    there = np.unique(own)

    def sure(chosen: Flags) -> Positions:
        """Sampled groups of each source with a sure partner."""
        found = np.unique(own[chosen & (odds >= SURE)])
        return np.bincount(of_own[found], minlength=len(names))

    counts = sure(same), sure(~same)
    worth = np.array(
        [inside_of(*pair) for pair in zip(*map(np.ndarray.tolist, counts), strict=True)]
    )
    worth = np.where(np.bincount(of_own[there], minlength=len(names)) > 0, worth, 0.0)
    plenty = USUAL + rule.judge.plenty_of(odds)
    odds = np.where(same, odds + worth[of_own[own]], odds)
    odds[promised] = -np.inf
    best = _best(own, odds)[np.unique(own, return_index=True)[1]]
    # Where one source holds a thing once, the best assignment decides between rivals.
    protected = bool((promised | ~same).all()) and len(names) > 1
    most = MOST if protected else min(plenty, MOST)
    least = LEAST_ACROSS if len(names) > 1 else LEAST
    if not any(source.has_fields for source in context.config.sources):
        most = LEAST  # a short text alone says too little to be taken for another
    inside = {name: float(value) for name, value in zip(names, worth, strict=True) if value}
    return learned.adapted(shift_of(best, least=least, most=most), inside if len(names) > 1 else {})


class _Sampled:
    """Some pairs of groups with their evidence, and the sources of the groups."""

    def __init__(
        self,
        context: RunContext,
        groups: ContentGroups,
        frequencies: DocumentFrequencies,
        learned: CorpusStatistics,
        pairs: Pairs,
    ) -> None:
        self.pairs = pairs
        chosen, place = np.unique(np.concatenate(pairs), return_inverse=True)
        self.sides = place[: len(pairs[0])], place[len(pairs[0]) :]
        self.contents = contents_of(context, groups, chosen, frequencies, learned)
        column = read_records(context, ["source"])["source"].take(pa.array(groups.rows[chosen]))
        names, self.source = factorize_strings(column)
        self.sources = names.to_pylist()
        nothing = np.full(len(pairs[0]), np.nan, np.float32)
        self.evidence = evidence_of(self.contents, *self.sides, nothing)


def _of_some_groups(left: Positions, right: Positions, able: Flags) -> Positions:
    """Rows of at most SAMPLE able pairs: all those of some groups, drawn by their numbers."""
    rows = np.flatnonzero(able)
    turn = np.minimum(left[rows].astype(np.uint64) * ODD, right[rows].astype(np.uint64) * ODD)
    drawn: Positions = rows[np.argsort(turn, kind="stable")[:SAMPLE]]
    return drawn


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
