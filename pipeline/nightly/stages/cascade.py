"""A cascade at work: the student's floor, and the texts that meet the teacher. SHELL."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Floats, Pairs, cosines, pair_sides, progress
from pipeline.candidates import (
    ALWAYS,
    ASKED,
    PROBE,
    CandidatePairs,
    CascadeThresholds,
    ContentGroups,
    ProposedBy,
    SampledPairs,
    Strata,
    choose_thresholds,
    doubt_of,
    sample_neighbours,
)
from pipeline.catalog import CascadeChoice, CascadeCounts
from pipeline.config import CascadeText
from pipeline.matching import BATCH, OUTGROWN, TextComparison, score_pairs
from pipeline.nightly.stages.contents import contents_of, frequencies_of
from pipeline.nightly.stages.embed import embed_asked, meet_teacher
from pipeline.nightly.stages.score import judge_key
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import embedded_by
from pipeline.nightly.state.previous_run import key_of
from pipeline.nightly.state.rules import floors_of, make_judge
from pipeline.nightly.state.run_records import read_column

METHOD = 2  # how floor and margin are chosen; another one chooses anew


def choose_cascade(context: RunContext, units: ContentGroups) -> CascadeThresholds | None:
    """Floor and margin of a run's cascade: last night's, or found on a sample; None without one.

    They stand until the student, the teacher, the judge or the settings are others, or the corpus
    has doubled or halved, so that a pair does not come and go with other records.
    """
    encoder = context.config.text_encoder
    if not isinstance(encoder, CascadeText) or not len(units.text_hashes):
        return None
    if kept := context.work.kept(CascadeChoice):
        return kept.choice
    meet_teacher(context)
    key, count = _key(context, units, encoder), len(units.text_hashes)
    chosen = context.base_run and context.base_run.summary.state.cascade
    if not chosen or chosen.key != key or not 1 / OUTGROWN <= count / chosen.of <= OUTGROWN:
        progress.say("choosing the cascade's floor on a sample of texts")
        chosen = CascadeChoice(key, count, context.run, _measure(context, units, encoder))
    context.work.keep(chosen)
    return chosen.choice


def _key(context: RunContext, units: ContentGroups, encoder: CascadeText) -> str:
    student = embedded_by(context, "text").fingerprint
    judged = judge_key(context, make_judge(context), frequencies_of(context, units)[0])
    return key_of(
        student=student, judge=judged, target=encoder.target_recall, sample=encoder.sample,
        floor=floors_of(context)["text"], method=METHOD,
    )  # fmt: skip


def _measure(context: RunContext, units: ContentGroups, encoder: CascadeText) -> CascadeThresholds:
    vectors = context.work.matrix("text")
    size = min(encoder.sample, len(vectors))
    left, right, cosine, weight = sample_neighbours(vectors, size)
    needed = _needed_pairs(context, units, (left, right), most=np.ones(len(left)))
    left, right, cosine, needed, weight = (
        values[needed <= 1] for values in (left, right, cosine, needed, weight)
    )
    strata = Strata(ASKED)
    strata.add(doubt_of(cosine, needed), left, right, cosine, needed, weight)
    left, right, cosine, needed, weight, thinned = strata.pairs()
    duplicate = _judge_sample(context, units, (left, right))
    sampled = SampledPairs(np.minimum(left, right), cosine, needed, duplicate, weight * thinned)
    return choose_thresholds(sampled, target=encoder.target_recall, texts=size, lowest=PROBE)


def _needed_pairs(
    context: RunContext, units: ContentGroups, pairs: Pairs, *, most: Floats
) -> Floats:
    """(p,) cosine that each pair of texts needs; pairs with pictures on both sides always pass.

    Infinite where no cosine helps: each text has words that the other cannot account for.

    Args:
        most: (p,) what is asked about; where the weights of the words alone exclude so little, the
            words are not compared and the answer is infinite.
    """
    left, right = pairs
    judge = make_judge(context)
    used = np.unique(np.concatenate([left, right]))
    texts = read_column(
        context, units.text_hashes.take(pa.array(used)), modality="text", column="text"
    )
    frequencies, _ = frequencies_of(context, units)
    comparer = TextComparison(texts, threads=context.threads, frequencies=frequencies)
    pictured = np.zeros(len(units.text_hashes), bool)
    pictured[units.text[(units.text >= 0) & (units.image >= 0)]] = True
    both = pictured[left] & pictured[right]
    needed = np.where(both, ALWAYS, np.inf)
    for start in range(0, len(left), BATCH):
        part = np.flatnonzero(~both[start : start + BATCH]) + start
        rows = np.searchsorted(used, left[part]), np.searchsorted(used, right[part])
        open_ = judge.text.needed_cosine(comparer.bounded(*rows)) <= most[part]
        part, rows = part[open_], (rows[0][open_], rows[1][open_])
        needed[part] = judge.text.needed_cosine(comparer.compare(*rows, edits=False))
        likely = needed[part] <= most[part]
        part, rows = part[likely], (rows[0][likely], rows[1][likely])
        words = np.minimum(*(comparer.word_count[side] for side in rows))
        needed[part[judge.variants(comparer.conflicts(*rows), words)]] = np.inf
    return needed


def _judge_sample(context: RunContext, units: ContentGroups, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """(p,) what the judge says of pairs of texts once both have met the teacher."""
    embed_asked(context, units.text_hashes, np.unique(np.concatenate(pairs)), purpose="sample")
    first = np.full(len(units.text_hashes), -1, np.int64)
    having = np.flatnonzero(units.text >= 0)[::-1]
    first[units.text[having]] = having
    sides = first[pairs[0]], first[pairs[1]]
    low, high = np.minimum(*sides), np.maximum(*sides)
    chosen_units = np.unique(np.concatenate([low, high]))
    contents = contents_of(context, units, chosen_units, frequencies_of(context, units)[0])
    key = np.searchsorted(chosen_units, low) * len(chosen_units)
    key += np.searchsorted(chosen_units, high)
    order = np.argsort(key)
    nothing = np.full(len(key), np.nan, np.float32)
    candidates = CandidatePairs(key[order], np.full(len(key), ProposedBy.TEXT, np.uint8), nothing)
    yes = np.zeros(len(key), bool)
    said = score_pairs(candidates, contents, make_judge(context)).judgement
    yes[order] = said.probability >= said.threshold
    return yes


def filter_student_pairs(
    context: RunContext, units: ContentGroups, pairs: Pairs, choice: CascadeThresholds
) -> Pairs:
    """The student's pairs of texts that the teacher must see."""
    left, right = pairs
    if not len(left):
        return pairs
    cosine = cosines(context.work.matrix("text"), left, right).astype(np.float64)
    needed = _needed_pairs(context, units, pairs, most=np.minimum(cosine + choice.margin, 1.0))
    kept = choice.passes(cosine, needed)
    return left[kept], right[kept]


def ask_teacher(
    context: RunContext,
    units: ContentGroups,
    proposed: CandidatePairs,
    choice: CascadeThresholds,
    proposals: int,
) -> tuple[CandidatePairs, CascadeCounts]:
    """Embed the texts of the candidate pairs with the teacher, and leave out what it sets apart.

    Args:
        proposals: pairs of texts that the student proposed.

    Returns:
        The candidates without those that only the student proposed and that the teacher finds
        below its own floor, and what the summary tells.
    """
    left, right = (units.text[side] for side in pair_sides(proposed.key, len(units.rows)))
    both = np.flatnonzero((left >= 0) & (right >= 0))
    asked = np.unique(np.concatenate([left[both], right[both]]))
    made = embed_asked(context, units.text_hashes, asked, purpose="asked")
    alone = both[(proposed.proposed_by[both] == ProposedBy.TEXT) & (left[both] != right[both])]
    rows = np.searchsorted(asked, left[alone]), np.searchsorted(asked, right[alone])
    floor = floors_of(context)["text"]
    kept = np.ones(len(proposed.key), bool)
    kept[alone] = cosines(context.work.matrix("asked"), *rows) >= np.float32(floor)
    told = CascadeCounts(
        choice=choice,
        measured_in=context.work.require(CascadeChoice).run,
        proposed=proposals,
        asked=len(asked),
        share_asked=len(asked) / max(len(units.text_hashes), 1),
        embedded=made.embedded,
        failed=made.failed,
    )
    return proposed.part(kept), told
