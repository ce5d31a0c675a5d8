"""Score stage: pairs judged in this run, and those judged before that still hold. SHELL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from pipeline.arrays import Positions, map_in_order, pair_sides, progress
from pipeline.candidates import CandidatePairs, ContentGroups
from pipeline.catalog import GeometryCounts, JudgeState
from pipeline.matching import (
    BATCH,
    COMPARED,
    GEOMETRY_METHOD,
    Contents,
    CorpusStatistics,
    DecisionCounts,
    DifferenceReader,
    DocumentFrequencies,
    Judge,
    compare_records,
    encode_strings,
    exact_pairs_batch,
    keep_promises,
    pairs_batch,
    renumber_reasons,
    reuse_decisions,
    score_pairs,
)
from pipeline.nightly.stages.adaptation import statistics_of
from pipeline.nightly.stages.geometry import verify_candidates
from pipeline.nightly.state.contents import contents_of
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.previous_run import PreviousRun, key_of, known_failures, previous_run
from pipeline.nightly.state.rules import adapted_judge, make_judge
from pipeline.nightly.state.run_records import (
    RecordsVersion,
    bare_records,
    groups_of,
    modalities,
    read_records,
    record_ids,
    same_as_leader,
)
from pipeline.nightly.state.stage import StageResult, stage
from pipeline.nightly.state.word_statistics import frequencies_of
from pipeline.storage import PAIRS

# Batches judged side by side at most; each takes some 200 MB.
WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class ScoreResult(StageResult):
    """How the candidates were decided.

    Attributes:
        decisions: decision -> pairs. exact_duplicates: records with a content seen before.
        histogram: pairs by probability. geometry: None where no pictures were looked at.
        judged, standing: pairs judged tonight, and last night's. judged_all: why all were.
        state: what the judgements depend on.
    """

    decisions: dict[str, int]
    exact_duplicates: int
    histogram: tuple[int, ...]
    geometry: GeometryCounts | None
    judged: int
    standing: int
    judged_all: str | None
    state: JudgeState


def judge_key(
    context: RunContext,
    judge: Judge,
    frequencies: DocumentFrequencies,
    statistics: CorpusStatistics | None = None,
) -> str:
    """Digest of all that a judgement depends on beside the two records."""
    counted = hashlib.sha256(frequencies.places.tobytes() + frequencies.counts.tobytes())
    config = context.config
    return key_of(
        judge=judge.name, settings=config.judge.model_dump(), min_tokens=config.text.min_tokens,
        min_detail=config.images.min_detail, lexical=config.candidates.lexical.model_dump(),
        looks=GEOMETRY_METHOD if config.judge.geometry else None,
        texts=frequencies.texts, counted=counted.hexdigest(),
        corpus=statistics and statistics.digest(),
        duplicate_free=config.duplicate_free,
    )  # fmt: skip


@dataclass(frozen=True)
class ReusableDecisions:
    """What of last night's pairs stands.

    Attributes:
        row: (p,) row of `pairs` for each candidate, -1: to be judged tonight.
        touched: (u,) groups of which anything has changed; None: all.
        pairs: last night's pairs table, empty where none is used.
        why: why every pair is judged again; None where some may stand.
    """

    row: Positions
    touched: npt.NDArray[np.bool_] | None
    pairs: pa.Table
    why: str | None


def find_reusable(
    context: RunContext, groups: ContentGroups, kept: CandidatePairs, *, ids: pa.Array, key: str
) -> ReusableDecisions:
    """Find the candidates that last night judged as they would be judged tonight."""
    before = previous_run(context)
    why = None
    if before is None:
        why = "nothing was there before"
    elif before.state.judge is None or before.state.judge.key != key:
        why = "the judge, its settings or its word frequencies have changed"
    if before is None or why:
        none = np.full(len(kept.key), -1, np.int64)
        return ReusableDecisions(none, None, PAIRS.empty_table(), why)
    pairs = _pairs_of(before)
    changes = compare_records(read_records(context, ["record_id", *COMPARED]), before.records())
    found = reuse_decisions(
        groups,
        kept,
        ids=ids,
        pairs=pairs.select(["left_id", "right_id", "proposed_by"]),
        changes=changes,
        previous_leader=before.groups.leader,
        again=_reuse_rows(before, groups),
    )
    return ReusableDecisions(found.row, found.touched, pairs, None)


def _pairs_of(before: PreviousRun) -> pa.Table:
    """Last night's pairs, texts that repeat as dictionaries."""
    stored = before.catalog.dataset("pairs", run=before.run)
    batches = stored.to_batches(batch_size=BATCH)
    encoded = [encode_strings(batch) for batch in batches if batch.num_rows]
    if not encoded:
        return PAIRS.empty_table()
    return pa.Table.from_batches(encoded).unify_dictionaries()


def _reuse_rows(before: PreviousRun, groups: ContentGroups) -> npt.NDArray[np.bool_]:
    """(u,) groups with a content that had no vector last night."""
    again = np.zeros(len(groups.rows), bool)
    for of_unit, hashes, kind in (
        (groups.text, groups.text_hashes, "text"),
        (groups.image, groups.image_hashes, "image"),
    ):
        noted = before.state.near.get(kind)
        if noted is None or noted.failed is None:
            again |= of_unit >= 0
        elif noted.failed:
            again |= np.isin(of_unit, known_failures(before, kind, hashes))  # type: ignore[arg-type]
    return again


def judge_shards(
    context: RunContext,
    groups: ContentGroups,
    kept: CandidatePairs,
    stand: ReusableDecisions,
    *,
    judge: Judge,
    frequencies: DocumentFrequencies,
    statistics: CorpusStatistics | None,
    ids: pa.Array,
    key: str,
) -> Iterator[tuple[CandidatePairs, pa.RecordBatch, str]]:
    """Every candidate with its row of the pairs table, in order, a bounded batch at a time.

    A batch is kept in the run's scratch under a digest of what it was made from; the third value
    is that name. A run that was stopped goes on with the batches that it finds there.

    Args:
        key: `judge_key`.
    """
    count, work = len(groups.rows), context.work
    batches = [slice(start, start + BATCH) for start in range(0, len(kept.key), BATCH)]
    names = [_shard_key(context, kept.part(p), stand.row[p], key) for p in batches]
    missing = [not work.shard_done("pairs", name) for name in names]
    wanted = np.zeros(count, bool)
    for part in compress(batches, missing):
        for side in pair_sides(kept.key[part][stand.row[part] < 0], count):
            wanted[side] = True
    chosen, number = np.flatnonzero(wanted), np.cumsum(wanted) - 1
    contents, differences = None, DifferenceReader(frequencies, workers=context.threads)
    if len(chosen):
        contents = contents_of(
            context, groups, chosen, frequencies, statistics, differences=differences
        )

    def keep(place: int) -> int:
        batch, row = kept.part(batches[place]), stand.row[batches[place]]
        if missing[place]:
            new = renumber_reasons(batch.part(row < 0), number)
            rows = _rows(
                new, row, contents, stand.pairs, judge=judge, ids=ids, run=context.run,
                promised=context.config.duplicate_free,
            )  # fmt: skip
            work.keep_shard("pairs", names[place], rows)
        return place

    workers = min(context.threads, WORKERS)
    # A thread of the pool knows nothing of the limit on OpenMP's that the stage has set in its own.
    alone = partial(threadpool_limits, context.threads // workers, user_api="openmp")
    with differences:
        for place in map_in_order(keep, range(len(batches)), workers=workers, prepare=alone):
            rows = work.read_shard("pairs", names[place]).combine_chunks().to_batches()[0]
            yield kept.part(batches[place]), rows, names[place]


def _shard_key(context: RunContext, batch: CandidatePairs, row: Positions, key: str) -> str:
    records = context.work.require(RecordsVersion).version
    digest = hashlib.sha256(f"{key} {context.base} {records}".encode())
    for values in (batch.key, batch.proposed_by, batch.lexical, row):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:32]


def _rows(
    fresh: CandidatePairs,
    row: Positions,
    contents: Contents | None,
    pairs: pa.Table,
    *,
    judge: Judge,
    ids: pa.Array,
    run: str,
    promised: Sequence[str],
) -> pa.Table:
    """Rows of the pairs table for a batch: those judged now and those that stand, in order.

    Args:
        fresh: the candidates to be judged. row: (p,) row of `pairs` of each candidate, -1: judge.
        promised: names of the duplicate-free sources.
    """
    pieces = []
    if contents is not None and len(fresh.key):
        scored = score_pairs(fresh, contents, judge)
        rows = pairs_batch(scored, ids=ids, contents=contents, judge=judge, run=run)
        pieces.append(keep_promises(rows, promised))
    if (row >= 0).any():
        standing_rows = pairs.take(pa.array(row[row >= 0])).cast(PAIRS).combine_chunks()
        pieces += standing_rows.to_batches()
    if len(fresh.key) == len(row):
        return pa.Table.from_batches(pieces)
    order = np.argsort(np.argsort(row >= 0, kind="stable"), kind="stable")
    return pa.Table.from_batches(pieces).combine_chunks().take(pa.array(order))


@stage("score", ScoreResult)
def score(context: RunContext) -> ScoreResult:
    """Candidate pairs → evidence, probability, decision; accepted links kept for clustering.

    Only pairs with a record that is new or changed are judged; the other rows are last night's.
    """
    work, groups = context.work, groups_of(context)
    kept = CandidatePairs(**work.load("candidates"))
    geometry = verify_candidates(context, groups, kept)
    judge, ids = make_judge(context), record_ids(context)
    frequencies, counted = frequencies_of(context, groups)
    found = statistics_of(context, groups, kept, frequencies)
    statistics = found.statistics if found else None
    judge = adapted_judge(judge, statistics)
    key = judge_key(context, judge, frequencies, statistics)
    stand = find_reusable(context, groups, kept, ids=ids, key=key)
    tally = DecisionCounts()

    star = keep_promises(
        exact_pairs_batch(
            groups.leader,
            ids=ids,
            has=modalities(context),
            bare=bare_records(context),
            one_thing=same_as_leader(context, groups.leader),
            judge=judge,
            run=context.run,
        ),
        context.config.duplicate_free,
    )
    size = work.keep_shard("pairs", "exact", pa.Table.from_batches([star]))
    done, names = 0, ["exact"]
    rows = judge_shards(
        context, groups, kept, stand, judge=judge, frequencies=frequencies,
        statistics=statistics, ids=ids, key=key,
    )  # fmt: skip
    for part, batch, name in rows:
        names.append(name)
        size += batch.nbytes
        tally.add(part, batch, len(groups.rows))
        done += len(part.key)
        progress.report("score", done, len(kept.key))
    work.arrange("pairs", names)
    versions = {
        "pairs": context.catalog.tables.replace("pairs", work.iter_shards("pairs")),
        "word_counts": counted,
        **({} if found is None else {"corpus_statistics": found.version}),
        **({} if geometry is None else {"alignments": geometry.version}),
    }
    work.save("links", **tally.arrays())
    if stand.touched is not None:
        work.save("touched", touched=stand.touched)
    fresh = int((stand.row < 0).sum())
    return ScoreResult(
        rows=len(kept.key),
        bytes=size,
        versions=versions,
        decisions=dict(tally.decisions),
        exact_duplicates=int((groups.leader != np.arange(len(groups.leader))).sum()),
        histogram=tuple(tally.histogram.tolist()),
        geometry=geometry.counts if geometry else None,
        judged=fresh,
        standing=len(kept.key) - fresh,
        judged_all=stand.why,
        state=JudgeState(key, frequencies.texts),
    )
