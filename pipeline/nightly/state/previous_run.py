"""The previous run: what it left for this one to use again. SHELL."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Positions, Scores
from pipeline.candidates import ContentGroups, DenseGroups, Near
from pipeline.catalog import Catalog, NightState, Run
from pipeline.encoders import fingerprint_of
from pipeline.matching import COMPARED, DocumentFrequencies
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.run_records import groups_at, records_at
from pipeline.storage import NEAR_PAIRS, RECORDS, conform

Kind = Literal["text", "image", "lexical"]
# Contents that could not be embedded are tried again each night; more than this many are not kept
# apart, and everything is searched again.
FAILED_KEPT = 10_000


@dataclass(frozen=True)
class PreviousRun:
    """The run that is published, as far as this one can use it."""

    catalog: Catalog
    run: Run

    @property
    def groups(self) -> ContentGroups:
        """Its groups."""
        config = self.run.config
        return groups_at(
            self.catalog,
            self.run.run,
            self.run.versions["records"],
            min_tokens=config["text"]["min_tokens"],
            min_detail=config["images"]["min_detail"],
        )

    @property
    def state(self) -> NightState:
        """What it noted of its work."""
        return self.run.summary.state

    def near(self, kind: Kind) -> Near:
        """Its near pairs of one kind, sorted."""
        stored = self.catalog.dataset("near_pairs", run=self.run)
        return near_of(stored.to_table(filter=pc.field("kind") == kind))

    def records(self) -> pa.Table:
        """What of its records is compared, by record id."""
        wanted = pa.schema([RECORDS.field(name) for name in ("record_id", *COMPARED)])
        at = self.run.versions["records"]
        return conform(records_at(self.catalog, self.run.run, at, wanted.names), wanted)


def previous_run(context: RunContext) -> PreviousRun | None:
    """The run before; None on the first night, and when nothing of it is to be used."""
    run = None if context.full else context.base_run
    return PreviousRun(context.catalog, run) if run else None


def key_of(**settings: Any) -> str:
    """Digest of everything that a part of the work depends on beside the records."""
    return fingerprint_of(gemel=version("gemel"), **settings)


def hashes_digest(hashes: pa.Array) -> str:
    """Digest of a list of content hashes."""
    return hashlib.sha256("\n".join(hashes.to_pylist()).encode()).hexdigest()[:16]


def reusable_near(
    before: PreviousRun | None, kind: Kind, *, key: str, hashes: pa.Array | None
) -> Near | str:
    """Last night's near pairs of one kind, or why they cannot be used.

    Args:
        hashes: last night's contents as they are numbered now; the pairs point into them.
    """
    if before is None or hashes is None:
        return "nothing was there before"
    noted = before.state.near.get(kind)
    if noted is None or noted.key != key:
        return "its settings or its encoder have changed"
    if noted.failed is None:
        return "many contents could not be embedded"
    if noted.hashes != hashes_digest(hashes):
        return "its contents are numbered otherwise"
    return before.near(kind)


def floors_before(before: PreviousRun, kind: Kind, count: int) -> Scores:
    """(count,) float32 cosine down to which each of last night's contents was searched."""
    stored = before.catalog.dataset("near_pairs", run=before.run)
    rows = stored.to_table(filter=pc.field("kind") == f"{kind} crowd")
    floor = np.full(count, -np.inf, np.float32)
    floor[np.asarray(rows["left"], np.int64)] = pc.fill_null(rows["score"], np.inf).to_numpy()
    return floor


def crowd_rows(kind: Kind, crowds: DenseGroups, floor: float) -> pa.RecordBatch:
    """What the next night must know of the crowds: raised floors, and members by their leader."""
    raised = np.flatnonzero(crowds.floor > floor)
    place = np.concatenate([crowds.kept[raised], crowds.member])
    leader = np.concatenate([crowds.kept[raised], crowds.leader])
    none = np.full(len(crowds.member), np.nan)
    score = np.concatenate([crowds.floor[raised], none]).astype(np.float32)
    return _rows(f"{kind} crowd", Near(place, leader, score))


def near_of(rows: pa.Table) -> Near:
    """Rows of the table of near pairs as arrays, sorted."""
    left, right = (np.asarray(rows[name], np.int64) for name in ("left", "right"))
    order = np.lexsort((right, left))
    score = np.asarray(pc.fill_null(rows["score"], np.nan), np.float32)
    return Near(left[order], right[order], score[order])


def near_rows(kind: Kind, near: Near) -> pa.RecordBatch:
    """Near pairs as rows of the table."""
    return _rows(kind, near)


def _rows(kind: str, near: Near) -> pa.RecordBatch:
    score = pa.array(near.score, mask=np.isnan(near.score))
    columns = [pa.array([kind]).take(pa.array(np.zeros(len(near.left), np.int64)))]
    columns += [pa.array(side.astype(np.int32)) for side in (near.left, near.right)]
    return pa.record_batch([*columns, score], schema=NEAR_PAIRS)


def known_failures(before: PreviousRun, kind: Kind, hashes: pa.Array) -> Positions:
    """Places in `hashes` of the contents that had no vector last night."""
    noted = before.state.near.get(kind)
    failed = pa.array((noted.failed if noted else None) or (), pa.string())
    return np.flatnonzero(pc.is_in(hashes, value_set=failed).to_numpy(zero_copy_only=False))


def frequencies_before(context: RunContext, texts: int) -> DocumentFrequencies | None:
    """The word frequencies that the catalog judges with; None: to be learned from `texts` texts.

    They are kept in a full run too: they belong to the judge, like a model.
    """
    run = context.base_run
    if run is None or "word_counts" not in run.versions:
        return None
    table = context.catalog.read("word_counts", run=run)
    known = DocumentFrequencies.from_table(table)
    return None if known.outgrown(texts) else known
