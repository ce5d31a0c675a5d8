"""Contents as judging needs them, what geometry found of their pictures included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Positions, Vectors, positions_in, positions_in_sorted
from pipeline.candidates import ContentGroups, restrict
from pipeline.matching import (
    BY_SIZE,
    MOST_COLUMNS,
    WHOLE,
    ColumnLevels,
    Contents,
    CorpusStatistics,
    DifferenceReader,
    DocumentFrequencies,
    JudgeModel,
    LearnedInputs,
    SourceLevels,
    TextComparison,
    TextFeatures,
    attributes_of,
    fields_of,
    geometry_findings,
    learning_for,
)
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.rules import background_of, models_of
from pipeline.nightly.state.run_records import (
    Modality,
    bare_records,
    read_column,
    read_records,
)

SAME_DETAIL = 1.1  # ratio of two true resolutions up to which they count as one


@dataclass(frozen=True)
class KeptAlignments:
    """What geometry says of pairs of pictures; see `schemas.ALIGNMENTS` for the rows.

    Attributes:
        verified: (p,) one is the other, edited.
        unlike: (p,) there is enough to compare in both, and the one is not found in the other.
        rows: of the pairs.
    """

    verified: npt.NDArray[np.bool_]
    unlike: npt.NDArray[np.bool_]
    rows: pa.Table

    @classmethod
    def of(cls, rows: pa.Table) -> KeptAlignments:
        """Out of the rows of the table."""
        verified, unlike = (
            np.asarray(rows[name].to_numpy(), bool) for name in ("verified", "unlike")
        )
        return cls(verified, unlike, rows)

    def verdicts(self) -> npt.NDArray[np.float64]:
        """(p,) see `ImageEvidence.geometry`."""
        return geometry_findings(
            self.verified, self.unlike, np.asarray(self.rows["parts"].is_valid(), bool)
        )


class AlignmentTable:
    """What was found, by pairs of some pictures.

    Args:
        key: (p,) ascending, left place * `count` + right place among all of a run's pictures.
        places: of those pictures among all.
    """

    def __init__(
        self, key: Positions, count: int, found: KeptAlignments, places: Positions
    ) -> None:
        self.key, self.count, self.places = key, count, np.append(places, -1)
        self.verdict = found.verdicts()
        self.edit, self.back = (found.rows[name].combine_chunks() for name in ("edit", "back"))

    @classmethod
    def of(
        cls, context: RunContext, groups: ContentGroups, places: Positions
    ) -> AlignmentTable | None:
        """Those of a run, out of its scratch; see the class."""
        if not context.work.has("alignments"):
            return None
        rows = context.work.read_shard("alignments", "all")
        key = context.work.load("alignments")["key"]
        return cls(key, len(groups.image_hashes), KeptAlignments.of(rows), places)

    def verdicts(self, left: Positions, right: Positions) -> npt.NDArray[np.float64]:
        """See `pipeline.matching.scoring.GeometryLookup`."""
        row = self._rows(left, right)
        return np.where(row >= 0, self.verdict[np.maximum(row, 0)], np.nan)

    def edits(self, left: Positions, right: Positions) -> pa.Array:
        """See `pipeline.matching.scoring.GeometryLookup`."""
        place = self._rows(left, right)
        row = pa.array(np.maximum(place, 0), mask=place < 0)
        turned = pa.array(self.places[left] > self.places[right])
        return pc.if_else(turned, self.back.take(row), self.edit.take(row))

    def _rows(self, left: Positions, right: Positions) -> Positions:
        """(p,) row of each pair, -1 where it was not looked at."""
        one, other = self.places[left], self.places[right]  # the last is -1, and so is that of -1
        low, high = np.minimum(one, other), np.maximum(one, other)
        return np.where(low >= 0, positions_in_sorted(low * self.count + high, self.key), -1)


def edited_records(context: RunContext, records: pa.Table) -> Flags:
    """(n,) records whose picture geometry found to be the edited one of two.

    Of two sizes of a whole picture the smaller is, unless the larger has no more detail: then it
    was enlarged.

    Args:
        records: `image_hash`, `image_width`, `image_height` and `image_effective_side`.
    """
    edited = np.zeros(len(records), bool)
    if not context.work.has("alignments"):
        return edited
    rows = context.work.read_shard("alignments", "all")
    rows = rows.filter(pc.and_(rows["verified"], pc.not_equal(rows["edited"], 0)))
    hashes = records["image_hash"].combine_chunks()
    distinct = pc.unique(hashes.drop_null())
    first = positions_in(distinct, hashes)
    wide, high, true = (
        np.asarray(pc.fill_null(records[name].cast(pa.float64()), 0.0).to_numpy())[first]
        for name in ("image_width", "image_height", "image_effective_side")
    )
    sides = [positions_in(rows[name], distinct) for name in ("left_hash", "right_hash")]
    said = np.asarray(rows["edited"].to_numpy(), np.int64)
    large = np.maximum(wide, high)
    left_large = large[sides[0]] >= large[sides[1]]
    larger, smaller = (np.where(left_large, *ends) for ends in (sides, sides[::-1]))
    more = true[larger] > SAME_DETAIL * true[smaller]
    by_size = np.where(left_large == more, 1, -1)  # the smaller, or the larger without more detail
    right = np.where(said == BY_SIZE, by_size, said) > 0
    found = np.zeros(len(distinct), bool)
    found[np.where(right, sides[1], sides[0])] = True
    at = positions_in(hashes, distinct)
    return (at >= 0) & found[at]


def contents_of(
    context: RunContext,
    groups: ContentGroups,
    chosen: Positions,
    frequencies: DocumentFrequencies,
    statistics: CorpusStatistics | None = None,
    *,
    differences: DifferenceReader | None = None,
) -> Contents:
    """Everything judging needs of the contents of some groups, which are numbered anew.

    Args:
        chosen: (k,) ascending numbers of groups; where they are all, the vectors stay on disk.
        statistics: of the corpus, for a shipped judge of texts; None: there is none.
        differences: what reads them; None: this process alone.
    """
    some, texts, images = restrict(groups, chosen)
    sources = None if statistics is None else _sources(context, some, statistics.inside)
    comparer, column = None, pa.array([], pa.large_string())
    if len(texts):
        column = read_column(context, some.text_hashes, modality="text", column="text")
        comparer = TextComparison(column, threads=context.threads, document_frequencies=frequencies)
    text, image = _rows(context, "text", texts), _rows(context, "image", images)
    learned = {
        f"{kind}_judge": LearnedInputs(
            background=background.level(text if kind == "text" else image)
        )
        for kind, background in background_of(context).items()
    }
    if statistics is not None:
        weights = {WHOLE: statistics.weights(frequencies)}
        features = TextFeatures(_texts(column, some), {}, weights=weights, threads=context.threads)
        learned["text_judge"] = LearnedInputs(features)
    for model in models_of(context):
        if model.rule.model.sources:
            sources = _sources(context, some, model.rule.model.sources)
        vectors = text if model.modality == "text" else image
        learned |= _learning(context, some, model.rule.model, vectors)
    looks = AlignmentTable.of(context, groups, images)
    beyond = None
    if len(images):
        beyond = read_column(context, some.image_hashes, modality="image", column="image_beyond")
    fields = _fields(context, some)
    columns = None if fields is None else _columns(context, fields, statistics)
    return Contents(
        some, text, image, comparer, looks=looks, sources=sources, fields=fields, columns=columns,
        differences=differences or DifferenceReader(frequencies),
        bare=bare_records(context)[some.rows] if context.config.duplicate_free else None,
        beyond=beyond, **learned,
    )  # fmt: skip


def _columns(
    context: RunContext, fields: pa.MapArray, statistics: CorpusStatistics | None
) -> ColumnLevels | None:
    """What the columns of some texts say in the corpus; before it has been asked, nothing."""
    known = {} if statistics is None else statistics.columns
    for model in models_of(context):
        known = model.rule.model.columns or known
    if statistics is None and not known:
        return None
    names = sorted(known or pc.unique(fields.keys).to_pylist())
    return ColumnLevels.of(names[:MOST_COLUMNS], known)


def _sources(
    context: RunContext, groups: ContentGroups, inside: Mapping[str, float]
) -> SourceLevels:
    """The sources of some groups, and what is known of pairs inside them."""
    column = read_records(context, ["source"])["source"]
    return SourceLevels.of(column.take(pa.array(groups.rows)), inside)


def _texts(column: pa.Array, groups: ContentGroups) -> list[str]:
    """The text of each group, '' where it has none; `column` are the contents' texts."""
    place = pa.array(groups.text, mask=groups.text < 0)
    return [text or "" for text in column.take(place).to_pylist()]


def _fields(context: RunContext, groups: ContentGroups) -> pa.MapArray | None:
    """The columns of each group's text; None where no text has two."""
    column = read_records(context, ["fields"])["fields"].take(pa.array(groups.rows))
    fields = column.combine_chunks()
    lengths = np.diff(np.asarray(fields.offsets)) if len(fields) else np.zeros(0, np.int64)
    return fields if lengths.max(initial=0) > 1 else None


def _rows(context: RunContext, modality: Modality, rows: Positions) -> Vectors:
    """Vectors of some contents as the judge sees them; the matrix itself when they are all."""
    if modality == "text" and context.work.has("asked"):
        return _asked_rows(context, rows)
    matrix = context.work.matrix(modality)
    return matrix if len(rows) == len(matrix) else matrix[rows]


def _asked_rows(context: RunContext, rows: Positions) -> Vectors:
    """The teacher's vectors of some texts; zeros for those that it was not asked about."""
    asked = positions_in_sorted(rows, context.work.load("asked")["places"])
    matrix = context.work.matrix("asked")
    out = np.zeros((len(rows), matrix.shape[1]), np.float32)
    out[asked >= 0] = matrix[asked[asked >= 0]]
    return out


def _learning(
    context: RunContext, groups: ContentGroups, judge: JudgeModel, vectors: Vectors
) -> dict[str, LearnedInputs]:
    """What a learned judge needs of the groups, as keywords of `Contents`."""
    texts: list[str] = []
    fields: dict[str, list[str]] = {}
    attributes: dict[str, pa.Array] = {}
    if judge.attributes:
        rows = read_records(context, ["attributes", "timestamp"]).take(pa.array(groups.rows))
        attributes = attributes_of(rows, judge.attributes)
    if judge.blocks:
        rows = read_records(context, ["text", "fields"]).take(pa.array(groups.rows))
        texts = [text or "" for text in rows["text"].to_pylist()]
        fields = fields_of(rows["fields"])
    level = judge.background.level(vectors) if judge.background is not None else None
    return learning_for(judge, texts, fields, level, threads=context.threads, attributes=attributes)
