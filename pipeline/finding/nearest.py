"""Nearest records of a published run: to a text, to a record, and those that nothing is near to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz

from pipeline.arrays import as_array
from pipeline.catalog import Catalog, Run
from pipeline.config import RunConfig
from pipeline.encoders import open_encoder
from pipeline.errors import PipelineError
from pipeline.finding.asking import evidence_of
from pipeline.finding.groups import records_of, tell_differences, texts_of
from pipeline.finding.typed import Typed, TypedJudge
from pipeline.ingestion import search_text

Floats32 = npt.NDArray[np.float32]
ASKED = 4  # times as many are judged as are told: the nearest by cosine are not the most probable


@dataclass(frozen=True)
class Twin:
    """A record near to what was asked for.

    Attributes:
        cosine: of the text encoder, -1 … 1; None: not near by it.
        probability: the judge's, of a pair that it has judged, or of a typed text; None: it has
            not judged it, or cannot.
        evidence: names and values of what it saw. differs: what differs, in words.
    """

    record_id: str
    place: str
    texts: dict[str, str]
    cosine: float | None
    probability: float | None = None
    decision: str = ""
    reason: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    differs: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Lonely:
    """A record that is unlike any other.

    Attributes:
        cosine: with its nearest other text, -1 … 1. nearest: that record.
    """

    record_id: str
    place: str
    texts: dict[str, str]
    cosine: float
    nearest: str


class PublishedTexts:
    """The texts of a published run with their vectors, loaded once for many questions."""

    def __init__(self, catalog: Catalog, run: Run) -> None:
        self.catalog, self.run = catalog, run
        self.config = RunConfig.model_validate(run.config)
        names = ["record_id", "text_hash", "deleted"]
        rows = catalog.read("records", run=run, columns=names)
        rows = rows.filter(pc.and_(pc.is_valid(rows["text_hash"]), pc.invert(rows["deleted"])))
        if not len(rows):
            raise PipelineError(f"run {run.run} has no texts; --record asks for a record by its id")
        self.ids = as_array(rows["record_id"])
        hashes = as_array(rows["text_hash"])
        # Where a student proposes, only its vectors are there of every text.
        models = run.summary.models
        used = models.student or models.text
        if used is None:
            raise PipelineError(f"run {run.run} embedded no text")
        parts = [
            (batch["content_hash"], batch["vector"].flatten().to_numpy())
            for batch in catalog.vectors(used.fingerprint).parts()
        ]
        kept = pa.concat_arrays([_strings(found) for found, _ in parts])
        matrix = np.concatenate([values for _, values in parts]).reshape(len(kept), -1)
        at = pc.index_in(hashes, value_set=kept)
        there = at.is_valid()
        self.ids = self.ids.filter(there)
        self.content = at.drop_null().to_numpy()  # row of the vector of each record
        self.vectors: Floats32 = matrix

    @cached_property
    def judge(self) -> TypedJudge | None:
        """What judges a typed text; None: nothing can."""
        return TypedJudge.of(self.catalog, self.run)

    def encoded(self, text: str) -> Floats32:
        """(d,) vector of a text.

        Raises:
            PipelineError: it holds nothing to embed.
        """
        encoder = open_encoder(
            self.config.proposing_encoder, images=self.config.images, threads=None,
            students=self.catalog.local / "students",
        )  # fmt: skip
        for block in encoder.encode([search_text(text)]):
            if len(block.vectors):
                return np.asarray(block.vectors[0], np.float32)
        raise PipelineError("the text holds nothing to embed")

    def near(self, vector: Floats32, n: int) -> list[tuple[str, float]]:
        """The `n` records nearest by cosine, the nearest first, then by id."""
        cosine = self.vectors @ vector
        found = cosine[self.content]
        n = min(n, len(found))
        edge = np.partition(found, len(found) - n)[len(found) - n]
        at = np.flatnonzero(found >= edge)
        ranked = sorted((-float(found[place]), self.ids[int(place)].as_py()) for place in at)
        return [(name, -score) for score, name in ranked[:n]]


def _strings(column: pa.Array) -> pa.Array:
    return column.cast(pa.string())


def nearest_twins(
    catalog: Catalog,
    run: Run,
    *,
    text: str | None = None,
    record: str | None = None,
    n: int = 5,
    published: PublishedTexts | None = None,
) -> list[Twin]:
    """The records of a run nearest to a text, or to one of its records.

    To a text: of those nearest by the cosine of the run's encoder the most probable by the shipped
    judge, where that has judged the run, else the nearest. To a record: the pairs that the judge
    decided on, the most probable first, then its neighbours by cosine.

    Raises:
        PipelineError: there is no such record, or the run has no texts.
    """
    records = catalog.read("records", run=run)
    if record is not None:
        return _of_record(catalog, run, records, record, n, published)
    published = published or PublishedTexts(catalog, run)
    asked: dict[str, Any] = {"text": text, "fields": []}
    near = dict(published.near(published.encoded(text or ""), n * ASKED if published.judge else n))
    if published.judge is None:
        return _twins(catalog, run, records, asked, near, {}, n)
    found = records_of(records, list(near))
    names = [name for name in near if name in found]
    others = [str(_nearest_column(asked, found[name])["text"] or "") for name in names]
    whole = [len(texts_of(found[name])) < 2 for name in names]
    judgements = published.judge.judge(text or "", others, whole=whole)
    judged = dict(zip(names, judgements, strict=True))
    first = sorted(names, key=lambda name: (-judged[name].probability, -near[name], name))[:n]
    twins = _twins(catalog, run, records, asked, {name: near[name] for name in first}, {}, n)
    return [_with_judgement(twin, judged[twin.record_id]) for twin in twins]


def _with_judgement(twin: Twin, typed: Typed) -> Twin:
    return replace(
        twin, probability=typed.probability, decision=typed.decision, evidence=typed.evidence,
        differs=typed.differs,
    )  # fmt: skip


def _of_record(
    catalog: Catalog,
    run: Run,
    records: pa.Table,
    record: str,
    n: int,
    published: PublishedTexts | None,
) -> list[Twin]:
    asked = records_of(records, [record]).get(record)
    if asked is None:
        raise PipelineError(f"there is no record {record} in run {run.run}")
    pairs = catalog.read("pairs", run=run)
    mine = pairs.filter(pc.or_(pc.equal(pairs["left_id"], record),
                               pc.equal(pairs["right_id"], record)))  # fmt: skip
    judged = {
        row["right_id"] if row["left_id"] == record else row["left_id"]: row
        for row in mine.to_pylist()
    }
    near: dict[str, float] = {}
    if asked.get("text_hash"):
        published = published or PublishedTexts(catalog, run)
        at = pc.index(published.ids, pa.scalar(record)).as_py()
        if at >= 0:
            vector = published.vectors[published.content[at]]
            near = dict(published.near(vector, n + 1))
            near.pop(record, None)
    return _twins(catalog, run, records, asked, near, judged, n)


def _twins(
    catalog: Catalog,
    run: Run,
    records: pa.Table,
    asked: dict[str, Any],
    near: dict[str, float],
    judged: dict[str, dict[str, Any]],
    n: int,
) -> list[Twin]:
    """The most probable of the judged ones, then the nearest of the others."""
    first = sorted(judged, key=lambda name: (-judged[name]["probability"], name))
    chosen = list(dict.fromkeys([*first, *near]))[:n]
    found = records_of(records, chosen)
    clusters = catalog.read("clusters", run=run, columns=["record_id", "cluster_id"])
    here = pc.is_in(clusters["record_id"], value_set=pa.array(chosen, pa.string()))
    cluster = {row["record_id"]: row["cluster_id"] for row in clusters.filter(here).to_pylist()}
    rows = [asked, *(found[name] for name in chosen if name in found)]
    beside = (
        rows if asked.get("fields") else [asked, *(_nearest_column(asked, r) for r in rows[1:])]
    )
    differs = tell_differences(beside, [0] * (len(rows) - 1), list(range(1, len(rows))))
    made = []
    for name, told in zip((name for name in chosen if name in found), differs, strict=True):
        row = judged.get(name)
        made.append(
            Twin(
                name,
                str(found[name]["location"]),
                texts_of(found[name]),
                near.get(name) if name in near or row is None else row["text_cosine"],
                probability=None if row is None else float(row["probability"]),
                decision="" if row is None else row["decision"],
                reason="" if row is None else row["reason"],
                evidence=() if row is None else evidence_of(row),
                differs=told,
                cluster=cluster.get(name, ""),
            )
        )
    return made


def _nearest_column(asked: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A record by the one column that is most like a text that somebody typed."""
    text = str(asked.get("text") or "")
    values = texts_of(row).values()
    return {"text": max(values, key=lambda value: fuzz.ratio(text, value), default=None)}


def lonely_records(catalog: Catalog, run: Run, *, n: int = 10) -> list[Lonely]:
    """The records whose nearest other text is farthest, the loneliest first.

    Records without a text are left out: nothing is said of them. Exact: every text is compared
    with every other, a block at a time.

    Raises:
        PipelineError: the run has no texts.
    """
    published = PublishedTexts(catalog, run)
    used, first = np.unique(published.content, return_index=True)
    vectors = published.vectors[used]
    count = np.bincount(np.searchsorted(used, published.content), minlength=len(used))
    best, at = nearest_others(vectors)
    best = np.where(count > 1, 1.0, best)  # an identical copy is as near as can be
    order = np.argsort(best, kind="stable")[:n]
    ids = [str(published.ids[int(first[place])].as_py()) for place in order]
    others = [str(published.ids[int(first[at[place]])].as_py()) for place in order]
    found = records_of(catalog.read("records", run=run), ids)
    return [
        Lonely(name, str(found[name]["location"]), texts_of(found[name]), float(best[place]), other)
        for name, place, other in zip(ids, order, others, strict=True)
        if len(vectors) > 1
    ]


def nearest_others(
    vectors: Floats32, *, block: int = 2048
) -> tuple[Floats32, npt.NDArray[np.int64]]:
    """Of each row the cosine with its nearest other row, and which that is.

    Args:
        vectors: (v, d) float32 of unit length.
    """
    best = np.full(len(vectors), -1.0, np.float32)
    at = np.zeros(len(vectors), np.int64)
    for start in range(0, len(vectors), block):
        rows = np.arange(start, min(start + block, len(vectors)))
        scores = vectors[rows] @ vectors.T
        scores[np.arange(len(rows)), rows] = -2.0
        at[rows] = scores.argmax(axis=1)
        best[rows] = scores[np.arange(len(rows)), at[rows]]
    return best, at
