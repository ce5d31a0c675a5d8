"""Search stage: the index of each modality, shingles of long texts, and rare words. SHELL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.arrays import Positions, pair_key, positions_in_sorted, progress
from pipeline.candidates import (
    PERMUTATIONS,
    Arrays,
    ContentGroups,
    Keep,
    Near,
    NearPairs,
    RareWordPairs,
    Recall,
    ReusedPairs,
    band_candidates,
    find_near_pairs,
    jaccards,
    propose,
    rare_word_pairs,
    reuse_near_pairs,
    signatures,
)
from pipeline.catalog import CascadeChoice, CascadeCounts, PerModality, SearchState, VectorStore
from pipeline.encoders import fingerprint_of, gather_vectors, missing_hashes
from pipeline.errors import DamagedVectorsError
from pipeline.nightly.stages.cascade import text_proposer
from pipeline.nightly.stages.self_calibration import find_thresholds
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import embedded_by
from pipeline.nightly.state.previous_run import (
    FAILED_KEPT,
    Kind,
    crowd_rows,
    floors_before,
    hashes_digest,
    key_of,
    known_failures,
    near_of,
    near_rows,
    previous_run,
    reusable_near,
)
from pipeline.nightly.state.rules import floors_of
from pipeline.nightly.state.run_records import Modality, groups_of, read_column
from pipeline.nightly.state.stage import StageResult, stage
from pipeline.storage import NEAR_PAIRS, vector_schema


@dataclass(frozen=True)
class SearchFigures:
    """What the search of one modality came to, and by what, in words."""

    index: str
    pairs: int
    recall: Recall
    crowded: int
    searched: int


@dataclass(frozen=True)
class SearchRecord:
    """What is told and kept of a search beside its pairs.

    Attributes:
        state: what the next night must know of them.
        figures: what the summary tells; None where there was nothing to search.
        why: why everything was searched; None where last night's pairs were used again.
    """

    state: SearchState
    figures: SearchFigures | None
    why: str | None


@dataclass(frozen=True)
class SearchedPairs:
    """Near pairs of one kind.

    Attributes:
        near: to be kept for the next night; of long texts also those below the floor.
        crowds: what the next night must know of crowds, as rows of the table of near pairs.
    """

    near: Near
    record: SearchRecord
    crowds: pa.RecordBatch | None = None

    @property
    def pairs(self) -> tuple[Positions, Positions]:
        """Left and right places of the contents."""
        return self.near.left, self.near.right


@dataclass(frozen=True, kw_only=True)
class SearchResult(StageResult):
    """What proposed the candidate pairs.

    Attributes:
        figures: of each modality. crowded: contents whose floor was raised.
        lexical_pairs: of long texts that share shingles. rare_word_pairs: of texts that share one;
        common_words: distinct words of too many texts to propose a pair.
        searched_all: kind -> why everything was searched.
        cascade: None without one. state: of the near pairs, by kind. chosen: the cascade's choice.
    """

    figures: PerModality[SearchFigures]
    crowded: int
    lexical_pairs: int
    rare_word_pairs: int
    common_words: int
    searched_all: dict[str, str]
    cascade: CascadeCounts | None
    state: dict[str, SearchState]
    chosen: CascadeChoice | None


def cached(context: RunContext, kind: Kind, propose: Callable[[], SearchedPairs]) -> SearchedPairs:
    """What `propose` finds, out of the scratch of a run that was stopped after it was found."""
    work, name = context.work, f"near_{kind}"
    kept = work.kept(SearchRecord, kind)
    if kept and work.shard_done(name, "pairs") and work.shard_done(name, "crowds"):
        pairs, crowds = (work.read_shard(name, part) for part in ("pairs", "crowds"))
        rows = crowds.combine_chunks().to_batches()
        return SearchedPairs(near_of(pairs), kept, rows[0] if rows else None)
    found = propose()
    none = pa.RecordBatch.from_pylist([], schema=NEAR_PAIRS)
    work.keep_shard(name, "pairs", pa.Table.from_batches([near_rows(kind, found.near)]))
    work.keep_shard(name, "crowds", pa.Table.from_batches([found.crowds or none]))
    work.keep(found.record, kind)
    work.drop(f"search-{kind}-")
    return found


def search_vectors(context: RunContext, modality: Modality, floor: float) -> SearchedPairs:
    """Near pairs of one modality down to a floor."""
    settings, config = context.config.candidates, context.config
    vectors = context.work.matrix(modality)
    hashes = _hashes(groups_of(context), modality)
    encoder = embedded_by(context, modality).fingerprint
    key = key_of(
        encoder=encoder, floor=floor, index=config.index.model_dump(),
        max_neighbours=settings.max_neighbours, collapse_cosine=settings.collapse_cosine,
        seed=config.seed,
    )  # fmt: skip
    carried = _reusable_pairs(context, modality, key, hashes)
    found = find_near_pairs(
        vectors,
        floor=floor,
        index=config.index,
        settings=settings,
        seed=config.seed,
        carried=None if isinstance(carried, str) else carried,
        keep=_checkpoints(
            context, f"{modality}-{fingerprint_of(search=key, of=hashes_digest(hashes))}"
        ),
    )
    progress.report("search", len(found.left))
    _keep_index(context, hashes, found, modality, encoder)
    why = carried if isinstance(carried, str) else None
    if why is None and found.index is not None:
        why = "a great part is new"
    failed = hashes.take(pa.array(np.flatnonzero(~vectors.any(axis=1)))).to_pylist()
    known = tuple(failed) if len(failed) <= FAILED_KEPT else None
    record = SearchRecord(SearchState(key, hashes_digest(hashes), known), _describe(found), why)
    near = Near(found.left, found.right, np.full(len(found.left), np.nan, np.float32))
    return SearchedPairs(near, record, crowd_rows(modality, found.dense, floor))


def _checkpoints(context: RunContext, search: str) -> Keep:
    """Keep the pieces of one search in the scratch, for a run that is stopped and goes on."""

    def keep(piece: str, make: Callable[[], Arrays]) -> Arrays:
        name = f"search-{search}-{piece}"
        if not context.work.has(name):
            context.work.save(name, **make())
        return context.work.load(name)

    return keep


def _hashes(groups: ContentGroups, modality: Modality) -> pa.Array:
    return groups.text_hashes if modality == "text" else groups.image_hashes


def _reusable_pairs(
    context: RunContext, modality: Modality, key: str, hashes: pa.Array
) -> ReusedPairs | str:
    """Last night's pairs of one modality in tonight's places, or why they cannot be used."""
    before = previous_run(context)
    known = _hashes(before.groups, modality) if before else None
    near = reusable_near(before, modality, key=key, hashes=known)
    if isinstance(near, str) or before is None or known is None:
        return str(near)
    again = np.zeros(len(hashes), bool)
    again[known_failures(before, modality, hashes)] = True
    floor = floors_before(before, modality, len(known))
    return reuse_near_pairs(hashes, known, near, again=again, floor=floor)


def _keep_index(
    context: RunContext, hashes: pa.Array, found: NearPairs, modality: str, encoder: str | None
) -> None:
    """Keep the index with its id map, under its encoder, for as long as it is tonight's.

    It is made of the contents there are, so what was deleted is never in it. On a night that needs
    none, because so little was new, that of an earlier night goes: it may name what is gone.
    """
    if encoder is None:
        return
    folder = context.catalog.index_folder(modality, encoder)
    shutil.rmtree(folder)
    if found.index is not None:
        found.index.save(folder)
        ids = pa.table({"content_hash": hashes.take(pa.array(found.dense.kept))})
        pq.write_table(ids, folder / "ids.parquet")


def _describe(found: NearPairs) -> SearchFigures | None:
    if not found.description:
        return None
    return SearchFigures(
        index=found.description,
        pairs=len(found.left),
        recall=found.recall,
        crowded=int(found.dense.crowded),
        searched=int(found.fresh),
    )


def search_shingles(context: RunContext, groups: ContentGroups) -> SearchedPairs:
    """Pairs of long texts that share shingles, with their exact Jaccard."""
    settings, hashes = context.config.candidates.lexical, groups.text_hashes
    key = key_of(**settings.model_dump())
    state = SearchState(key, hashes_digest(hashes))
    nothing = Near(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    if not settings.enabled or not len(hashes):
        return SearchedPairs(nothing, SearchRecord(state, None, None))
    words = read_column(context, hashes, modality="text", column="word_count").to_numpy()
    long = np.flatnonzero(words >= settings.min_tokens)
    signed = _sign_all(context, hashes.take(pa.array(long)))
    left, right = (long[side] for side in band_candidates(signed))
    before = previous_run(context)
    known = before.groups.text_hashes if before else None
    near = reusable_near(before, "lexical", key=key, hashes=known)
    score = np.full(len(left), np.nan, np.float32)
    if not isinstance(near, str) and known is not None:
        again = np.zeros(len(hashes), bool)
        everywhere = np.zeros(len(known), np.float32)
        carried = reuse_near_pairs(hashes, known, near, again=again, floor=everywhere)
        score = _known_scores(left, right, carried.pairs, hashes)
    _score_rest(context, hashes, left, right, score)
    why = near if isinstance(near, str) else None
    return SearchedPairs(Near(left, right, score), SearchRecord(state, None, why))


def share_rare_words(context: RunContext, groups: ContentGroups) -> RareWordPairs:
    """Pairs of texts that share a rare word, found anew: what is rare depends on all texts."""
    settings, hashes = context.config.candidates.rare_words, groups.text_hashes
    if not settings.enabled or not len(hashes):
        return RareWordPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0, 0)
    texts = read_column(context, hashes, modality="text", column="text")
    found = rare_word_pairs(texts, settings, threads=context.threads)
    progress.report("search", len(found.left))
    return found


def above_floor(near: Near, floor: float) -> tuple[Positions, Positions, npt.NDArray[np.float32]]:
    """Left, right and score of the pairs whose score reaches the floor."""
    kept = near.score >= floor
    return near.left[kept], near.right[kept], near.score[kept]


def _sign_all(context: RunContext, hashes: pa.Array) -> npt.NDArray[np.uint32]:
    """(n, PERMUTATIONS) signatures of long texts, those of last night's out of the catalog.

    They are kept as the vectors are, the bits of each number as those of a float.
    """
    words = context.config.candidates.lexical.shingle
    while True:  # each turn but the last moves a damaged part aside
        store = context.catalog.vectors(f"minhash-{key_of(words=words, of=PERMUTATIONS)}")
        _sign(context, store, hashes.take(pa.array(missing_hashes(hashes, store.hashes()))))
        out = np.zeros((len(hashes), PERMUTATIONS), np.float32)
        try:
            gather_vectors(store.parts(), hashes=hashes, out=out)
        except DamagedVectorsError:
            continue
        return out.view(np.uint32)


def _sign(context: RunContext, store: VectorStore, wanted: pa.Array) -> None:
    if not len(wanted):
        return
    texts = read_column(context, wanted, modality="text", column="text")
    bits = signatures(texts, context.config.candidates.lexical).view(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(bits.reshape(-1)), PERMUTATIONS)
    chunks = pa.array(np.ones(len(wanted), np.int32))
    schema = vector_schema(PERMUTATIONS)
    store.append(pa.Table.from_arrays([wanted, vectors, chunks], schema=schema))


def _known_scores(
    left: Positions, right: Positions, near: Near, hashes: pa.Array
) -> npt.NDArray[np.float32]:
    """(p,) Jaccard of the pairs that last night scored, NaN for the others."""
    n = len(hashes)
    at = positions_in_sorted(pair_key(left, right, n), pair_key(near.left, near.right, n))
    return np.append(near.score, np.float32(np.nan))[at]


def _score_rest(
    context: RunContext,
    hashes: pa.Array,
    left: Positions,
    right: Positions,
    score: npt.NDArray[np.float32],
) -> None:
    """Fill in the Jaccard of the pairs that have none."""
    rest = np.flatnonzero(np.isnan(score))
    if not len(rest):
        return
    rows, place = np.unique(np.concatenate([left[rest], right[rest]]), return_inverse=True)
    texts = read_column(context, hashes.take(pa.array(rows)), modality="text", column="text")
    one, other = place[: len(rest)], place[len(rest) :]
    words = context.config.candidates.lexical.shingle
    score[rest] = jaccards(texts, one, other, words=words)


@stage("search", SearchResult)
def search(context: RunContext) -> SearchResult:
    """Vectors, long texts and rare words → candidate pairs of groups, with their measured recall.

    Only contents that last night did not know are searched, against everything; the other near
    pairs are last night's.
    """
    groups = groups_of(context)
    backgrounds = find_thresholds(context, groups)
    floors = floors_of(context)
    proposer = text_proposer(context, groups)
    text = cached(context, "text", lambda: search_vectors(context, "text", proposer.floor))
    image = cached(context, "image", lambda: search_vectors(context, "image", floors["image"]))
    lexical = cached(context, "lexical", lambda: search_shingles(context, groups))
    long = above_floor(lexical.near, context.config.candidates.lexical.floor)
    near = proposer.select(text.pairs)
    rare = share_rare_words(context, groups)
    proposed = propose(
        groups,
        text=near,
        lexical=long,
        rare_words=proposer.screen((rare.left, rare.right)),
        image=image.pairs,
    )
    proposed, asked = proposer.confirm(proposed, len(text.near.left))
    context.work.save(
        "candidates", key=proposed.key, proposed_by=proposed.proposed_by, lexical=proposed.lexical
    )
    kinds = {"text": text, "image": image, "lexical": lexical}
    rows = [near_rows(kind, found.near) for kind, found in kinds.items()]  # type: ignore[arg-type]
    rows += [found.crowds for found in kinds.values() if found.crowds is not None]
    return SearchResult(
        rows=len(proposed.key),
        versions={
            "near_pairs": context.catalog.tables.replace("near_pairs", rows),
            **({} if backgrounds is None else {"backgrounds": backgrounds}),
        },
        figures=PerModality(text.record.figures, image.record.figures),
        crowded=sum(f.record.figures.crowded for f in (text, image) if f.record.figures),
        lexical_pairs=len(long[0]),
        rare_word_pairs=len(rare.left),
        common_words=rare.common,
        searched_all={kind: f.record.why for kind, f in kinds.items() if f.record.why},
        cascade=asked,
        state={kind: found.record.state for kind, found in kinds.items()},
        chosen=context.work.kept(CascadeChoice),
    )
