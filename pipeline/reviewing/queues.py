"""Queues: in which order pairs and clusters are shown, and which are left."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Rows, positions_in
from pipeline.labels import find_disagreements
from pipeline.outputs import run_facts
from pipeline.reviewing.book import AnswerBook
from pipeline.reviewing.filters import Filtering, Filters
from pipeline.reviewing.tables import RunTables

SEED = 0


@dataclass(frozen=True)
class Queue:
    """A queue by its name, and what it is for, in words."""

    name: str
    kind: Literal["pair", "cluster"]
    title: str
    words: str


QUEUES = (
    Queue("teaches", "pair", "Teaches most", "the pairs whose answers the judge learns most from"),
    Queue("weakest", "pair", "Weakest links", "pairs inside one cluster, the least likely first"),
    Queue("disagreements", "pair", "Disagreements", "pairs of which persons say different things"),
    Queue("held", "pair", "Held by a gate", "pairs of the clusters that a gate holds"),
    Queue("random", "pair", "Random", "drawn by chance: they tell how often the run is right"),
    Queue("doubtful", "cluster", "Doubtful clusters", "clusters in review, the weakest first"),
    Queue("largest", "cluster", "Largest clusters", "the most records first"),
    Queue("newest", "cluster", "Newest clusters", "with the records that came last first"),
    Queue("gate", "cluster", "Clusters held by a gate", "those that made a gate fail"),
)
BY_NAME = {queue.name: queue for queue in QUEUES}


class Queues:
    """The orders of the queues, each made when it is first asked for.

    Attributes:
        taught: (q,) pairs chosen for what their answers teach, the most worth first, and why;
            None until they have been chosen. `version` rises with each choice.
    """

    def __init__(self, tables: RunTables, book: AnswerBook) -> None:
        self.tables, self.book, self.filtering = tables, book, Filtering(tables)
        self.version = 0
        self.taught: Rows | None = None
        self.why: dict[int, str] = {}
        self._orders: dict[str, Rows] = {}
        self._reviewed = np.zeros(0, bool)
        self._known = 0  # changes of the book that are taken up in it

    def teach(self, rows: Rows, why: dict[int, str]) -> None:
        """Take up a new choice of what teaches most."""
        self.taught, self.why = rows, why
        self.version += 1
        self._orders.pop("teaches", None)

    def pairs(
        self, name: str, wanted: Filters, *, exclude: Collection[int] = ()
    ) -> tuple[Rows, int]:
        """The open pairs of a queue in their order, and how many there are."""
        order = self._order(name)
        fits = self._open(name)[order]
        mask = self.filtering.pairs(wanted)
        if mask is not None:
            fits = fits & mask[order]
        rows = order[fits]
        if exclude:
            kept = ~np.isin(rows, np.fromiter(exclude, np.int64))
            return rows[kept], len(rows)
        return rows, len(rows)

    def clusters(
        self, name: str, wanted: Filters, *, exclude: Collection[int] = (), all_: bool = False
    ) -> Rows:
        """The clusters of a queue in their order; without `all_` those not yet reviewed."""
        order = self._order(name)
        mask = self.filtering.clusters(wanted)
        rows = order if mask is None else order[mask[order]]
        if not all_:
            done = self._done_clusters()
            rows = rows[~done[rows]]
        return rows[~np.isin(rows, np.fromiter(exclude, np.int64))] if exclude else rows

    def count(self, name: str) -> int | None:
        """How many are left; None where nobody has looked yet and it would take long."""
        if BY_NAME[name].kind == "pair":
            if name == "teaches":
                return int(self.book.open.sum())
            return self.pairs(name, Filters())[1]
        return len(self.clusters(name, Filters()))

    def _open(self, name: str) -> Flags:
        # Disagreements are answered already: that is what they are about.
        return np.ones_like(self.book.open) if name == "disagreements" else self.book.open

    def _order(self, name: str) -> Rows:
        if name == "disagreements":
            with self.book.lock:
                found = find_disagreements(self.book.log)
            at = self.tables.numbers_of(found)
            return at[at >= 0]
        if name not in self._orders:
            self._orders[name] = self._makers[name]()
        return self._orders[name]

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Rows]]:
        return {
            "teaches": self._teaching,
            "weakest": self._weakest,
            "held": self._held_pairs,
            "random": self._random,
            "doubtful": self._doubtful,
            "largest": lambda: self._by(self.tables.sizes),
            "newest": lambda: self._by(self._newest_record()),
            "gate": self._held_clusters,
        }

    def _teaching(self) -> Rows:
        """Those that were chosen, then the others by their distance to the accept threshold."""
        accept = self.tables.run.summary.thresholds.accept
        near = np.argsort(np.abs(self.tables.probability - accept), kind="stable")
        if self.taught is None:
            return near
        rest = near[~np.isin(near, self.taught)]
        return np.concatenate([self.taught, rest])

    def _weakest(self) -> Rows:
        rows = np.flatnonzero(self.tables.together)
        return rows[np.argsort(self.tables.probability[rows], kind="stable")]

    def _random(self) -> Rows:
        """Accepted and other pairs in turns, each kind in an order of chance."""
        accepted = np.asarray(pc.equal(self.tables.pairs["decision"], "duplicate"), bool)
        drawn = np.random.default_rng(SEED).permutation(len(accepted))
        parts = drawn[accepted[drawn]], drawn[~accepted[drawn]]
        turn = [np.arange(len(part)) + place / 2 for place, part in enumerate(parts)]
        order = np.argsort(np.concatenate(turn), kind="stable")
        return np.concatenate(parts)[order]

    def held_names(self) -> list[str]:
        """Clusters that made a gate fail."""
        return run_facts.responsible(self.tables.run.summary)

    def _held_clusters(self) -> Rows:
        names = self.held_names()
        at = positions_in(pa.array(names, pa.string()), self.tables.cluster_names)
        return at[at >= 0]

    def _held_pairs(self) -> Rows:
        held = self._held_clusters()
        rows = [self.tables.pairs_within(int(cluster)) for cluster in held]
        found = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        return found[np.argsort(self.tables.probability[found], kind="stable")]

    def _several(self) -> Rows:
        return np.flatnonzero(self.tables.sizes > 1)

    def _doubtful(self) -> Rows:
        clusters, heads = self.tables.clusters, self.tables.heads
        review = np.asarray(pc.equal(clusters["status"], "review"), bool)[heads]
        rows = np.flatnonzero(review & (self.tables.sizes > 1))
        cohesion = clusters["cohesion"].to_numpy()[heads[rows]]
        return rows[np.argsort(cohesion, kind="stable")]

    def _by(self, value: Rows) -> Rows:
        """Clusters of several records, the greatest value first, then the larger."""
        rows = self._several()
        return rows[np.lexsort((rows, -self.tables.sizes[rows], -value[rows]))]

    def _newest_record(self) -> Rows:
        """(c,) when the last record of each cluster came."""
        seen = pc.fill_null(self.tables.records["first_seen"].cast("int64"), 0).to_numpy()
        found = np.zeros(len(self.tables.cluster_names), np.int64)
        np.maximum.at(found, self.tables.cluster_of, seen)
        return found

    def is_reviewed(self, cluster: int) -> bool:
        """Whether persons tied every record of a cluster to its representative, or parted it."""
        return bool(self._done_clusters()[cluster])

    def _done_clusters(self) -> Flags:
        """(c,) clusters in which every record has its answer; looked at where answers came."""
        tables, book = self.tables, self.book
        with book.lock:
            changes = book.changes[self._known :]
            if None in changes:
                self._reviewed = np.zeros(len(tables.cluster_names), bool)
                records = {record for one in book.log.standing() for record in one.pair}
            else:
                records = {record for change in changes for record in change or ()}
            self._known = book.count
            at = positions_in(pa.array(sorted(records), pa.string()), tables.ids)
            for cluster in np.unique(tables.cluster_of[at[at >= 0]]).tolist():
                self._reviewed[cluster] = self._look(cluster)
            return self._reviewed

    def _look(self, cluster: int) -> bool:
        tables, log = self.tables, self.book.log
        members = tables.ids.take(tables.members(cluster)).to_pylist()
        if len(members) < 2:
            return False
        head = tables.ids[int(tables.heads[cluster])].as_py()
        tied = self.book.graph.tied(head)
        for record in members:
            pair = (min(head, record), max(head, record))
            answer = log.latest(pair) if record != head else None
            if record not in tied and (answer is None or answer.label == "unsure"):
                return False
        return True
