"""Proposers of text pairs: the text encoder itself, or a student before it. SHELL."""

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
from pipeline.config import StudentConfig
from pipeline.matching import (
    BATCH,
    OUTGROWN,
    TextComparison,
    describe_differences,
    score_pairs,
)
from pipeline.nightly.stages.embed import embed_asked, meet_teacher
from pipeline.nightly.stages.score import judge_key
from pipeline.nightly.state.contents import contents_of
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import embedded_by
from pipeline.nightly.state.previous_run import key_of
from pipeline.nightly.state.rules import floors_of, make_judge
from pipeline.nightly.state.run_records import read_column
from pipeline.nightly.state.word_statistics import frequencies_of

METHOD = 2  # how floor and margin are chosen; another one chooses anew


class Direct:
    """The text encoder's own vectors, searched down to its floor."""

    def __init__(self, context: RunContext) -> None:
        self.floor = floors_of(context)["text"]

    def select(self, pairs: Pairs) -> Pairs:
        """The near pairs that are candidates: all."""
        return pairs

    def screen(self, pairs: Pairs) -> Pairs:
        """The pairs that share a rare word and are candidates: all."""
        return pairs

    def confirm(
        self, proposed: CandidatePairs, found: int
    ) -> tuple[CandidatePairs, CascadeCounts | None]:
        """The candidates that are judged, and what the summary tells: all, and nothing."""
        return proposed, None


class StudentFirst:
    """The student's vectors, of whose pairs its teacher sees those that it may accept.

    Args:
        choice: floor and margin of the student.
    """

    def __init__(
        self, context: RunContext, groups: ContentGroups, choice: CascadeThresholds
    ) -> None:
        self.context, self.groups, self.choice = context, groups, choice
        self.floor = choice.floor

    def select(self, pairs: Pairs) -> Pairs:
        """The near pairs that the teacher must see."""
        return filter_student_pairs(self.context, self.groups, pairs, self.choice)

    def screen(self, pairs: Pairs) -> Pairs:
        """The pairs that share a rare word and that their words alone do not part.

        What the student says of them does not count: they are there because vectors miss them.
        """
        left, right = pairs
        if not len(left):
            return pairs
        most = np.ones(len(left))
        kept = _needed_pairs(self.context, self.groups, pairs, most=most) <= most
        return left[kept], right[kept]

    def confirm(
        self, proposed: CandidatePairs, found: int
    ) -> tuple[CandidatePairs, CascadeCounts | None]:
        """See `ask_teacher`; `found` near pairs the student proposed."""
        return ask_teacher(self.context, self.groups, proposed, self.choice, found)


def text_proposer(context: RunContext, groups: ContentGroups) -> Direct | StudentFirst:
    """Who proposes a run's pairs of texts; a student where one is set and there are texts."""
    student = context.config.student
    if student is None or not len(groups.text_hashes):
        return Direct(context)
    return StudentFirst(context, groups, choose_cascade(context, groups, student))


def choose_cascade(
    context: RunContext, groups: ContentGroups, student: StudentConfig
) -> CascadeThresholds:
    """Floor and margin of a run's student: the previous run's, or found on a sample.

    They stand until the student, the teacher, the judge or the settings are others, or the corpus
    has doubled or halved, so that a pair does not come and go with other records.
    """
    if kept := context.work.kept(CascadeChoice):
        return kept.choice
    meet_teacher(context)
    key, count = _key(context, groups, student), len(groups.text_hashes)
    chosen = context.base_run and context.base_run.summary.state.cascade
    if not chosen or chosen.key != key or not 1 / OUTGROWN <= count / chosen.of <= OUTGROWN:
        progress.say("choosing the student's floor on a sample of texts")
        chosen = CascadeChoice(key, count, context.run, _measure(context, groups, student))
    context.work.keep(chosen)
    return chosen.choice


def _key(context: RunContext, groups: ContentGroups, student: StudentConfig) -> str:
    proposing = embedded_by(context, "text").fingerprint
    judged = judge_key(context, make_judge(context), frequencies_of(context, groups)[0])
    return key_of(
        student=proposing, judge=judged, target=student.target_recall, sample=student.sample,
        floor=floors_of(context)["text"], method=METHOD,
    )  # fmt: skip


def _measure(
    context: RunContext, groups: ContentGroups, student: StudentConfig
) -> CascadeThresholds:
    vectors = context.work.matrix("text")
    size = min(student.sample, len(vectors))
    left, right, cosine, weight = sample_neighbours(vectors, size)
    needed = _needed_pairs(context, groups, (left, right), most=np.ones(len(left)))
    left, right, cosine, needed, weight = (
        values[needed <= 1] for values in (left, right, cosine, needed, weight)
    )
    strata = Strata(ASKED)
    strata.add(doubt_of(cosine, needed), left, right, cosine, needed, weight)
    left, right, cosine, needed, weight, thinned = strata.pairs()
    duplicate = _judge_sample(context, groups, (left, right))
    sampled = SampledPairs(np.minimum(left, right), cosine, needed, duplicate, weight * thinned)
    return choose_thresholds(sampled, target=student.target_recall, texts=size, lowest=PROBE)


def _needed_pairs(
    context: RunContext, groups: ContentGroups, pairs: Pairs, *, most: Floats
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
        context, groups.text_hashes.take(pa.array(used)), modality="text", column="text"
    )
    frequencies, _ = frequencies_of(context, groups)
    comparer = TextComparison(texts, threads=context.threads, document_frequencies=frequencies)
    pictured = np.zeros(len(groups.text_hashes), bool)
    pictured[groups.text[(groups.text >= 0) & (groups.image >= 0)]] = True
    both = pictured[left] & pictured[right]
    needed = np.where(both, ALWAYS, np.inf)
    for start in range(0, len(left), BATCH):
        part = np.flatnonzero(~both[start : start + BATCH]) + start
        rows = np.searchsorted(used, left[part]), np.searchsorted(used, right[part])
        open_ = judge.text.needed_cosine(comparer.upper_bound(*rows)) <= most[part]
        part, rows = part[open_], (rows[0][open_], rows[1][open_])
        needed[part] = judge.text.needed_cosine(comparer.compare(*rows, edits=False))
        likely = needed[part] <= most[part]
        part, rows = part[likely], (rows[0][likely], rows[1][likely])
        found = describe_differences(texts, *rows, frequencies=frequencies)
        needed[part[judge.parted(found.verdict, found.verbatim)]] = np.inf
    return needed


def _judge_sample(
    context: RunContext, groups: ContentGroups, pairs: Pairs
) -> npt.NDArray[np.bool_]:
    """(p,) what the judge says of pairs of texts once both have met the teacher."""
    embed_asked(context, groups.text_hashes, np.unique(np.concatenate(pairs)), purpose="sample")
    first = np.full(len(groups.text_hashes), -1, np.int64)
    having = np.flatnonzero(groups.text >= 0)[::-1]
    first[groups.text[having]] = having
    sides = first[pairs[0]], first[pairs[1]]
    low, high = np.minimum(*sides), np.maximum(*sides)
    chosen_groups = np.unique(np.concatenate([low, high]))
    contents = contents_of(context, groups, chosen_groups, frequencies_of(context, groups)[0])
    key = np.searchsorted(chosen_groups, low) * len(chosen_groups)
    key += np.searchsorted(chosen_groups, high)
    order = np.argsort(key)
    nothing = np.full(len(key), np.nan, np.float32)
    candidates = CandidatePairs(key[order], np.full(len(key), ProposedBy.TEXT, np.uint8), nothing)
    yes = np.zeros(len(key), bool)
    said = score_pairs(candidates, contents, make_judge(context)).judgement
    yes[order] = said.probability >= said.threshold
    return yes


def filter_student_pairs(
    context: RunContext, groups: ContentGroups, pairs: Pairs, choice: CascadeThresholds
) -> Pairs:
    """The student's pairs of texts that the teacher must see."""
    left, right = pairs
    if not len(left):
        return pairs
    cosine = cosines(context.work.matrix("text"), left, right).astype(np.float64)
    needed = _needed_pairs(context, groups, pairs, most=np.minimum(cosine + choice.margin, 1.0))
    kept = choice.passes(cosine, needed)
    return left[kept], right[kept]


def ask_teacher(
    context: RunContext,
    groups: ContentGroups,
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
    left, right = (groups.text[side] for side in pair_sides(proposed.key, len(groups.rows)))
    both = np.flatnonzero((left >= 0) & (right >= 0))
    asked = np.unique(np.concatenate([left[both], right[both]]))
    made = embed_asked(context, groups.text_hashes, asked, purpose="asked")
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
        share_asked=len(asked) / max(len(groups.text_hashes), 1),
        embedded=made.embedded,
        failed=made.failed,
    )
    return proposed.part(kept), told
