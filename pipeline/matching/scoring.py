"""Every candidate pair, judged in bulk: evidence from arrays, one batch of pairs at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Floats, Positions, Vectors, cosines, pair_sides
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy
from pipeline.matching.comparison.text import TextComparison
from pipeline.matching.comparison.text_features import TextFeatures
from pipeline.matching.evidence import Evidence
from pipeline.matching.judge import DUPLICATE, Decisions, Judge, choose_threshold_of
from pipeline.storage import PAIRS

BATCH = 100_000
# Scores are kept to this many decimals: what the report shows is what was decided on.
DECIMALS = 4


@dataclass(frozen=True)
class LearnedInputs:
    """What a learned judge of one modality looks at.

    Attributes:
        features: over the units; None: none.
        background: (contents,) level of each content's background; None: not normalised.
    """

    features: TextFeatures | None = None
    background: npt.NDArray[np.float32] | None = None


class GeometryLookup(Protocol):
    """What geometry found of pairs of pictures, by their places; -1 is none."""

    def verdicts(self, left: Positions, right: Positions) -> Floats:
        """(p,) as `Evidence.image_geometry`."""
        ...

    def edits(self, left: Positions, right: Positions) -> pa.Array:
        """(p,) what makes the right one out of the left one, in words; null: not known."""
        ...


@dataclass(frozen=True)
class Contents:
    """The contents behind the units.

    Attributes:
        units: which content each unit has.
        text_vectors, image_vectors: (t, d) and (i, d) float32, rows as the units' hashes; NaN-free
            rows of zeros where a content could not be embedded.
        comparer: over the texts, rows likewise; None without texts.
        text_judge, image_judge: what a judge that has learned needs beside the above.
        looks: what geometry found of pairs of pictures.
    """

    units: ContentGroups
    text_vectors: Vectors
    image_vectors: Vectors
    comparer: TextComparison | None
    text_judge: LearnedInputs = LearnedInputs()
    image_judge: LearnedInputs = LearnedInputs()
    looks: GeometryLookup | None = None

    def words_of(self, rows: Positions) -> npt.NDArray[np.int64]:
        """Words of each text, 0 for row -1."""
        if self.comparer is None:
            return np.zeros(len(rows), np.int64)
        return np.where(rows >= 0, self.comparer.word_count[np.maximum(rows, 0)], 0)


@dataclass(frozen=True)
class ScoredPairs:
    """A batch of judged pairs of units."""

    left: Positions
    right: Positions
    evidence: Evidence
    judgement: Decisions
    proposed_by: npt.NDArray[np.uint8]


def score_pairs(pairs: CandidatePairs, contents: Contents, judge: Judge) -> ScoredPairs:
    """Judge a batch of candidates, numbered as the units of `contents` are."""
    left, right = pair_sides(pairs.key, len(contents.units.rows))
    evidence = evidence_of(contents, left, right, pairs.lexical)
    scores = judge.scores(evidence)
    likely = judge.likely(evidence, scores)
    evidence = _with_wording(evidence, contents, (left, right), likely)
    return ScoredPairs(left, right, evidence, judge.decide(evidence, scores), pairs.proposed_by)


def evidence_of(
    contents: Contents, left: Positions, right: Positions, lexical: npt.NDArray[np.float32]
) -> Evidence:
    """Evidence of pairs of units, their conflicting words not counted; `lexical` is passed on."""
    units = contents.units
    text = units.text[left], units.text[right]
    image = units.image[left], units.image[right]
    both = (text[0] >= 0) & (text[1] >= 0)
    text_judge = contents.text_judge
    words = {name: np.full(len(left), np.nan) for name in WORDS}
    if contents.comparer is not None and both.any():
        compared = contents.comparer.compare(text[0][both], text[1][both])
        for name in WORDS:
            words[name][both] = getattr(compared, name)
    return Evidence(
        text_cosine=_cosine(contents.text_vectors, *text),
        image_cosine=_cosine(contents.image_vectors, *image),
        lexical=np.asarray(np.round(lexical, DECIMALS), np.float64),
        exact_text=both & (text[0] == text[1]),
        exact_image=(image[0] >= 0) & (image[0] == image[1]),
        short_text=both & (units.short[left] | units.short[right]),
        word_conflicts=np.full(len(left), np.nan),
        words=np.where(both, np.minimum(*(contents.words_of(rows) for rows in text)), 0),
        features=text_judge.features.compare(left, right) if text_judge.features else None,
        image_features=contents.image_judge.features.compare(left, right)
        if contents.image_judge.features
        else None,
        text_background=_background(text_judge.background, *text),
        image_background=_background(contents.image_judge.background, *image),
        image_geometry=None if contents.looks is None else contents.looks.verdicts(*image),
        image_sides=(image[0] >= 0).astype(np.float64) + (image[1] >= 0),
        **words,
    )


def _background(level: npt.NDArray[np.float32] | None, left: Positions, right: Positions) -> Floats:
    """Mean level of both sides' backgrounds; NaN without, or where a side lacks the content."""
    out = np.full(len(left), np.nan)
    if level is not None:
        both = (left >= 0) & (right >= 0)
        out[both] = (level[left[both]].astype(np.float64) + level[right[both]]) / 2
    return out


def _with_wording(
    evidence: Evidence,
    contents: Contents,
    pair: tuple[Positions, Positions],
    likely: npt.NDArray[np.bool_],
) -> Evidence:
    """Count the conflicting words of the pairs that the scores alone would accept."""
    text = contents.units.text[pair[0]], contents.units.text[pair[1]]
    chosen = np.flatnonzero(likely & (text[0] >= 0) & (text[1] >= 0))
    if contents.comparer is None or not len(chosen):
        return evidence
    counts = evidence.word_conflicts.copy()
    counts[chosen] = contents.comparer.conflicts(text[0][chosen], text[1][chosen])
    return replace(evidence, word_conflicts=counts)


WORDS = ("token_overlap", "edit_similarity", "length_ratio", "code_agreement")


def _cosine(vectors: Vectors, left: Positions, right: Positions) -> Floats:
    """Exact cosine where both sides have the content, else NaN; equal contents have 1."""
    out = np.full(len(left), np.nan)
    both = np.flatnonzero((left >= 0) & (right >= 0))
    if len(both):
        out[both] = np.round(cosines(vectors, left[both], right[both]), DECIMALS)
        out[both[left[both] == right[both]]] = 1.0
    return out


def pairs_batch(
    scored: ScoredPairs, *, ids: pa.Array, contents: Contents, judge: Judge, run: str
) -> pa.RecordBatch:
    """The scored pairs as rows of the pairs table; `ids` are the record ids by row."""
    evidence, judgement, units = scored.evidence, scored.judgement, contents.units
    columns = {
        "left_id": ids.take(pa.array(units.rows[scored.left])),
        "right_id": ids.take(pa.array(units.rows[scored.right])),
        **{name: _nullable(getattr(evidence, name)) for name in NUMBERS},
        "word_conflicts": _nullable(evidence.word_conflicts).cast(pa.int32()),
        "exact_text": pa.array(evidence.exact_text),
        "exact_image": pa.array(evidence.exact_image),
        **_with_geometry(scored, contents),
        "contradicts": pa.array(judgement.contradicts),
        "probability": pa.array(judgement.probability.astype(np.float32)),
        "decision": judgement.decision,
        "reason": judgement.reason,
        "proposed_by": ProposedBy.to_words(scored.proposed_by),
        **_sign(judge, run, judgement.threshold),
    }
    return pa.record_batch(columns, schema=PAIRS)


def _with_geometry(scored: ScoredPairs, contents: Contents) -> dict[str, pa.Array]:
    """The columns of what geometry found."""
    count, looked = len(scored.left), scored.evidence.image_geometry
    if contents.looks is None or looked is None:
        return {"image_verified": pa.nulls(count, pa.bool_()),
                "image_edit": pa.nulls(count, pa.string())}  # fmt: skip
    image = contents.units.image
    return {
        "image_verified": pa.array(looked == 1, mask=np.isnan(looked)),
        "image_edit": contents.looks.edits(image[scored.left], image[scored.right]),
    }


NUMBERS = ("text_cosine", "image_cosine", "lexical", *WORDS)


def exact_pairs_batch(
    leader: Positions,
    *,
    ids: pa.Array,
    has: dict[str, npt.NDArray[np.bool_]],
    judge: Judge,
    run: str,
) -> pa.RecordBatch:
    """The star of every exact group: (leader, member) rows with probability 1.

    Args:
        leader: (n,) row of each record's leader.
        has: 'text' and 'image': (n,) whether the record has the modality.
    """
    member = np.flatnonzero(leader != np.arange(len(leader)))
    count = len(member)
    text, image = has["text"][member], has["image"][member]
    one = np.ones(count)
    cases = [(text & image, "identical text and picture"), (text, "identical text")]
    exact = {
        "text_cosine": np.where(text, one, np.nan),
        "image_cosine": np.where(image, one, np.nan),
    }
    exact |= {name: np.where(text, one, np.nan) for name in WORDS[:3]}
    blank = np.full(count, np.nan)
    columns = {
        "left_id": ids.take(pa.array(leader[member])),
        "right_id": ids.take(pa.array(member)),
        **{name: _nullable(exact.get(name, blank)) for name in NUMBERS},
        "word_conflicts": pa.nulls(count, pa.int32()),
        "exact_text": pa.array(text),
        "exact_image": pa.array(image),
        "image_verified": pa.nulls(count, pa.bool_()),
        "image_edit": pa.nulls(count, pa.string()),
        "contradicts": pa.array(np.zeros(count, bool)),
        "probability": pa.array(one.astype(np.float32)),
        "decision": pa.repeat(DUPLICATE, count),
        "reason": choose_threshold_of(cases, "identical picture"),
        "proposed_by": ProposedBy.to_words(np.full(count, ProposedBy.EXACT, np.uint8)),
        **_sign(judge, run, np.full(count, judge.accept)),
    }
    return pa.record_batch(columns, schema=PAIRS)


def _sign(judge: Judge, run: str, threshold: Floats) -> dict[str, pa.Array]:
    """The columns that say who decided."""
    return {
        "model": pa.repeat(judge.name, len(threshold)),
        "threshold": pa.array(threshold.astype(np.float32)),
        "run": pa.repeat(run, len(threshold)),
    }


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=np.isnan(values))
