"""Every candidate pair, judged in bulk: evidence from arrays, one batch of pairs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import (
    Flags,
    Floats,
    Pairs,
    Positions,
    Vectors,
    cosines,
    factorize,
    pair_sides,
)
from pipeline.candidates import CandidatePairs, ContentGroups
from pipeline.matching.comparison.column_levels import ColumnLevels
from pipeline.matching.comparison.source_levels import SourceLevels
from pipeline.matching.comparison.text import TextComparison, WordEvidence
from pipeline.matching.comparison.text_features import TextFeatures
from pipeline.matching.differences.describe import DifferenceReader
from pipeline.matching.evidence import UNSEEN, ImageEvidence, PairEvidence, TextEvidence
from pipeline.matching.judge import Decisions, Judge

BATCH = 100_000
# Scores are kept to this many decimals: what the report shows is what was decided on.
DECIMALS = 4


@dataclass(frozen=True)
class LearnedInputs:
    """What a learned judge of one modality looks at.

    Attributes:
        features: over the groups; None: none.
        background: (contents,) level of each content's background; None: not normalised.
    """

    features: TextFeatures | None = None
    background: npt.NDArray[np.float32] | None = None


class GeometryLookup(Protocol):
    """What geometry found of pairs of pictures, by their places; -1 is none."""

    def verdicts(self, left: Positions, right: Positions) -> Floats:
        """(p,) as `ImageEvidence.geometry`."""
        ...

    def edits(self, left: Positions, right: Positions) -> pa.Array:
        """(p,) what makes the right one out of the left one, in words; null: not known."""
        ...


@dataclass(frozen=True)
class Contents:
    """The contents behind the groups.

    Attributes:
        groups: which content each group has.
        text_vectors, image_vectors: (t, d) and (i, d) float32, rows as the groups' hashes; NaN-free
            rows of zeros where a content could not be embedded.
        comparer: over the texts, rows likewise; None without texts.
        fields: (u,) columns of each group's text and their values; None: not told apart.
        columns: what a difference in each says in this corpus; None: nothing.
        differences: what reads them.
        text_judge, image_judge: what a judge that has learned needs beside the above.
        looks: what geometry found of pairs of pictures.
        sources: what the sources of two groups say beside their contents; None: nothing.
        bare: (u,) groups whose text says too little to be known by it; None: none.
        beyond: (i,) what each picture's file holds that its pixels do not show, words
            `what=value`, see `pipeline.ingestion.pictures.holdings`; None: not known.
    """

    groups: ContentGroups
    text_vectors: Vectors
    image_vectors: Vectors
    comparer: TextComparison | None
    text_judge: LearnedInputs = LearnedInputs()
    image_judge: LearnedInputs = LearnedInputs()
    looks: GeometryLookup | None = None
    sources: SourceLevels | None = None
    fields: pa.MapArray | None = None
    columns: ColumnLevels | None = None
    differences: DifferenceReader = field(default_factory=DifferenceReader)
    bare: Flags | None = None
    beyond: pa.Array | None = None


@dataclass(frozen=True)
class ScoredPairs:
    """A batch of judged pairs of groups."""

    left: Positions
    right: Positions
    evidence: PairEvidence
    judgement: Decisions
    proposed_by: npt.NDArray[np.uint8]


def score_pairs(pairs: CandidatePairs, contents: Contents, judge: Judge) -> ScoredPairs:
    """Judge a batch of candidates, numbered as the groups of `contents` are."""
    left, right = pair_sides(pairs.key, len(contents.groups.rows))
    evidence = evidence_of(contents, left, right, pairs.lexical)
    weighed = judge.weighs(evidence)
    evidence = with_differences(evidence, contents, (left, right), weighed)
    scores = judge.scores(evidence)
    likely = judge.likely(evidence, scores)
    evidence = with_differences(evidence, contents, (left, right), likely & ~weighed)
    return ScoredPairs(left, right, evidence, judge.decide(evidence, scores), pairs.proposed_by)


def evidence_of(
    contents: Contents, left: Positions, right: Positions, lexical: npt.NDArray[np.float32]
) -> PairEvidence:
    """Evidence of pairs of groups, differences not looked at yet; `lexical` is passed on."""
    groups, text_judge, image_judge = contents.groups, contents.text_judge, contents.image_judge
    text = groups.text[left], groups.text[right]
    image = groups.image[left], groups.image[right]
    both = (text[0] >= 0) & (text[1] >= 0)
    nothing = np.full(len(left), np.nan)
    words = {name: nothing.copy() for name in WORDS}
    if contents.comparer is not None and both.any():
        compared = contents.comparer.compare(text[0][both], text[1][both])
        for name in WORDS:
            words[name][both] = getattr(compared, name)
    texts = TextEvidence(
        **words,
        cosine=_cosine(contents.text_vectors, *text),
        lexical=np.asarray(np.round(lexical, DECIMALS), np.float64),
        exact=both & (text[0] == text[1]),
        short=both & (groups.short[left] | groups.short[right]),
        difference=np.full(len(left), UNSEEN, np.int8),
        verbatim=nothing.copy(),
        kinds=np.zeros(len(left), np.int32),
        spans=np.full(len(left), None, object),
        background=_background(text_judge.background, *text),
        features=_features(text_judge, left, right),
        differing=np.zeros(len(left), np.int64),
        telling=np.zeros(len(left)),
        sources=np.zeros(len(left))
        if contents.sources is None
        else contents.sources.compare(left, right),
    )
    pictures = ImageEvidence(
        cosine=_cosine(contents.image_vectors, *image),
        exact=(image[0] >= 0) & (image[0] == image[1]),
        sides=(image[0] >= 0).astype(np.float64) + (image[1] >= 0),
        geometry=nothing if contents.looks is None else contents.looks.verdicts(*image),
        background=_background(image_judge.background, *image),
        features=_features(image_judge, left, right),
        beyond=_beyond(contents.beyond, *image),
    )
    return PairEvidence(texts, pictures)


def _features(judge: LearnedInputs, left: Positions, right: Positions) -> npt.NDArray[np.float32]:
    if judge.features is None:
        return np.zeros((len(left), 0), np.float32)
    return judge.features.compare(left, right)


def _beyond(held: pa.Array | None, left: Positions, right: Positions) -> Flags:
    """(p,) both pictures hold something of one kind that is not shown, and it is not the same."""
    out = np.zeros(len(left), bool)
    if held is None or held.null_count == len(held):
        return out
    there = np.append(np.asarray(held.is_valid(), bool), False)
    for at in np.flatnonzero(there[left] & there[right]).tolist():
        one, other = (
            dict(word.split("=", 1) for word in held[int(side[at])].as_py().split())
            for side in (left, right)
        )
        out[at] = any(other.get(name, value) != value for name, value in one.items())
    return out


def _background(level: npt.NDArray[np.float32] | None, left: Positions, right: Positions) -> Floats:
    """Mean level of both sides' backgrounds; NaN without, or where a side lacks the content."""
    out = np.full(len(left), np.nan)
    if level is not None:
        both = (left >= 0) & (right >= 0)
        out[both] = (level[left[both]].astype(np.float64) + level[right[both]]) / 2
    return out


def with_differences(
    evidence: PairEvidence, contents: Contents, pair: Pairs, chosen: Flags
) -> PairEvidence:
    """Look at what differs between the texts of some of the pairs."""
    groups, known = contents.groups, evidence.text
    text = groups.text[pair[0]], groups.text[pair[1]]
    rows = np.flatnonzero(chosen & (text[0] >= 0) & (text[1] >= 0))
    if contents.comparer is None or not len(rows):
        return evidence
    of = text if contents.fields is None else pair
    used, place = factorize(np.concatenate([of[0][rows], of[1][rows]]))
    fields = contents.fields and contents.fields.take(pa.array(used))
    texts = contents.comparer.texts.take(
        pa.array(used if contents.fields is None else groups.text[used])
    )
    levels = contents.columns
    found = contents.differences.describe(
        texts, *np.split(place, 2), fields=fields, columns=levels.names if levels else ()
    )
    read: dict[str, Any] = {
        "difference": found.verdict,
        "verbatim": found.verbatim,
        "kinds": found.kinds,
        "spans": found.spans.to_pylist(),
        "differing": found.columns,
        "telling": 0.0 if levels is None else levels.told(found.columns),
    }
    told = {name: getattr(known, name).copy() for name in read}
    for name, values in read.items():
        told[name][rows] = values
    return replace(evidence, text=replace(known, **told))


WORDS = tuple(field.name for field in fields(WordEvidence))


def _cosine(vectors: Vectors, left: Positions, right: Positions) -> Floats:
    """Exact cosine where both sides have the content, else NaN; equal contents have 1."""
    out = np.full(len(left), np.nan)
    both = np.flatnonzero((left >= 0) & (right >= 0))
    if len(both):
        out[both] = np.round(cosines(vectors, left[both], right[both]), DECIMALS)
        out[both[left[both] == right[both]]] = 1.0
    return out
