"""The clusters to come: what a run would make of the same pairs with the answers so far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Floats, Rows, as_strings, pair_key, positions_in
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy, make_groups
from pipeline.catalog import Run
from pipeline.clustering import Links, cluster_tables
from pipeline.config import ClusterSettings, duplicate_free_names
from pipeline.ingestion import exact_groups
from pipeline.labels import no_verdicts, settle_verdicts
from pipeline.matching import DecisionCounts
from pipeline.reviewing.tables import RunTables

COLUMNS = ["record_id", "source", "text", "text_hash", "image_hash", "word_count", "image_width",
           "image_height", "image_effective_side", "image_detail", "timestamp", "problem",
           "origin", "image_file"]  # fmt: skip
LISTED = 10


@dataclass(frozen=True)
class AheadCluster:
    """A cluster that would change: split, or joined with others; its id as it is now."""

    what: str
    id: str


@dataclass(frozen=True)
class ClustersAhead:
    """Clusters of two and more, now and as they would be.

    Attributes:
        records, records_would_be: in them.
        joined: clusters that would be made of several. split: that would fall apart.
    """

    now: int
    would_be: int
    records: int
    records_would_be: int
    joined: int
    split: int
    examples: tuple[AheadCluster, ...]

    @property
    def sentence(self) -> str:
        """The same in words."""
        if not (self.joined or self.split):
            return f"The {self.now:,} clusters would stay as they are."
        return (
            f"{self.now:,} clusters of {self.records:,} records would become {self.would_be:,} of "
            f"{self.records_would_be:,}: {self.joined:,} joined of several, {self.split:,} split."
        )


class Foresight:
    """Clusters the records of a run again, as a run would, from its own judged pairs."""

    def __init__(self, run: Run, tables: RunTables) -> None:
        self.run, self.tables = run, tables

    @cached_property
    def _records(self) -> pa.Table:
        read = self.tables.catalog.read("records", run=self.run, columns=COLUMNS)
        return read.sort_by("record_id").combine_chunks()

    @cached_property
    def _groups(self) -> ContentGroups:
        config = self.run.config
        return make_groups(
            self._records,
            exact_groups(self._records),
            min_tokens=config["text"]["min_tokens"],
            min_detail=config["images"]["min_detail"],
        )

    @cached_property
    def _pairs(self) -> tuple[pa.Table, Rows, CandidatePairs]:
        """The pairs that were judged, not the copies, in order; their numbers on the desk, -1 of
        those that a source's promise decided; and as candidates.
        """
        read = self.tables.catalog.read("pairs", run=self.run)
        read = read.filter(pc.not_equal(read["proposed_by"], "exact"))
        ids, groups = as_strings(self._records["record_id"]), self._groups
        sides = [positions_in(as_strings(read[name]), ids) for name in ("left_id", "right_id")]
        number = [groups.group_of_record[side] for side in sides]
        key = pair_key(np.minimum(*number), np.maximum(*number), len(groups.rows))
        order = np.argsort(key, kind="stable")
        flags = ProposedBy.from_words(read["proposed_by"]).astype(np.uint8)
        blank = np.full(len(key), np.nan, np.float32)
        candidates = CandidatePairs(key[order], flags[order], blank)
        shown = self.tables.numbers_of(
            zip(read["left_id"].to_pylist(), read["right_id"].to_pylist(), strict=True)
        )
        return read.take(pa.array(order)).combine_chunks(), shown[order], candidates

    def clusters(self, labels: pa.Table | None, learned: Floats) -> ClustersAhead:
        """Cluster with the answers so far.

        Args:
            labels: schemas.LABELS. learned: (p,) what the refitted judge says of the pairs of the
                desk, NaN where it was not asked.
        """
        pairs, shown, candidates = self._pairs
        rows = _with_learned(pairs, np.append(learned, np.nan)[shown], self.run)
        tally = DecisionCounts()
        for batch in rows.combine_chunks().to_batches():
            tally.add(candidates, batch, len(self._groups.rows))
        ids = as_strings(self._records["record_id"])
        config = self.run.config
        table, _ = cluster_tables(
            self._records,
            self._groups,
            Links.of(**tally.arrays()),
            ClusterSettings.model_validate(config["clustering"]),
            no_verdicts() if labels is None else settle_verdicts(labels, ids),
            duplicate_free=duplicate_free_names(config),
        )
        would_be = as_strings(table["cluster_id"]).dictionary_encode()
        return self._compare(np.asarray(would_be.indices, np.int64))

    def _compare(self, would_be: Rows) -> ClustersAhead:
        now, sizes = self.tables.cluster_of, self.tables.sizes
        later = np.bincount(would_be)
        pieces = np.unique(np.stack([now, would_be]), axis=1)
        of_now = np.bincount(pieces[0], minlength=len(sizes))
        of_later = np.bincount(pieces[1], minlength=len(later))
        split = np.flatnonzero(of_now > 1)
        joined = np.flatnonzero(of_later > 1)
        into = pieces[0][np.isin(pieces[1], joined)]
        named = [("split", int(one)) for one in split[: LISTED // 2]]
        named += [("joined", int(one)) for one in np.unique(into)[: LISTED - len(named)]]
        return ClustersAhead(
            now=int((sizes > 1).sum()),
            would_be=int((later > 1).sum()),
            records=int(sizes[sizes > 1].sum()),
            records_would_be=int(later[later > 1].sum()),
            joined=len(joined),
            split=len(split),
            examples=tuple(
                AheadCluster(what, self.tables.cluster_names[one].as_py()) for what, one in named
            ),
        )


def _with_learned(pairs: pa.Table, learned: Floats, run: Run) -> pa.Table:
    """The pairs as the refitted judge would decide them, where it was asked.

    What something else than the probability decided (a difference, a picture) stays as it was.
    """
    review = run.summary.thresholds.review
    before = pairs["probability"].to_numpy().astype(np.float64)
    accept = pairs["threshold"].to_numpy().astype(np.float64)
    said = np.array(pairs["decision"].to_pylist(), object)
    own = (said == _decided(before, accept, review)) & ~np.isnan(learned)
    probability = np.where(own, learned, before)
    decision = np.where(own, _decided(probability, accept, review), said)
    columns = dict(zip(pairs.column_names, pairs.columns, strict=True))
    columns["probability"] = pa.array(probability.astype(np.float32))
    columns["decision"] = pa.array(decision, pa.string())
    return pa.table(columns, schema=pairs.schema)


def _decided(probability: Floats, accept: Floats, review: float) -> npt.NDArray[np.object_]:
    cases = [probability >= accept - 1e-6, probability >= review - 1e-6]
    return np.array(np.select(cases, ["duplicate", "review"], "distinct"), object)
